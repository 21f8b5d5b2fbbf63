"""Cuts a case into the units that rules are held against: one exception, one message, one event, one code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tools.diagnosis.case import Case, TaskCase, event_lines
from tools.diagnosis.unit import TaskText, Unit
from tools.log_reader import Block, Reading

_CONDITION = re.compile(r"\[([A-Z][A-Z0-9]*(?:[_.][A-Z0-9_]+)+)\]")
_SQLSTATE = re.compile(r"SQL ?STATE ?[:=(\[]* ?\(?([0-9A-Z]{5})\b", re.IGNORECASE)
_CODE = re.compile(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b|(?<=reason=)[A-Z]{3,}|(?<=code=)[A-Z]{3,}")
_DIGITS = re.compile(r"\d+")
#: Rules see at most so much of a message: what names a failure stands at its beginning or its end.
_TEXT = 3000
_CUT = 2400
#: What the parts of a chain weigh against its decisive exception: what is below it said nothing, what is above
#: only passes on, but may say what the other side was.
_ABOVE, _BELOW = 0.86, 0.7
#: Of a source with more blocks than this the lightest are passed over.
_BLOCKS = 120
#: A source of so few lines is also read as one message.
_SHORT, _SHORT_WEIGHT = 8, 0.55
#: An exception lighter than this does not speak for such a source.
_FAINT = 0.3
#: What the very last line of a source weighs when nothing else is there.
_LAST_WORDS = 0.3
#: An exception's class and message in one line, whatever the class is called.
_NAMED = re.compile(r"^((?:[A-Za-z_][\w$]*\.)+[A-Z][\w$]*): ?(.*)")
#: Hadoop's envelope for an exception that the other side threw.
_REMOTE = re.compile(
    r"^(?:org\.apache\.hadoop\.ipc\.)?RemoteException\((?P<name>[\w.$]+)\): ?(?P<message>.*)", re.DOTALL
)
#: Messages that say that something failed and nothing else.
_EMPTY = re.compile(
    r"^\W*(?:Workload failed, see run output for details|Task \S+ failed(?: with message)?|Run failed|Workload failed"
    r"|Job run failed|FAILED|INTERNAL_ERROR)\W*$",
    re.IGNORECASE,
)


def units_of(case: Case) -> list[Unit]:
    """All units of a case, those of every task; what a source says again and again counts once."""
    return [unit for task in case.tasks for unit in _distinct(_task_units(task))]


def _distinct(units: Iterable[Unit]) -> list[Unit]:
    """Of units of a source that differ in numbers only the heaviest, and of those the last."""
    best: dict[tuple[str, ...], Unit] = {}
    for unit in units:
        key = (unit.source, unit.kind, unit.exception, _DIGITS.sub("0", unit.text))
        known = best.get(key)
        if known is None or (unit.weight, unit.line_start) > (known.weight, known.line_start):
            best[key] = unit
    return list(best.values())


def _task_units(task: TaskCase) -> list[Unit]:
    parts = [block.text for reading in task.readings for block in reading.blocks]
    parts += [line.text for reading in task.readings for line in (*reading.head, *reading.tail)]
    whole = TaskText([*parts, *event_lines(task.events)])
    return [replace(unit, task=whole) for unit in _units(task)]


def _units(task: TaskCase) -> Iterator[Unit]:
    blocks = [block for reading in task.readings for block in reading.blocks]
    for block in sorted(blocks, key=lambda block: -block.weight)[:_BLOCKS]:
        yield from _block_units(block, task.task_key)
    for reading in task.readings:
        speaking = any(block.chain and block.weight >= _FAINT for block in reading.blocks)
        if reading.lines <= _SHORT and not speaking:
            yield from _whole(reading, task.task_key)
    lines = event_lines(task.events)
    for number, line in enumerate(lines, 1):
        yield Unit(
            line,
            0.8,
            message=line,
            codes=codes_in(line),
            kind="cluster_event",
            source="cluster_events",
            line_start=number,
            line_end=number,
            shown=line,
            task_key=task.task_key,
        )
    for code in task.termination:
        yield Unit(
            code,
            0.8,
            message=code,
            termination=code,
            kind="termination",
            source="run",
            shown=f"termination: {code}",
            task_key=task.task_key,
        )
    if task.exit_code:
        yield Unit(task.exit_code, 0.6, exit_code=task.exit_code, kind="exit_code", task_key=task.task_key)


def _whole(reading: Reading, task_key: str) -> Iterator[Unit]:
    """A source of a few lines, such as a state message, as one: its lines belong together."""
    text = "\n".join(line.text for line in reading.tail).strip()
    heaviest = max((block.weight for block in reading.blocks), default=0.0)
    if not text or _EMPTY.match(text) or ("\n" not in text and heaviest >= _SHORT_WEIGHT):
        return
    yield Unit(
        _cut(text),
        _SHORT_WEIGHT,
        message=text,
        condition=_first(_CONDITION, text),
        sqlstate=_first(_SQLSTATE, text),
        codes=codes_in(text),
        kind="message",
        source=reading.source,
        line_end=max(1, reading.lines),
        shown=text,
        task_key=task_key,
    )


def last_words(task: TaskCase) -> list[Unit]:
    """The last lines of each source as units, for a task in which the reader found nothing to go by.

    What stands inside a stack is left out: its code lines speak of everything.
    """
    units = []
    for reading in task.readings:
        stacks = [range(b.line_start, b.line_end + 1) for b in reading.blocks if b.chain]
        lines = [
            line
            for line in reading.tail
            if line.text.strip() and not any(line.number in stack for stack in stacks)
        ]
        for place, line in enumerate(lines):
            named = _NAMED.match(line.text)
            units.append(
                Unit(
                    _cut(line.text),
                    _LAST_WORDS * (place + 1) / len(lines),
                    named[1] if named else "",
                    named[2] if named else line.text,
                    condition=_first(_CONDITION, line.text),
                    sqlstate=_first(_SQLSTATE, line.text),
                    codes=codes_in(line.text),
                    kind="message",
                    source=reading.source,
                    line_start=line.number,
                    line_end=line.number,
                    shown=line.text,
                    task_key=task.task_key,
                )
            )
    return units


def _block_units(block: Block, task_key: str) -> Iterable[Unit]:
    if _EMPTY.match(block.message or block.text):
        return
    if not block.chain:
        yield _plain_unit(block, task_key)
        return
    root = _decisive_index(block)
    for index, cause in enumerate(block.chain):
        if not cause.exception and not cause.message:
            continue
        factor = 1.0 if index == root else _ABOVE if index < root else _BELOW
        text = _cut(f"{cause.exception or ''}: {cause.message}" if cause.exception else cause.message)
        whole = block if index == root else None
        yield Unit(
            text=text,
            weight=block.weight * factor,
            exception=cause.exception or "",
            message=cause.message,
            condition=_first(_CONDITION, cause.message) or ((whole.error_class or "") if whole else ""),
            sqlstate=_first(_SQLSTATE, cause.message) or ((whole.sqlstate or "") if whole else ""),
            codes=codes_in(text),
            kind=block.kind,
            block=block,
            source=block.source,
            line_start=cause.line,
            line_end=max(cause.line, cause.line_end),
            shown=cause.text,
            task_key=task_key,
            decisive=index == root,
        )


def _plain_unit(block: Block, task_key: str) -> Unit:
    """A block without a chain: its exception and message when it has one, else its text."""
    exception, message = block.exception or "", block.message or block.text
    if remote := _REMOTE.match(block.text):
        exception, message = remote["name"], remote["message"]
    if not exception and (named := _NAMED.match(message)):
        exception, message = named[1], message[named.start(2) :]
    text = f"{exception}: {message}" if exception else message
    if block.text and block.text not in text and len(block.text) < _TEXT:
        text = f"{text}\n{block.text}"
    start, end = block.decisive if block.decisive[0] else (block.line_start, block.line_end)
    return Unit(
        text=_cut(text),
        weight=block.weight,
        exception=exception,
        message=message,
        condition=block.error_class or _first(_CONDITION, text),
        sqlstate=block.sqlstate or _first(_SQLSTATE, text),
        codes=codes_in(text),
        kind=block.kind,
        block=block,
        source=block.source,
        line_start=start,
        line_end=max(start, end),
        shown=block.text,
        task_key=task_key,
    )


def _decisive_index(block: Block) -> int:
    """Which exception of the chain the reader holds for the decisive one."""
    for index, cause in enumerate(block.chain):
        if (
            cause.line == block.decisive[0]
            and cause.exception == block.exception
            and cause.message == block.message
        ):
            return index
    for index in range(len(block.chain) - 1, -1, -1):
        if block.chain[index].exception == block.exception:
            return index
    return len(block.chain) - 1


def codes_in(text: str) -> frozenset[str]:
    """Words in capitals with underscores, such as the codes of cluster events."""
    return frozenset(_CODE.findall(text[:_TEXT]))


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[:_CUT]} [...] {text[-(_TEXT - _CUT) :]}"
