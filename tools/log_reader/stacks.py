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
    CUT_OUT,
    EXCEPTION_NAME,
    GROUP_MARK,
    GROUP_TRACEBACK,
    GUTTER,
    IN_THREAD,
    INLINE,
    INTRODUCED,
    JAVA_AROUND_TRACEBACK,
    JAVA_CAUSED,
    JAVA_EXCEPTION,
    JAVA_FRAME,
    JAVA_MORE,
    LINKS,
    NOTEBOOK_FRAME,
    NOTEBOOK_TRACEBACK,
    PY4J_CALL,
    PYTHON_EXCEPTION,
    PYTHON_FRAME,
    QUOTED,
    SCRIPT_ERROR,
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
    the user's; `statement` is the source of the innermost frame where the traceback shows it; `quote` is the
    whole of an exception that another one's message quotes.
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
    quote: str = ""
    members: list[Raised] = field(default_factory=list)


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
    if (TRACEBACK.search(first) and not JAVA_AROUND_TRACEBACK.search(first)) or PYTHON_FRAME.match(first):
        truncated = not TRACEBACK.search(first)
        chain = _read_python(cursor, nested=False)
    else:
        truncated = bool(JAVA_FRAME.match(first) or JAVA_MORE.match(first))
        chain = _read_java(cursor)
    if not chain:
        return None
    return Stack(_without_doubles(chain), max(cursor.end, at + 1), cursor.frames, truncated)


def exceptions_in(text: str) -> list[Raised]:
    """The exceptions that a single line names, outermost first: itself and those that its message quotes."""
    return _java_head(text, 0)


def _read_python(cursor: _Cursor, *, nested: bool, opened: bool = False) -> list[Raised]:
    """A chain of tracebacks. `opened`: the first one's head has been read; `nested`: a Java stack is around it."""
    chain: list[Raised] = []
    link: Link = ""
    while True:
        raised = _read_exception(cursor, None) if opened else _read_traceback(cursor)
        opened = False
        if raised is None:
            break
        raised.link = link
        java = peel(raised) or _worker_inside(cursor, raised) or ([] if nested else _java_inside(cursor))
        chain = [raised, *java, *raised.members, *chain]
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
    return _read_exception(cursor, notebook["name"] if notebook else None)


def _read_exception(cursor: _Cursor, notebook: str | None) -> Raised:
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
        else:
            break
        cursor.step()
    return frames, statement


def _read_group(cursor: _Cursor) -> Raised | None:
    """An exception group: the group itself; `_group_members` reads what it holds."""
    start = cursor.at
    end = start + 1
    while end < len(cursor.lines) and (
        GUTTER.match(cursor.lines[end]) or GROUP_MARK.match(cursor.lines[end])
    ):
        end += 1
    inner = _Cursor([_ungutter(text) for text in cursor.lines[start:end]], 0)
    inner.step()
    group = _read_exception(inner, None)
    group.index += start
    group.last += start
    group.members = _group_members(inner, start)
    cursor.frames += inner.frames
    cursor.at = cursor.end = end
    return group


def _group_members(inner: _Cursor, start: int) -> list[Raised]:
    members: list[Raised] = []
    while (text := inner.peek()) is not None:
        if TRACEBACK.search(text):
            chain = _read_python(inner, nested=True)
        elif PYTHON_EXCEPTION.match(text) and text.strip():
            chain = [_read_exception(inner, None)]
        else:
            inner.step()
            continue
        for raised in chain:
            raised.index += start
            raised.last += start
            raised.link = raised.link or "group"
        members = chain + members
    return members


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


def _frames_follow(cursor: _Cursor) -> bool:
    return any(JAVA_FRAME.match(text) for text in cursor.lines[cursor.at + 1 : cursor.at + 12])


def _worker_inside(cursor: _Cursor, raised: Raised) -> list[Raised]:
    """The Python worker's own traceback, which PySpark puts into the message of its PythonException."""
    if (raised.name or "").endswith("PythonException") and TRACEBACK.search(cursor.peek() or ""):
        return _read_python(cursor, nested=True)
    return []


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
    return [*chain, *_read_java_rest(cursor, chain[-1]), *_read_java_tail(cursor, chain[-1])]


def _read_java_rest(cursor: _Cursor, owner: Raised) -> list[Raised]:
    """The lines of a Java exception's message after its first; a Python chain where the message is a traceback."""
    text = cursor.peek() or ""
    cursor.step()
    if JAVA_AROUND_TRACEBACK.search(text):
        owner.message = [""]
        return _read_python(cursor, nested=True, opened=True)
    owner.message += _read_message(cursor)
    owner.last = max(owner.index, cursor.end - 1)
    return []


def _java_head(text: str, at: int) -> list[Raised]:
    """The exception(s) named in a line: itself, and those that its message quotes."""
    match = (
        IN_THREAD.search(text)
        or JAVA_CAUSED.match(text)
        or JAVA_EXCEPTION.match(text)
        or SCRIPT_ERROR.match(text)
    )
    if not match and STAGE_FAILURE.search(text):
        return _quoted(text, at, "java")
    if not match:
        match = INLINE.search(text)
    if not match:
        return []
    head = Raised(match["name"], [match["message"] or ""], at, at, "java")
    return [head, *peel(head)]


def peel(raised: Raised) -> list[Raised]:
    """The exceptions quoted in the first line of a message, which keeps only what stands before them."""
    first = raised.message[0] if raised.message else ""
    quoted = _quoted(first, raised.index, raised.language)
    if quoted:
        raised.message[0] = first[: len(first) - len(quoted[0].quote)].rstrip(": ")
    return quoted


def _quoted(text: str, at: int, language: Literal["python", "java"]) -> list[Raised]:
    found = STAGE_FAILURE.search(text) or PY4J_CALL.search(text) or QUOTED.match(text)
    if not found or len(found["message"] or "") + len(found["name"]) > len(text):
        return []
    inner = Raised(
        found["name"], [found["message"] or ""], at, at, language, "inline", quote=text[found.start("name") :]
    )
    return [inner, *peel(inner)]


def _read_java_tail(cursor: _Cursor, owner: Raised | None) -> list[Raised]:
    """Frames, causes and Python tracebacks after a Java exception's message."""
    chain: list[Raised] = []
    while (text := cursor.peek()) is not None and cursor.frames < _MAX_FRAMES:
        frame = JAVA_FRAME.match(text)
        if frame:
            cursor.frames += 1
            if owner is not None:
                _note_frame(owner, frame)
            if text.endswith(" {"):
                _skip_properties(cursor)
        elif caused := JAVA_CAUSED.match(text):
            chain += _caused(caused, cursor.at)
            owner = chain[-1]
            chain += _read_java_rest(cursor, owner)
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
        elif not (
            JAVA_MORE.match(text)
            or text.startswith(("Driver stacktrace", "JVM stacktrace"))
            or _cut_out(cursor)
        ):
            break
        cursor.step()
    return chain


def _cut_out(cursor: _Cursor) -> bool:
    """Whether the trace goes on after this line, which whoever shortened it left behind."""
    at = cursor.at
    marked = any(CUT_OUT.search(text) for text in cursor.lines[max(0, at - 2) : at + 3])
    return marked and any(
        JAVA_FRAME.match(text) or JAVA_CAUSED.match(text) for text in cursor.lines[at + 1 : at + 5]
    )


def _caused(match: re.Match[str], at: int) -> list[Raised]:
    link: Link = "suppressed" if match["what"] == "Suppressed" or match["indent"] else "caused_by"
    name, message = match["name"], match["message"]
    if message is None:
        # Some exceptions print a sentence in place of their class.
        name, message = (None, f"{name} {match['tail']}") if match["tail"] else (name, "")
    elif not EXCEPTION_NAME.match(name):
        name, message = None, f"{name}: {message}"
    raised = Raised(name, [message], at, at, "java", link)
    return [raised, *peel(raised)]


def _skip_properties(cursor: _Cursor) -> None:
    """Go to the end of the properties that node prints after an error's last frame."""
    for ahead in range(cursor.at + 1, min(cursor.at + 30, len(cursor.lines))):
        if cursor.lines[ahead].rstrip() == "}":
            cursor.at = ahead
            return


def _note_frame(owner: Raised, frame: re.Match[str]) -> None:
    method = frame["method"]
    if method and is_user_java(method):
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
