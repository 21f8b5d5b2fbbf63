"""Which tasks a run or a repair runs."""

from __future__ import annotations

from sandbox.job_settings import Settings, dependants, dependencies
from sandbox.refusal import invalid
from sandbox.runs import GOOD, NOT_RUN, Run


def select(tasks: list[Settings], only: list[str] | None) -> set[str]:
    """The task keys that `only` picks: `key`, `+key` with what is upstream, `key+` with what is downstream.

    Raises:
        Refusal: 400, a task is not there.
    """
    known = {task["task_key"] for task in tasks}
    if only is None:
        return known
    keys: set[str] = set()
    for entry in only:
        key = entry.removeprefix("+").removesuffix("+")
        if key not in known:
            raise invalid(f"Task '{key}' in field 'only' does not exist in the job.")
        keys.add(key)
        keys |= dependencies(tasks, {key}) if entry.startswith("+") else set()
        keys |= dependants(tasks, {key}) if entry.endswith("+") else set()
    return keys


def to_repair(run: Run, tasks: list[Settings], wanted: list[str] | None, *, dependent: bool) -> set[str]:
    """The keys of the tasks that a repair runs again: the `wanted` ones, else all that did not succeed.

    Raises:
        Refusal: 400, one is not there, or there is none.
    """
    known = {task["task_key"] for task in tasks}
    if wanted:
        strangers = [key for key in wanted if key not in known]
        if strangers:
            raise invalid(f"Task '{strangers[0]}' does not exist in run {run.run_id}.")
        keys = set(wanted)
    else:
        keys = {key for key, t in run.latest().items() if t.result not in GOOD | NOT_RUN} & known
    if dependent:
        keys |= dependants(tasks, keys)
    if not keys:
        raise invalid(f"Run {run.run_id} has no failed tasks to repair.")
    return keys
