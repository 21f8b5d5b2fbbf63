"""What a person attaches: checked by name and content, read where it is a picture, redacted before anybody keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from core.errors import InvalidInput
from core.incident import Reviewer
from server.guards import MAX_ATTACHMENT
from server.problems import ProblemError
from store.views import ArtifactInfo
from tools.ocr import PictureReader, is_picture
from tools.ocr.picture import SUFFIXES as PICTURE_SUFFIXES
from tools.redaction import redact
from wiring.runtime import Runtime

TEXT_SUFFIXES = frozenset({".log", ".txt", ".out", ".err", ".json"})
FOREIGN_STARTS = (b"GIF8", b"RIFF", b"%PDF", b"PK\x03\x04")
MAX_NAME = 120


@dataclass(frozen=True)
class Attached:
    """A harmless name, the redacted text, and what of a picture could not be read."""

    name: str
    text: str
    notes: list[str] = field(default_factory=list)


async def keep_attachment(
    runtime: Runtime, incident_id: str, file_name: str, body: bytes, by: Reviewer
) -> ArtifactInfo:
    """Read what somebody attached and keep its text with the incident. Of a picture only the text is kept: it can't
    be redacted.

    Raises:
        NotFound: There is no such incident.
        ProblemError, InvalidInput: As `read_attachment`.
    """
    await runtime.store.incident(incident_id)
    read = await read_attachment(file_name, body, runtime.pictures)
    kept = await runtime.store.attach(incident_id, read.name, read.text, by=by.name)
    if read.notes:
        facts = {"name": read.name, "notes": read.notes}
        await runtime.store.add_event(incident_id, "attachment_noted", facts, key=f"noted/{kept.id}")
    return kept


async def read_attachment(file_name: str, body: bytes, pictures: PictureReader) -> Attached:
    """The redacted text of a log, or of a screenshot (PNG, JPEG).

    Raises:
        ProblemError: 413 when it is too large, 415 when it is neither a text nor a picture as its name says.
        InvalidInput: It is empty, or the picture can't be read.
    """
    name = safe_name(file_name)
    if len(body) > MAX_ATTACHMENT:
        raise ProblemError(413, "Too large", f"An attachment may hold {MAX_ATTACHMENT // 1024 // 1024} MiB.")
    if not body.strip():
        raise InvalidInput("The attachment is empty.")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in PICTURE_SUFFIXES and is_picture(body):
        read = await pictures.read_aside(body)
        return Attached(name, read.text, read.notes)
    if suffix not in TEXT_SUFFIXES or is_picture(body) or body.startswith(FOREIGN_STARTS) or b"\x00" in body:
        raise ProblemError(
            415,
            "Not a kind of file that is accepted",
            f"{name} is neither a text nor a picture of the kind that its name says.",
            hint=f"Attach one of {', '.join(sorted(TEXT_SUFFIXES | PICTURE_SUFFIXES))}.",
        )
    return Attached(name, redact(body.decode("utf-8", errors="replace")).text)


def safe_name(file_name: str) -> str:
    """The last part of a file's name, printable and short; it is only shown, never opened."""
    last = PurePosixPath(file_name.replace("\\", "/")).name
    return "".join(c for c in last if c.isprintable())[-MAX_NAME:] or "attachment"
