"""The parts of a Python traceback: frames, the exception's own lines, and how one traceback is linked to the next."""

from __future__ import annotations

import re

from tools.log_reader.raised import Cursor, Link, Raised, read_message
from tools.log_reader.stack_lines import (
    GUTTER,
    LINKS,
    NOTEBOOK_FRAME,
    PYTHON_EXCEPTION,
    PYTHON_FRAME,
    is_log_line,
    is_user_python,
)

MAX_FRAMES = 3000


def read_exception(cursor: Cursor, notebook: str | None) -> Raised:
    """Frames, then the exception's own lines. A traceback cut off before those has neither name nor message."""
    frames, statement = _read_frames(cursor, notebook)
    text = cursor.peek()
    match = PYTHON_EXCEPTION.match(text.strip()) if text is not None and not is_log_line(text) else None
    user = [f"{_short(file)}:{function}" for file, function in frames if is_user_python(file)]
    library = bool(frames) and not is_user_python(frames[-1][0])
    if match is None:
        at = max(0, cursor.end - 1)
        return Raised(None, [], at, at, "python", "", user, library, statement)
    index = cursor.at
    cursor.step()
    message = [match["message"] or "", *read_message(cursor)]
    return Raised(match["name"], message, index, cursor.end - 1, "python", "", user, library, statement)


def _read_frames(cursor: Cursor, notebook: str | None) -> tuple[list[tuple[str, str]], str]:
    """The frames (file, function) up to the exception's line, and the innermost frame's source line."""
    frames: list[tuple[str, str]] = []
    statement = ""
    while (text := cursor.peek()) is not None and cursor.frames < MAX_FRAMES:
        frame = PYTHON_FRAME.match(text) or (notebook and NOTEBOOK_FRAME.match(text))
        if frame:
            found = frame.groupdict()
            frames.append(
                (found.get("file") or found.get("cell") or text.split(" in ")[0], found.get("function") or "")
            )
            cursor.frames += 1
        elif notebook:
            name = notebook.rsplit(".", 1)[-1]
            if re.match(rf"(?:[\w.]+\.)?{re.escape(name)}(?:: |:?$)", text):
                break
            if is_log_line(text):
                break
            if "-> " in text[:12]:
                statement = text.split(" ", 2)[-1].strip()
        elif text[:1] in " \t":
            if text.strip(" ^~") and not text.lstrip().startswith("[Previous line repeated"):
                statement = text.strip()
        elif not (is_log_line(text) and cursor.goes_on(PYTHON_FRAME)):
            break
        cursor.step()
    return frames, statement


def link_ahead(cursor: Cursor) -> Link | None:
    at = cursor.at
    while at < len(cursor.lines) and at < cursor.at + 3 and not cursor.lines[at].strip(" |"):
        at += 1
    if at >= len(cursor.lines):
        return None
    text = GUTTER.sub("", cursor.lines[at]).strip()
    link = LINKS.get(text)
    if link is None:
        return None
    at += 1
    while at < len(cursor.lines) and not cursor.lines[at].strip(" |-"):
        at += 1
    cursor.at = cursor.end = at
    return link  # type: ignore[return-value]


def ungutter(text: str) -> str:
    while GUTTER.match(text):
        text = GUTTER.sub("", text, count=1)
    return text


def _short(file: str) -> str:
    return file.replace("\\", "/").rsplit("/", 1)[-1]
