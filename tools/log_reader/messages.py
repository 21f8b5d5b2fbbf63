"""Blocks without a stack: one line that says what failed, with the lines that belong to it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tools.log_reader.blocks import Block, Cause, Kind
from tools.log_reader.excerpt import excerpt
from tools.log_reader.exit_json import what_it_said
from tools.log_reader.headers import Header, parse_header
from tools.log_reader.roots import decisive
from tools.log_reader.signals import Signal
from tools.log_reader.stack_lines import INLINE, JAVA_EXCEPTION
from tools.log_reader.stacks import Raised, exceptions_in
from tools.log_reader.window import Window

_MAX_CONTINUATION = 24
_MAX_MESSAGE = 2000
#: Lines that go with the one before them, whatever wrote them.
_BELONGS = re.compile(
    r"^(?:\s+\S|In addition: |In \w+\(|Warning messages?:|\s*[\^~-]+\^?[\^~-]*\s*$|(?:LINE \d+|DETAIL|Detail|HINT|Hint|CONTEXT|CAUSE|Cause|STATEMENT|QUERY|WHERE|Calls|Reason|Position|Backtrace):"
    r"|== SQL|SQLSTATE|E   |\*|\||\u2502|\u2577|\u2575|>)"
)
_SAME_TOOL = re.compile(
    r"^(\[ERROR\]|\[error\]|npm (?:ERR!|error)|ERROR:|error:|E:|E   |##\[error\]|#|fatal:|\u2502|ORA-\d|Msg \d)"
)
#: Kinds that count even when a logger wrote them at level INFO: schedulers log a program's output so.
_ANY_LEVEL = frozenset(
    {"oom_killer", "native_crash", "exit_json", "notebook_exit", "exit_code", "cluster_event"}
)
_QUIET = frozenset({"INFO", "DEBUG", "TRACE"})
#: A line that announces the message on the next one.
_TO_BE_CONTINUED = re.compile(r"\bpanicked at [^\s:]+:\d+:\d+:$")
#: A comment, a row of a printed table, a prompt, a quoted string: it talks about an error and is none.
_QUOTATION = re.compile(
    r"^\s*(?:--|#(?!#\[| java\.lang\.Out| -XX| A fatal|\s*$)|//|/\*|\*\s|\|(?!\s*Error)|>>>|\.\.\. |\+[-+]+\+|\"|'|[\[{(]?u?['\"]|<[a-zA-Z/!]|\d+[,;|\t])"
)
#: Words that make an exception's name in the middle of a line a statement that it happened.
_ANNOUNCED = re.compile(
    r"(?:error|failed|failure|fail|exception|cause[ds]?(?: by)?|reason|fatal|aborted|due to|with|threw|thrown|raised|got)\W{0,3}[^|]{0,60}$",
    re.IGNORECASE,
)
#: Kinds whose lines look like a quotation.
_SPEAKS_ODDLY = frozenset({"exit_json", "build", "dbt", "native_crash", "oom_killer"})
_ONLY_EXCEPTION = frozenset({"exception", "java_oom", "spark_class", "sqlstate", "disk_full", "python_exit"})
_HARMLESS_COUNT = re.compile(r"\b(?:0|no) (?:errors?|failures?|failed)\b", re.IGNORECASE)


def message_block(
    window: Window, signals: Sequence[Signal], header: Header | None, source: str
) -> Block | None:
    """The block that a line without a stack makes, or None when it only mentions what failed somewhere."""
    lines, at = window.lines, window.at
    text = lines[at][header.end :] if header else lines[at]
    level = header.level if header else None
    signals = [s for s in signals if s.exact is None or s.exact.search(lines[at])]
    signal = max(signals, key=lambda s: s.weight, default=None)
    if signal is None or not text.strip():
        return None
    named = exceptions_in(text)
    exception, message = _decisive(named, text)
    weight = _weight(signals, signal, level, text, exception is not None)
    if weight <= 0:
        return None
    end = _end(lines, at, header)
    start = at - _context_before(window, signal.kind)
    if exception is None or end > at + 1:
        message = "\n".join([message if exception else text, *lines[at + 1 : end]])
    kind = _kind(signal.kind, level, exception, text)
    block = Block(
        kind=kind,
        source=source,
        line_start=window.number(start),
        line_end=window.number(end - 1),
        text=excerpt(lines[start:end], [at - start, *range(end - start)]),
        exception=exception,
        message=message.strip()[:_MAX_MESSAGE],
        chain=[_cause(raised, window.number(at)) for raised in named] if len(named) > 1 else [],
        decisive=(window.number(at), window.number(min(end - 1, at + 3))),
        level=level,
        timestamp=header.timestamp if header else None,
        logger=header.logger if header else None,
        weight=weight,
    )
    if kind in ("exit_json", "notebook_exit"):
        _read_exit(block, text)
    return block


def _decisive(named: Sequence[Raised], text: str) -> tuple[str | None, str]:
    if not named:
        return None, text
    raised = named[decisive(named)]
    return raised.name, raised.message[0] if raised.message else ""


def _cause(raised: Raised, number: int) -> Cause:
    message = raised.message[0] if raised.message else ""
    return Cause(
        raised.name, message, number, f"{raised.name}: {message}", number, raised.language, raised.link
    )


def _weight(signals: Sequence[Signal], signal: Signal, level: str | None, text: str, named: bool) -> float:
    """How much the line says, 0 when it only mentions an error."""
    names = {s.name for s in signals}
    if names == {"traceback"}:
        return 0.2 if text.startswith("Traceback") else 0.0
    if level in _QUIET:
        strong = [s.weight for s in signals if s.kind in _ANY_LEVEL]
        if strong:
            return max(strong) * 0.6
        return 0.0 if names <= _ONLY_EXCEPTION | {"level", "stage", "cluster_code"} else signal.weight * 0.4
    if level is None and _QUOTATION.match(text) and signal.kind not in _SPEAKS_ODDLY:
        return 0.0
    if level == "WARN":
        return min(signal.weight, 0.2)
    if level in ("ERROR", "FATAL"):
        return max(signal.weight, 0.5 if level == "FATAL" else 0.4) * (
            0.7 if _HARMLESS_COUNT.search(text) else 1.0
        )
    if names <= _ONLY_EXCEPTION:
        return _unannounced(signal, text, named)
    return signal.weight


def _unannounced(signal: Signal, text: str, named: bool) -> float:
    """The weight of an exception's name in a line without a level: does it stand there as one?"""
    if JAVA_EXCEPTION.match(text) or text.startswith("["):
        return max(signal.weight, 0.5)
    inline = INLINE.search(text)
    if inline and _ANNOUNCED.search(text[: inline.start("name")]):
        return 0.4
    if signal.name in ("sqlstate", "spark_class", "disk_full"):
        return 0.4
    return 0.05 if not named else 0.1


def _end(lines: Sequence[str], at: int, header: Header | None) -> int:
    """The index after the last line that belongs to the one at `at`."""
    tool = _SAME_TOOL.match(lines[at])
    end = at + 1
    while end < len(lines) and end <= at + _MAX_CONTINUATION:
        text = lines[end]
        if tool and text.startswith(tool[1]):
            end += 1
            continue
        following = parse_header(text)
        if (end == at + 1 and _TO_BE_CONTINUED.search(lines[at])) or _indented(following, header):
            end += 1
            continue
        if following is not None and (following.timestamp is not None or following.level is not None):
            break
        if _BELONGS.match(text) or (header is not None and header.timestamp is not None and text.strip()):
            end += 1
            continue
        if (
            not text.strip()
            and end + 1 < len(lines)
            and re.match(r"\s{2,}\S|== SQL|-+\^", lines[end + 1])
            and end - at < 6
        ):
            end += 1
            continue
        break
    return end


def _indented(following: Header | None, header: Header | None) -> bool:
    """Whether a line goes on with the one above: the same kind of time stamp, no level, and further in."""
    if following is None or header is None or following.level is not None or header.level is not None:
        return False
    return following.timestamp == header.timestamp and following.end > header.end


def _context_before(window: Window, kind: Kind) -> int:
    """How many lines above belong to the message: what a program said before it went down."""
    count = 0
    if kind in ("exit_code", "shell", "native_crash"):
        while count < 2 and window.at - count - 1 >= window.floor:
            above = window.lines[window.at - count - 1]
            if not above.strip() or parse_header(above) is not None:
                break
            count += 1
    return count


def _kind(kind: Kind, level: str | None, exception: str | None, text: str) -> Kind:
    if kind in ("message", "java_stack", "python_traceback") and exception is None:
        return "log4j_error" if level else "message"
    if kind == "python_traceback":
        return "message"
    if kind == "java_stack" or kind == "message":
        return "spark_error" if text.startswith("[") or ("[" in text[:200] and "]" in text) else "message"
    return kind


def _read_exit(block: Block, text: str) -> None:
    """Take the message out of the JSON that a notebook left with."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        return
    try:
        value = json.loads(text[begin : end + 1].replace('\\"', '"'))
    except ValueError:
        return
    if not isinstance(value, dict):
        return
    block.kind = "exit_json"
    block.message = what_it_said(value) or block.message
    found, message = _decisive(exceptions_in(block.message.split("\n", 1)[0]), block.message)
    if found:
        block.exception, block.message = found, message or block.message
