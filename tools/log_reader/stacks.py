"""Reads one exception from a list of lines: its chain, wherever Python and Java wrap each other, and its end.

Python prints the first exception first and the last one last; Java prints the outermost first and its causes
after it; Py4J puts a Java stack into a Python message, and Spark puts a Python traceback into a Java message.
`read_stack` brings all of these into one order: outermost first, root last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tools.log_reader.quoted import exceptions_in, java_cause, java_head, peel
from tools.log_reader.raised import Cursor, Link, Raised, Stack, read_message
from tools.log_reader.stack_lines import (
    CUT_OUT,
    GROUP_MARK,
    GROUP_TRACEBACK,
    GUTTER,
    JAVA_AROUND_TRACEBACK,
    JAVA_CAUSED,
    JAVA_EXCEPTION,
    JAVA_FRAME,
    JAVA_MORE,
    LINKS,
    NOTEBOOK_TRACEBACK,
    PYTHON_EXCEPTION,
    PYTHON_FRAME,
    TRACEBACK,
    is_user_java,
)
from tools.log_reader.tracebacks import MAX_FRAMES, link_ahead, read_exception, ungutter

__all__ = ["Raised", "Stack", "exceptions_in", "read_stack"]


def read_stack(lines: Sequence[str], at: int) -> Stack | None:
    """Read the exception that begins at `lines[at]`, or None when none begins there.

    The line may be a traceback's head, a frame (of an exception whose head is cut off), a Java exception's
    line, or a log line that ends in one.
    """
    cursor = Cursor(lines, at)
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


def _read_python(cursor: Cursor, *, nested: bool, opened: bool = False) -> list[Raised]:
    """A chain of tracebacks. `opened`: the first one's head has been read; `nested`: a Java stack is around it."""
    chain: list[Raised] = []
    link: Link = ""
    while True:
        raised = read_exception(cursor, None) if opened else _read_traceback(cursor)
        opened = False
        if raised is None:
            break
        raised.link = link
        java = peel(raised) or _worker_inside(cursor, raised) or ([] if nested else _java_inside(cursor))
        chain = [raised, *java, *raised.members, *chain]
        following = link_ahead(cursor)
        if following is None:
            break
        link = following
    return chain


def _read_traceback(cursor: Cursor) -> Raised | None:
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
    return read_exception(cursor, notebook["name"] if notebook else None)


def _read_group(cursor: Cursor) -> Raised | None:
    """An exception group: the group itself; `_group_members` reads what it holds."""
    start = cursor.at
    end = start + 1
    while end < len(cursor.lines) and (
        GUTTER.match(cursor.lines[end]) or GROUP_MARK.match(cursor.lines[end])
    ):
        end += 1
    inner = Cursor([ungutter(text) for text in cursor.lines[start:end]], 0)
    inner.step()
    group = read_exception(inner, None)
    group.index += start
    group.last += start
    group.members = _group_members(inner, start)
    cursor.frames += inner.frames
    cursor.at = cursor.end = end
    return group


def _group_members(inner: Cursor, start: int) -> list[Raised]:
    members: list[Raised] = []
    while (text := inner.peek()) is not None:
        if TRACEBACK.search(text):
            chain = _read_python(inner, nested=True)
        elif PYTHON_EXCEPTION.match(text) and text.strip():
            chain = [read_exception(inner, None)]
        else:
            inner.step()
            continue
        for raised in chain:
            raised.index += start
            raised.last += start
            raised.link = raised.link or "group"
        members = chain + members
    return members


def _worker_inside(cursor: Cursor, raised: Raised) -> list[Raised]:
    """The Python worker's own traceback, which PySpark puts into the message of its PythonException."""
    if (raised.name or "").endswith("PythonException") and TRACEBACK.search(cursor.peek() or ""):
        return _read_python(cursor, nested=True)
    return []


def _java_inside(cursor: Cursor) -> list[Raised]:
    """The Java stack that a Python message goes on with (Py4J's `: org...`, PySpark's `JVM stacktrace:`)."""
    text = cursor.peek()
    if text is not None and text.startswith("JVM stacktrace"):
        cursor.step()
        text = cursor.peek()
    if text is None:
        return []
    if JAVA_EXCEPTION.match(text):
        return _read_java(cursor)
    if text.startswith(": "):
        return _read_nameless(cursor, text)
    return _read_java_tail(cursor, None) if JAVA_FRAME.match(text) else []


def _read_nameless(cursor: Cursor, text: str) -> list[Raised]:
    """A Java exception whose class prints only its message, as those of ABFS do."""
    nameless = Raised(None, [text.removeprefix(": ")], cursor.at, cursor.at, "java")
    return [nameless, *_read_java_rest(cursor, nameless), *_read_java_tail(cursor, nameless)]


def _read_java(cursor: Cursor) -> list[Raised]:
    text = cursor.peek()
    if text is None:
        return []
    if JAVA_FRAME.match(text) or JAVA_MORE.match(text):
        headless = Raised(None, [], cursor.at, cursor.at, "java")
        return [headless, *_read_java_tail(cursor, headless)]
    chain = java_head(text, cursor.at)
    if not chain:
        return []
    return [*chain, *_read_java_rest(cursor, chain[-1]), *_read_java_tail(cursor, chain[-1])]


def _read_java_rest(cursor: Cursor, owner: Raised) -> list[Raised]:
    """The lines of a Java exception's message after its first; a Python chain where the message is a traceback."""
    text = cursor.peek() or ""
    cursor.step()
    if JAVA_AROUND_TRACEBACK.search(text):
        owner.message = [""]
        return _read_python(cursor, nested=True, opened=True)
    owner.message += read_message(cursor)
    owner.last = max(owner.index, cursor.end - 1)
    return []


def _read_java_tail(cursor: Cursor, owner: Raised | None) -> list[Raised]:
    """Frames, causes and Python tracebacks after a Java exception's message."""
    chain: list[Raised] = []
    while (text := cursor.peek()) is not None and cursor.frames < MAX_FRAMES:
        frame = JAVA_FRAME.match(text)
        if frame:
            cursor.frames += 1
            if owner is not None:
                _note_frame(owner, frame)
            if text.endswith(" {"):
                _skip_properties(cursor)
        elif caused := JAVA_CAUSED.match(text):
            chain += java_cause(caused, cursor.at)
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
            or cursor.goes_on(JAVA_FRAME)
        ):
            break
        cursor.step()
    return chain


def _cut_out(cursor: Cursor) -> bool:
    """Whether the trace goes on after this line, which whoever shortened it left behind."""
    at = cursor.at
    marked = any(CUT_OUT.search(text) for text in cursor.lines[max(0, at - 2) : at + 3])
    return marked and any(
        JAVA_FRAME.match(text) or JAVA_CAUSED.match(text) for text in cursor.lines[at + 1 : at + 5]
    )


def _skip_properties(cursor: Cursor) -> None:
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
