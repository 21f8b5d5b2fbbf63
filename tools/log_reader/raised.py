"""An exception as a log prints it, and how the lines of one are gone through."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tools.log_reader.stack_lines import (
    INTRODUCED,
    JAVA_CAUSED,
    JAVA_EXCEPTION,
    JAVA_FRAME,
    JAVA_MORE,
    LINKS,
    TRACEBACK,
    is_log_line,
    resumes,
)

_MAX_MESSAGE_LINES = 40
Link = Literal["", "cause", "context", "caused_by", "suppressed", "inline", "group"]
Language = Literal["python", "java"]


@dataclass(slots=True)
class Raised:
    """One exception as printed. `index` and `last` are list indexes of its first and last message line.

    `user_frames` are `file:function` of the user's own frames; `library` says that the innermost frame is not
    the user's; `statement` is the source of the innermost frame where the traceback shows it; `quote` is the
    whole of an exception that another one's message quotes.
    """

    name: str | None
    message: list[str]
    index: int
    last: int
    language: Language
    link: Link = ""
    user_frames: list[str] = field(default_factory=list)
    library: bool = False
    statement: str = ""
    quote: str = ""
    members: list[Raised] = field(default_factory=list)


@dataclass(slots=True)
class Stack:
    """A chain, outermost first. `end` is the index after its last line; `frames` how many frames it had."""

    chain: list[Raised]
    end: int
    frames: int
    truncated: bool = False


class Cursor:
    """The lines of one exception and how far they are read."""

    def __init__(self, lines: Sequence[str], at: int) -> None:
        self.lines = lines
        self.at = at
        self.frames = 0
        self.end = at

    def peek(self) -> str | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def step(self) -> None:
        self.at += 1
        self.end = self.at

    def goes_on(self, frame: re.Pattern[str]) -> bool:
        """Whether frames follow the next lines, which another thread wrote in between."""
        for text in self.lines[self.at : self.at + 4]:
            if frame.match(text):
                return True
            if not is_log_line(text) or "Exception" in text or "Error" in text:
                return False
        return False

    def skip_blank(self) -> bool:
        """Go over blank lines when what follows them still belongs to this exception; say whether it does."""
        ahead = self.at
        while ahead < len(self.lines) and ahead < self.at + 3 and not self.lines[ahead].strip():
            ahead += 1
        if ahead < len(self.lines) and resumes(self.lines[ahead]):
            self.at = ahead
            return True
        return False


def read_message(cursor: Cursor) -> list[str]:
    """The lines of a message after its first: up to a frame, a cause, a log line or a real blank line."""
    message: list[str] = []
    while (text := cursor.peek()) is not None and len(message) < _MAX_MESSAGE_LINES:
        if not text.strip():
            if not cursor.skip_blank():
                break
            continue
        if (
            JAVA_FRAME.match(text)
            or JAVA_MORE.match(text)
            or JAVA_CAUSED.match(text)
            or TRACEBACK.search(text)
            or text.strip() in LINKS
            or INTRODUCED.match(text)
            or text.startswith(("Driver stacktrace", "JVM stacktrace", ": "))
            or is_log_line(text)
        ):
            break
        if JAVA_EXCEPTION.match(text) and _frames_follow(cursor):
            break
        message.append(text)
        cursor.step()
    return message


def _frames_follow(cursor: Cursor) -> bool:
    return any(JAVA_FRAME.match(text) for text in cursor.lines[cursor.at + 1 : cursor.at + 12])
