"""Whether anything of a case gives orders to whoever reads it: its logs, and the names and values around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.run import RunFacts
from tools.diagnosis.case import Case, event_lines
from tools.injection import suspected

#: A job's settings are looked at so deep.
_DEPTH = 12


def gives_orders(case: Case) -> bool:
    """Whether a log, a name, a parameter, an event or the hint looks like an order to a model.

    The logs themselves were looked at, every line, while they were read.
    """
    if any(reading.orders for reading in case.readings):
        return True
    return any(suspected(text) for text in dict.fromkeys(_around(case)) if text.strip())


def _around(case: Case) -> Iterator[str]:
    yield case.hint
    yield "\n".join(reading.source for reading in case.readings)
    for task in case.tasks:
        yield task.task_key
        yield "\n".join(event_lines(task.events))
    if case.run is not None:
        yield from _of_run(case.run)


def _of_run(run: RunFacts) -> Iterator[str]:
    yield f"{run.job_name}\n{run.run_name}"
    for names in (run.tags, run.job_parameters):
        yield "\n".join(f"{name}: {value}" for name, value in names.items())
    for task in run.tasks:
        yield "\n".join(filter(None, (task.task_key, task.notebook_path, task.state_message)))
    yield run.state_message
    yield "\n".join(_strings(run.settings))


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > _DEPTH:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, str):
                yield f"{name}: {item}"
            else:
                yield str(name)
                yield from _strings(item, depth + 1)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item, depth + 1)
