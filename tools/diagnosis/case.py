"""What there is to diagnose: the readings of a run's sources, and what is known of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.run import RunFacts, TaskOutput
from tools.log_reader import Reading, Templates, read_text
from tools.log_reader.good import templates_of_text

#: Texts of a task's output that are read, in the order in which a person would.
_TEXTS = ("error", "error_trace", "logs", "notebook_result")


@dataclass(frozen=True)
class TaskCase:
    """One failed task: what it left behind, and what the Jobs API says of it."""

    task_key: str = ""
    readings: Sequence[Reading] = ()
    #: Cluster events as the API gives them, newest first.
    events: Sequence[Mapping[str, Any]] = ()
    #: Termination code, termination type, result state; whichever are known.
    termination: Sequence[str] = ()
    exit_code: str = ""


@dataclass(frozen=True)
class Case:
    """A failed run, or whatever of it is at hand: at least one task with at least one reading."""

    tasks: Sequence[TaskCase] = ()
    run: RunFacts | None = None
    #: What a reviewer added, as one more reading.
    hint: str = ""
    #: Secrets that were taken out before this case was made.
    secrets_redacted: int = 0
    missing: Sequence[str] = field(default_factory=tuple)

    @property
    def readings(self) -> list[Reading]:
        """All readings of all tasks."""
        return [reading for task in self.tasks for reading in task.readings]


def case_of_texts(
    texts: Mapping[str, str], run: RunFacts | None = None, *, good: Templates | None = None
) -> Case:
    """A case of one task from texts by the name of their source."""
    readings = [read_text(text, name, good=good) for name, text in texts.items() if text]
    codes = _codes(run) if run else ()
    return Case((TaskCase("", readings, (), codes),), run)


def case_of_outputs(
    run: RunFacts, outputs: Sequence[TaskOutput], *, hint: str = "", good: Templates | None = None
) -> Case:
    """A case from what was fetched of a run: one task case for each output, plus the run's own message."""
    several = len(outputs) > 1
    tasks = [_task_case(run, output, several, good) for output in outputs]
    own = _state_readings(run.state_message, "run/state_message")
    if own or not tasks:
        tasks.append(TaskCase("", own, (), _codes(run)))
    redacted = sum(output.secrets_redacted for output in outputs)
    missing = tuple(f"{o.task_key}: {what}" for o in outputs for what in o.missing)
    return Case(tasks, run, hint, redacted, missing)


def _task_case(run: RunFacts, output: TaskOutput, several: bool, good: Templates | None) -> TaskCase:
    prefix = f"{output.task_key}/" if several else ""
    good = templates_of_text(output.good_log) if output.good_log else good
    readings = [
        read_text(text, f"{prefix}{name}", good=good) for name in _TEXTS if (text := getattr(output, name))
    ]
    readings += [read_text(text, f"{prefix}{name}", good=good) for name, text in output.cluster_logs.items()]
    facts = next((task for task in run.tasks if task.task_key == output.task_key), None)
    codes: tuple[str, ...] = ()
    if facts is not None:
        readings += _state_readings(facts.state_message, f"{prefix}state_message")
        codes = tuple(filter(None, (facts.termination_code, facts.termination_type, facts.result_state)))
    return TaskCase(output.task_key, readings, output.cluster_events, codes)


def _state_readings(message: str, source: str) -> list[Reading]:
    return [read_text(message, source)] if message.strip() else []


def _codes(run: RunFacts) -> tuple[str, ...]:
    return tuple(filter(None, (run.termination_code, run.termination_type, run.result_state)))


def event_lines(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Cluster events as text lines, oldest first, so that they can be matched and shown like a log."""
    ordered = sorted(events, key=lambda event: event.get("timestamp") or 0)
    return [_event_line(event) for event in ordered]


def _event_line(event: Mapping[str, Any]) -> str:
    details = event.get("details") or {}
    reason = details.get("reason") or {}
    parts = [str(event.get("type", "EVENT"))]
    if reason:
        parts.append(f"reason={reason.get('code', '')} type={reason.get('type', '')}")
        parts += [f"{key}: {value}" for key, value in sorted((reason.get("parameters") or {}).items())]
    rest = {k: v for k, v in details.items() if k not in ("reason", "attributes", "cluster_size") and v}
    if rest:
        parts.append(json.dumps(rest, ensure_ascii=False, sort_keys=True, default=str)[:600])
    return " ".join(parts)
