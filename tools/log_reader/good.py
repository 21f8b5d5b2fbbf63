"""What a good run's log looks like, so that what always stands there weighs less in a bad one."""

from __future__ import annotations

import io
from collections import deque
from pathlib import Path
from typing import BinaryIO

from tools.log_reader.scan import scanner_for
from tools.log_reader.templates import Templates
from tools.log_reader.text import chunks, decode

#: So many chunks at either end of the log are learnt whole; of what lies between, only the lines with a signal.
_WHOLE_CHUNKS = 4


def templates_of_text(text: str) -> Templates:
    """The templates of a text."""
    return templates_of_stream(io.BytesIO(text.encode("utf-8", "surrogatepass")))


def templates_of_path(path: Path | str) -> Templates:
    """The templates of a log file. Raises OSError."""
    with Path(path).open("rb") as stream:
        return templates_of_stream(stream)


def templates_of_stream(stream: BinaryIO) -> Templates:
    """The templates that comparing another run's log with this one needs, in one pass and bounded time."""
    templates = Templates()
    last: deque[bytes] = deque(maxlen=_WHOLE_CHUNKS)
    for number, chunk in enumerate(chunks(stream)):
        if number < _WHOLE_CHUNKS:
            _learn(templates, chunk)
            continue
        last.append(chunk)
        for start in dict.fromkeys(scanner_for(len(chunk)).scan(chunk).start):
            end = chunk.find(b"\n", start)
            templates.learn(decode(chunk[start : end if end >= 0 else None]))
    for chunk in last:
        _learn(templates, chunk)
    return templates


def _learn(templates: Templates, data: bytes) -> None:
    for line in data.split(b"\n"):
        if line.strip():
            templates.learn(decode(line))
