"""What a person attaches: checked by name and content, redacted before anybody keeps it."""

from __future__ import annotations

from pathlib import PurePosixPath

from core.errors import InvalidInput
from server.guards import MAX_ATTACHMENT
from server.problems import ProblemError
from tools.redaction import redact

TEXT_SUFFIXES = frozenset({".log", ".txt", ".out", ".err", ".json"})
IMAGE_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
MAX_NAME = 120


def read_attachment(file_name: str, body: bytes) -> tuple[str, str]:
    """A harmless name and the redacted text.

    Raises:
        ProblemError: 413 when it is too large, 415 when it is no text.
        InvalidInput: It is empty.
    """
    name = safe_name(file_name)
    if len(body) > MAX_ATTACHMENT:
        raise ProblemError(413, "Too large", f"An attachment may hold {MAX_ATTACHMENT // 1024 // 1024} MiB.")
    if not body.strip():
        raise InvalidInput("The attachment is empty.")
    if (
        PurePosixPath(name).suffix.lower() not in TEXT_SUFFIXES
        or body.startswith(IMAGE_STARTS)
        or b"\x00" in body
    ):
        raise ProblemError(
            415,
            "Not a kind of file that is accepted",
            f"{name} is not a text.",
            hint=f"Attach one of {', '.join(sorted(TEXT_SUFFIXES))}; paste what a screenshot shows into a hint.",
        )
    return name, redact(body.decode("utf-8", errors="replace")).text


def safe_name(file_name: str) -> str:
    """The last part of a file's name, printable and short; it is only shown, never opened."""
    last = PurePosixPath(file_name.replace("\\", "/")).name
    return "".join(c for c in last if c.isprintable())[-MAX_NAME:] or "attachment"
