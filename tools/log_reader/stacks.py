"""Reads one exception from a list of lines: its chain, wherever Python and Java wrap each other, and its end.

Python prints the first exception first and the last one last; Java prints the outermost first and its causes
after it; Py4J puts a Java stack into a Python message, and Spark puts a Python traceback into a Java message.
`read_stack` brings all of these into one order: outermost first, root last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tools.log_reader.stack_lines import (
    GROUP_MARK,
    GROUP_TRACEBACK,
    GUTTER,
    IN_THREAD,
    INLINE,
    JAVA_CAUSED,
    JAVA_EXCEPTION,
    JAVA_FRAME,
    JAVA_MORE,
    LINKS,
    NOTEBOOK_FRAME,
    NOTEBOOK_TRACEBACK,
    PYTHON_EXCEPTION,
    PYTHON_FRAME,
    STAGE_FAILURE,
    TRACEBACK,
    is_log_line,
    is_user_java,
    is_user_python,
    resumes,
)

_MAX_MESSAGE_LINES = 40
_MAX_FRAMES = 3000
_SYNTAX_ERRORS = {"SyntaxError", "IndentationError", "TabError"}
Link = Literal["", "cause", "context", "caused_by", "suppressed", "inline", "group"]


@dataclass(slots=True)
class Raised:
    """One exception as printed. `index` and `last` are list indexes of its first and last message line.

    `user_frames` are `file:function` of the user's own frames; `library` says that the innermost frame is not
    the user's; `statement` is the source of the innermost frame where the traceback shows it.
    """

    name: str | None
    message: list[str]
    index: int
    last: int
    language: Literal["python", "java"]
    link: Link = ""
    user_frames: list[str] = field(default_factory=list)
    library: bool = False
    statement: str = ""


@dataclass(slots=True)
class Stack:
    """A chain, outermost first. `end` is the index after its last line; `frames` how many frames it had."""

    chain: list[Raised]
    end: int
    frames: int
    truncated: bool = False


class _Cursor:
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

    def skip_blank(self) -> bool:
        """Go over blank lines when what follows them still belongs to this exception; say whether it does."""
        ahead = self.at
        while ahead < len(self.lines) and ahead < self.at + 3 and not self.lines[ahead].strip():
            ahead += 1
        if ahead < len(self.lines) and resumes(self.lines[ahead]):
            self.at = ahead
            return True
        return False


def read_stack(lines: Sequence[str], at: int) -> Stack | None:
    """Read the exception that begins at `lines[at]`, or None when none begins there.

    The line may be a traceback's head, a frame (of an exception whose head is cut off), a Java exception's
    line, or a log line that ends in one.
    """
    cursor = _Cursor(lines, at)
    first = lines[at]
    truncated = False
    if TRACEBACK.search(first) or PYTHON_FRAME.match(first):
        truncated = not TRACEBACK.search(first)
        head = _java_before_traceback(first, at)
        chain = _read_python(cursor, nested=head is not None)
        if head is not None:
            chain = [head, *chain, *_read_java_tail(cursor, head)]
    else:
        truncated = bool(JAVA_FRAME.match(first) or JAVA_MORE.match(first))
        chain = _read_java(cursor)
    if not chain:
        return None
    return Stack(_without_doubles(chain), max(cursor.end, at + 1), cursor.frames, truncated)


def _java_before_traceback(text: str, at: int) -> Raised | None:
    """Spark's `...PythonException: Traceback (most recent call last):` is a Java exception around a Python one."""
    before = text[: TRACEBACK.search(text).start()] if TRACEBACK.search(text) else ""  # type: ignore[union-attr]
    found = [m for m in re.finditer(r"([\w.$]*PythonException): '?$", before.rstrip(" ") + " ".rstrip())]
    if not found:
        match = re.search(r"([\w.$]+Exception): ?'?$", before)
        if not match:
            return None
        return Raised(match[1], [], at, at, "java")
    return Raised(found[-1][1], [], at, at, "java")


def _read_python(cursor: _Cursor, *, nested: bool) -> list[Raised]:
    chain: list[Raised] = []
    link: Link = ""
    while True:
        raised = _read_traceback(cursor)
        if raised is None:
            break
        raised.link = link
        java = [] if nested else _java_inside(cursor)
        chain = [raised, *java, *chain]
        following = _link_ahead(cursor)
        if following is None:
            break
        link = following
    return chain


def _link_ahead(cursor: _Cursor) -> Link | None:
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


def _read_traceback(cursor: _Cursor) -> Raised | None:
    text = cursor.peek()
    if text is None:
        return None
    if GROUP_TRACEBACK.match(text):
        return _read_group(cursor)
    notebook = NOTEBOOK_TRACEBACK.search(text)
    if TRACEBACK.search(text):
        cursor.step()
    elif not PYTHON_FRAME.match(text):
        return None
    frames, statement = _read_frames(cursor, notebook["name"] if notebook else None)
    text = cursor.peek()
    match = PYTHON_EXCEPTION.match(text.strip()) if text is not None and not is_log_line(text) else None
    user = [f"{_short(file)}:{function}" for file, function in frames if is_user_python(file)]
    library = bool(frames) and not is_user_python(frames[-1][0])
    if text is None or match is None:
        # The traceback is cut off before its exception: keep the frames, the line is unknown.
        return Raised(None, [], cursor.end - 1, cursor.end - 1, "python", "", user, library, statement)
    index = cursor.at
    cursor.step()
    message = [match["message"] or "", *_read_message(cursor)]
    return Raised(match["name"], message, index, cursor.end - 1, "python", "", user, library, statement)


def _read_frames(cursor: _Cursor, notebook: str | None) -> tuple[list[tuple[str, str]], str]:
    """The frames (file, function) up to the exception's line, and the innermost frame's source line."""
    frames: list[tuple[str, str]] = []
    statement = ""
    while (text := cursor.peek()) is not None and cursor.frames < _MAX_FRAMES:
        frame = PYTHON_FRAME.match(text) or (notebook and NOTEBOOK_FRAME.match(text))
        if frame:
            found = frame.groupdict()
            frames.append((found.get("file") or found.get("cell") or text.split(" in ")[0], found.get("function") or ""))
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
        else:
            break
        cursor.step()
    return frames, statement


def _read_group(cursor: _Cursor) -> Raised | None:
    """An exception group: its first member is taken for the root, the group for its wrapper."""
    start = cursor.at
    end = start + 1
    while end < len(cursor.lines) and (GUTTER.match(cursor.lines[end]) or GROUP_MARK.match(cursor.lines[end])):
        end += 1
    inner = ["Traceback (most recent call last):"]
    inner += [_ungutter(text) for text in cursor.lines[start + 1 : end]]
    head = _Cursor(inner, 0)
    group = _read_traceback(head)
    cursor.at = cursor.end = end
    if group is None:
        return None
    group.index += start
    group.last += start
    group.message += [""]
    return group


def _ungutter(text: str) -> str:
    while GUTTER.match(text):
        text = GUTTER.sub("", text, count=1)
    return text


def _read_message(cursor: _Cursor) -> list[str]:
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
            or text.startswith(("Driver stacktrace", "JVM stacktrace", ": "))
            or is_log_line(text)
        ):
            break
        if JAVA_EXCEPTION.match(text) and _frames_follow(cursor):
            break
        message.append(text)
        cursor.step()
    return message


def _frames_follow(cursor: _Cursor) -> bool:
    return any(JAVA_FRAME.match(text) for text in cursor.lines[cursor.at + 1 : cursor.at + 12])


def _java_inside(cursor: _Cursor) -> list[Raised]:
    """The Java stack that a Python message goes on with (Py4J's `: org...`, PySpark's `JVM stacktrace:`)."""
    text = cursor.peek()
    if text is not None and text.startswith("JVM stacktrace"):
        cursor.step()
        text = cursor.peek()
    if text is None or not JAVA_EXCEPTION.match(text):
        if text is not None and JAVA_FRAME.match(text):
            return _read_java_tail(cursor, None)
        return []
    return _read_java(cursor)


def _read_java(cursor: _Cursor) -> list[Raised]:
    text = cursor.peek()
    if text is None:
        return []
    if JAVA_FRAME.match(text) or JAVA_MORE.match(text):
        headless = Raised(None, [], cursor.at, cursor.at, "java")
        return [headless, *_read_java_tail(cursor, headless)]
    chain = _java_head(text, cursor.at)
    if not chain:
        return []
    cursor.step()
    owner = chain[-1]
    owner.message += _read_message(cursor)
    owner.last = max(owner.index, cursor.end - 1)
    chain[0].last = max(chain[0].last, owner.index)
    return [*chain, *_read_java_tail(cursor, owner)]


def _java_head(text: str, at: int) -> list[Raised]:
    """The exception(s) named in a line: itself, and the one that a stage failure quotes."""
    match = IN_THREAD.search(text) or JAVA_CAUSED.match(text) or JAVA_EXCEPTION.match(text)
    stage = STAGE_FAILURE.search(text)
    chain: list[Raised] = []
    if match:
        message = match["message"] or ""
        if stage:
            message = message[: max(0, stage.start("name") - match.start("message"))].rstrip(": ") if match["message"] else ""
        chain.append(Raised(match["name"], [message], at, at, "java"))
    if stage:
        chain.append(Raised(stage["name"], [stage["message"] or ""], at, at, "java", "inline"))
    if not chain and (inline := INLINE.search(text)):
        chain.append(Raised(inline["name"], [inline["message"] or ""], at, at, "java"))
    return chain


def _read_java_tail(cursor: _Cursor, owner: Raised | None) -> list[Raised]:
    """Frames, causes and Python tracebacks after a Java exception's message."""
    chain: list[Raised] = []
    while (text := cursor.peek()) is not None and cursor.frames < _MAX_FRAMES:
        frame = JAVA_FRAME.match(text)
        if frame:
            cursor.frames += 1
            if owner is not None:
                _note_frame(owner, frame)
        elif caused := JAVA_CAUSED.match(text):
            owner = _caused(caused, cursor.at)
            chain.append(owner)
            cursor.step()
            owner.message += _read_message(cursor)
            owner.last = max(owner.index, cursor.end - 1)
            if TRACEBACK.search(cursor.peek() or ""):
                chain += _read_python(cursor, nested=True)
            continue
        elif TRACEBACK.search(text):
            chain += _read_python(cursor, nested=True)
            continue
        elif not text.strip():
            if not cursor.skip_blank():
                break
            if cursor.lines[cursor.at].strip() in LINKS:
                break
            continue
        elif not (JAVA_MORE.match(text) or text.startswith(("Driver stacktrace", "JVM stacktrace"))):
            break
        cursor.step()
    return chain


def _caused(match: re.Match[str], at: int) -> Raised:
    suppressed = match["what"] == "Suppressed" or (bool(match["indent"]) and len(match["indent"]) > 0)
    stage = STAGE_FAILURE.search(match["message"] or "")
    if stage:
        return Raised(stage["name"], [stage["message"] or ""], at, at, "java", "caused_by")
    link: Link = "suppressed" if suppressed else "caused_by"
    message = match["message"] if match["message"] is not None else match["tail"] or ""
    return Raised(match["name"], [message], at, at, "java", link)


def _note_frame(owner: Raised, frame: re.Match[str]) -> None:
    method = frame["method"]
    if is_user_java(method):
        owner.user_frames.append(method)


def _without_doubles(chain: list[Raised]) -> list[Raised]:
    """The chain with what is printed twice (on the executor and again on the driver) once; suppressed ones first."""
    seen: set[tuple[str, str]] = set()
    kept: list[Raised] = []
    for raised in chain:
        key = ((raised.name or "").rsplit(".", 1)[-1], "\n".join(raised.message)[:200])
        if key in seen and raised.name:
            continue
        seen.add(key)
        kept.append(raised)
    while kept and kept[-1].link == "suppressed" and any(r.link != "suppressed" for r in kept):
        kept.insert(0, kept.pop())
    return kept


def _short(file: str) -> str:
    return file.replace("\\", "/").rsplit("/", 1)[-1]
