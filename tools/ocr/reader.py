"""Reads a screenshot: by Azure Document Intelligence where that is configured, else here; mended and redacted."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from core.errors import InvalidInput
from core.settings import Settings
from tools.ocr.azure import DocumentIntelligence, ReadingFailed
from tools.ocr.engine import read_lines
from tools.ocr.mend import Vocabulary
from tools.ocr.picture import open_picture
from tools.ocr.secrets import redact_read


@dataclass(frozen=True)
class PictureText:
    """What a picture says, redacted; `notes` say what of it could not be read and by whom."""

    text: str
    secrets_redacted: int = 0
    notes: list[str] = field(default_factory=list)


class PictureReader:
    """Reads pictures. Only their text leaves this class: a picture can't be redacted, so none is kept.

    Args:
        vocabulary: The names that misread ones are held against.
        remote: Azure Document Intelligence, or None: then no picture leaves this machine.
    """

    def __init__(self, vocabulary: Vocabulary, remote: DocumentIntelligence | None = None) -> None:
        self._vocabulary = vocabulary
        self._remote = remote
        # One at a time, and none of the event loop's own threads, which others wait for.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pictures")

    @classmethod
    def of(cls, settings: Settings, vocabulary: Vocabulary) -> PictureReader:
        """The reader that the settings ask for."""
        endpoint, key = settings.document_intelligence_endpoint, settings.document_intelligence_key
        remote = DocumentIntelligence(endpoint, key) if endpoint and key else None
        return cls(vocabulary, remote)

    async def read_aside(self, body: bytes) -> PictureText:
        """`read`, in a thread of this reader's own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.read, body)

    def read(self, body: bytes) -> PictureText:
        """The text on a PNG or JPEG picture, line by line. Takes seconds.

        Raises:
            InvalidInput: It is no picture that can be read, or nothing is written on it.
        """
        picture = open_picture(body)
        notes: list[str] = []
        lines: list[str] = []
        if self._remote is not None:
            try:
                lines = self._remote.read_lines(body)
            except ReadingFailed as error:
                notes.append(f"Azure Document Intelligence did not read it ({error}); it was read here")
        if not lines:
            lines, cut = read_lines(picture)
            if cut:
                notes.append("it is so tall that only its lower part was read")
        if not any(map(str.strip, lines)):
            raise InvalidInput("No text can be made out on the picture.", hint="Attach the log itself.")
        clean = redact_read("\n".join(self._vocabulary.mend(lines)))
        return PictureText(clean.text, clean.count, notes)
