"""Turns a window around a signal into a block of evidence: a stack where there is one, else a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tools.log_reader.blocks import Block, Cause, Kind
from tools.log_reader.collect import HEADLESS
from tools.log_reader.excerpt import excerpt
from tools.log_reader.headers import Header, parse_header
from tools.log_reader.messages import message_block
from tools.log_reader.roots import decisive
from tools.log_reader.signals import SIGNALS
from tools.log_reader.stack_lines import (
    INTRODUCED,
    JAVA_CAUSED,
    JAVA_EXCEPTION,
    JAVA_FRAME,
    JAVA_MORE,
    PYTHON_FRAME,
    TRACEBACK,
)
from tools.log_reader.stacks import Raised, Stack, read_stack
from tools.log_reader.window import Window

_ERROR_CLASS = re.compile(r"\[(?P<name>[A-Z][A-Z0-9]*(?:[_.][A-Z0-9_]+)+)\]")
_SQLSTATE = re.compile(r"SQL ?STATE ?[:=(\[]* ?\(?(?P<state>[0-9A-Z]{5})\b", re.IGNORECASE)
#: Error classes that only say where another error happened.
_AROUND = frozenset(
    {"STREAM_FAILED", "TASK_WRITE_FAILED", "FAILED_EXECUTE_UDF", "JOB_ABORTED", "FAILED_READ_FILE"}
)
_OWNERS = ("WARN", "ERROR", "FATAL")
_MAX_MESSAGE = 2000
_SYNTAX = {"SyntaxError", "IndentationError", "TabError"}


def block_of(window: Window, signals: Sequence[int], source: str) -> Block | None:
    """The block at a window's place, or None when its line only mentions what its signal looks for."""
    lines, at = window.lines, window.at
    if at >= len(lines):
        return None
    header = parse_header(lines[at])
    begin = _stack_start(lines, at, header)
    stack = read_stack(lines, begin) if begin is not None else None
    if stack is not None and begin is not None and _holds(stack):
        block = _stack_block(window, stack, begin, source)
    elif signals == [HEADLESS]:
        return None
    else:
        found = message_block(window, [SIGNALS[s] for s in signals if s != HEADLESS], header, source)
        if found is None:
            return None
        block = found
    block.error_class, block.sqlstate = _codes(block)
    return block


def _holds(stack: Stack) -> bool:
    """Whether there is enough to call it a stack: frames, or a chain of more than one exception."""
    return stack.frames > 0 or (len(stack.chain) > 1 and stack.chain[0].name is not None)


def _stack_start(lines: Sequence[str], at: int, header: Header | None) -> int | None:
    """The index at which the stack of the line `at` begins, or None when it has none."""
    text = lines[at]
    if TRACEBACK.search(text):
        return at
    if text.split(":", 1)[0].strip().rsplit(".", 1)[-1] in _SYNTAX:
        return _file_above(lines, at)
    if JAVA_FRAME.match(text) or JAVA_MORE.match(text):
        return _above_frames(lines, at)
    if header is not None and at + 1 < len(lines) and not JAVA_FRAME.match(lines[at + 1]):
        following = lines[at + 1]
        if TRACEBACK.search(following) or PYTHON_FRAME.match(following) or _java_begins(lines, at + 1):
            return at + 1
    if _java_begins(lines, at):
        return at
    return None


def _java_begins(lines: Sequence[str], at: int) -> bool:
    """Whether a Java exception stands at `at`: its frames, a cause or an embedded traceback follow its message."""
    text = lines[at]
    named = JAVA_EXCEPTION.match(text) or JAVA_CAUSED.match(text) or "Exception" in text or "Error" in text
    if not named:
        return False
    for following in lines[at + 1 : at + 14]:
        if JAVA_FRAME.match(following) or JAVA_CAUSED.match(following) or JAVA_MORE.match(following):
            return True
        if parse_header(following) is not None:
            return False
    return False


def _file_above(lines: Sequence[str], at: int) -> int:
    for index in range(at - 1, max(-1, at - 7), -1):
        above = lines[index - 1] if index else ""
        if TRACEBACK.search(lines[index]) or (PYTHON_FRAME.match(lines[index]) and not above.startswith(" ")):
            return index
    return at


def _above_frames(lines: Sequence[str], at: int) -> int:
    """The line that the frames at `at` belong to, when it is still there, else the first frame."""
    index = at
    while index > 0 and (JAVA_FRAME.match(lines[index - 1]) or JAVA_MORE.match(lines[index - 1])):
        index -= 1
    if (
        index > 0
        and lines[index - 1].strip()
        and (JAVA_EXCEPTION.match(lines[index - 1]) or JAVA_CAUSED.match(lines[index - 1]))
    ):
        return index - 1
    return index


def _stack_block(window: Window, stack: Stack, begin: int, source: str) -> Block:
    lines = window.lines
    start, header = _owner(lines, begin, window.floor)
    root = decisive(stack.chain)
    causes = [_cause(window, raised) for raised in stack.chain]
    cause = causes[root]
    kind: Kind = "python_traceback" if stack.chain[0].language == "python" else "java_stack"
    return Block(
        kind=kind,
        source=source,
        line_start=window.number(start),
        line_end=window.number(stack.end - 1),
        text=excerpt(
            lines[start : stack.end], [index - start for index in _worth_showing(stack, root, start)]
        ),
        exception=cause.exception,
        message=cause.message,
        chain=causes,
        decisive=(cause.line, cause.line_end),
        level=header.level if header else None,
        timestamp=header.timestamp if header else None,
        logger=header.logger if header else None,
        truncated=stack.truncated or cause.exception is None,
    )


def _owner(lines: Sequence[str], begin: int, floor: int) -> tuple[int, Header | None]:
    """The log record that a stack belongs to: its own line, or the warning or error in the line above."""
    header = parse_header(lines[begin])
    if header is not None and header.end > 0:
        return begin, header
    if begin > floor and TRACEBACK.search(lines[begin]) is None and not JAVA_EXCEPTION.match(lines[begin]):
        return begin, None
    above = parse_header(lines[begin - 1]) if begin > floor else None
    if above is not None and above.level in _OWNERS:
        return begin - 1, above
    if begin > floor and INTRODUCED.match(lines[begin - 1]):
        return begin - 1, None
    return begin, None


def _worth_showing(stack: Stack, root: int, start: int) -> Iterable[int]:
    """Indexes of a stack's lines, the most telling first."""
    raised = stack.chain[root]
    yield start
    yield from range(raised.index, min(raised.last, raised.index + 12) + 1)
    for other in stack.chain:
        yield from range(other.index, min(other.last, other.index + 5) + 1)
    yield from range(start, start + 6)
    yield from range(stack.end - 1, stack.end - 7, -1)
    for other in stack.chain:
        yield from range(other.index - 1, other.index - 7, -1)
    yield from range(start + 6, stack.end)


def _cause(window: Window, raised: Raised) -> Cause:
    message = "\n".join(raised.message).strip()
    text = "\n".join(window.lines[raised.index : raised.last + 1])
    return Cause(
        exception=raised.name,
        message=message
        if len(message) <= _MAX_MESSAGE
        else message[: _MAX_MESSAGE - 300] + " [...] " + message[-280:],
        line=window.number(raised.index),
        text=text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 300] + " [...] " + text[-280:],
        line_end=window.number(raised.last),
        language=raised.language,
        link=raised.link,
        user_frames=tuple(raised.user_frames[-5:]),
    )


def _codes(block: Block) -> tuple[str | None, str | None]:
    """Spark's error class and SQLSTATE: of the decisive exception, else of the nearest one around it that has one."""
    texts = [block.message, *(cause.message for cause in reversed(block.chain)), block.text]
    named = [m["name"] for text in texts for m in _ERROR_CLASS.finditer(text)]
    error_class = next((name for name in named if name not in _AROUND), named[0] if named else None)
    state = next((m["state"] for text in texts if (m := _SQLSTATE.search(text))), None)
    return error_class, state
