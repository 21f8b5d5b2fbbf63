"""Reads one source: finds the lines that matter, reads the exceptions around them, says which one is primary."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tools.log_reader.blocks import Block, Cause, Kind, Line, Reading
from tools.log_reader.headers import parse_header
from tools.log_reader.stacks import Raised, Stack, read_stack
from tools.log_reader.templates import Templates

_TRIGGER = re.compile(
    r"Traceback \(|Caused by: |(?:Exception|Error|Failure)\b|^\s+at [\w.$]+\(|SQLSTATE|\b(?:ERROR|FATAL|CRITICAL)\b"
    r"|(?i:exit(?:ed)?(?: with)?(?: code| status)|killed|terminated|denied|refused|timed out|failed|not found|exceed|unable|cannot)"
)
_CLASS = re.compile(r"\[(?P<name>[A-Z][A-Z0-9_]{3,}(?:\.[A-Z0-9_]+)*)\]")
_SQLSTATE = re.compile(r"SQLSTATE: ?\(?([0-9A-Z]{5})\b")
_EMPTY_ROOTS = ("EOFException", "ClosedChannelException", "Empty", "StopIteration", "InterruptedException")


def read_text(text: str, source: str, *, good: Templates | None = None) -> Reading:
    """Read a text. See `read_stream`."""
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x00", "", raw.rstrip("\r")) for raw in text.split("\n")]
    if lines and not lines[-1]:
        lines.pop()
    reading = Reading(source, len(lines), len(text.encode("utf-8", "replace")))
    at = 0
    while at < len(lines):
        if _TRIGGER.search(lines[at]):
            block, end = _block(lines, at, source)
            reading.blocks.append(block)
            at = end
        else:
            at += 1
    reading.tail = [Line(n, t) for n, t in list(enumerate(lines, 1))[-40:]]
    reading.head = [Line(n, t) for n, t in list(enumerate(lines, 1))[:20]]
    best = primary([reading])
    reading.fingerprint = best[0].fingerprint if best else ""
    return reading


def read_stream(stream: BinaryIO, source: str, *, good: Templates | None = None) -> Reading:
    """Read a binary stream, gzip or plain."""
    data = stream.read()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return read_text(data.decode("utf-8", "replace"), source, good=good)


def read_path(path: Path | str, source: str | None = None, *, good: Templates | None = None) -> Reading:
    """Read a file."""
    path = Path(path)
    with path.open("rb") as stream:
        return read_stream(stream, source or path.name, good=good)


def primary(readings: Sequence[Reading]) -> list[Block]:
    """The blocks of several sources, the likeliest primary failure first."""
    blocks = [b for r in readings for b in r.blocks if b.weight > 0.05]
    return sorted(blocks, key=lambda b: b.weight, reverse=True)


def _block(lines: Sequence[str], at: int, source: str) -> tuple[Block, int]:
    header = parse_header(lines[at])
    level = header.level if header else None
    stack = read_stack(lines, at)
    position = (at + 1) / max(1, len(lines))
    if stack is None or (not stack.frames and stack.chain[0].name is None):
        text = lines[at]
        base = {"ERROR": 0.4, "FATAL": 0.5, "WARN": 0.15}.get(level or "", 0.1 if level else 0.25)
        kind: Kind = "exit_code" if re.search(r"(?i)exit\w*(?: with)? (?:code|status)", text) else "message"
        block = Block(kind, source, at + 1, at + 1, text[:4000], None, text[header.end if header else 0 :][:2000])
        block.weight = base * (0.6 + 0.4 * position)
        block.decisive = (at + 1, at + 1)
    else:
        block = _stack_block(lines, at, source, stack)
        base = 0.9 if block.kind == "python_traceback" else 0.7
        if level in ("WARN", "INFO"):
            base = 0.35
        block.weight = base * (0.6 + 0.4 * position)
        at = stack.end - 1
    block.level = level
    block.timestamp = header.timestamp if header else None
    found = _CLASS.search(block.message)
    block.error_class = found["name"] if found else None
    state = _SQLSTATE.search(block.message)
    block.sqlstate = state[1] if state else None
    block.fingerprint = f"{block.exception}"
    return block, at + 1


def _stack_block(lines: Sequence[str], at: int, source: str, stack: Stack) -> Block:
    chain = [_cause(r, lines) for r in stack.chain]
    root = _root(stack.chain)
    cause = chain[root]
    text = "\n".join(lines[at : stack.end])
    if len(text) > 4000:
        text = text[:2000] + "\n[...]\n" + text[-1900:]
    kind: Kind = "python_traceback" if stack.chain[0].language == "python" else "java_stack"
    return Block(
        kind, source, at + 1, stack.end, text, cause.exception, cause.message, chain=chain, decisive=(cause.line, cause.line_end)
    )


def _cause(raised: Raised, lines: Sequence[str]) -> Cause:
    message = "\n".join(raised.message).strip()[:3000]
    text = "\n".join(lines[raised.index : raised.last + 1])[:3000]
    return Cause(
        raised.name, message, raised.index + 1, text, raised.last + 1, raised.language, raised.link, tuple(raised.user_frames)
    )


def _root(chain: Sequence[Raised]) -> int:
    at = len(chain) - 1
    while at > 0:
        raised = chain[at]
        empty = not "".join(raised.message).strip() and (raised.name or "").endswith(_EMPTY_ROOTS)
        if not empty and raised.name:
            return at
        at -= 1
    return at
