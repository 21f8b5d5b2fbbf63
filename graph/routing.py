"""Where the conditional edges lead: pure functions of the state."""

from typing import Any

from langgraph.graph import END
from langgraph.types import Send

from nodes.fetch import MAX_FAILED
from nodes.state import State

#: So many tasks' logs are compared with a good run's; each costs a few calls.
MAX_COMPARED = 5
#: `route` values that are not a node's name.
_NAMES = {"end": END}


def fan_out(state: State) -> str | list[Send]:
    """One `fetch_task` for each failed task; straight on when there is none.

    An empty list of Sends would end the graph without a word.
    """
    if state.get("route") != "fetch_task":
        return follow(state)
    keys = tasks_to_read(state["run"])
    if not keys:
        return "retrieve"
    shared = {name: state.get(name) for name in ("incident_id", "attempt", "revision", "run")}
    good = good_run(state)
    return [
        Send("fetch_task", {**shared, "task_key": key, "good_run_id": good if n < MAX_COMPARED else None})
        for n, key in enumerate(keys)
    ]


def good_run(state: State) -> int | None:
    """The job's newest run that was good, whose log tells what stands in every log."""
    past = state.get("history", [])
    return next((p["run_id"] for p in past if p.get("result_state") == "SUCCESS"), None)


def tasks_to_read(run: dict[str, Any]) -> list[str]:
    """The failed tasks; in a run that succeeded, its notebooks; in one that goes on, what runs."""
    tasks = run.get("tasks", [])
    failed = [
        t["task_key"]
        for t in tasks
        if t.get("result_state") in ("FAILED", "TIMEDOUT", "SUCCESS_WITH_FAILURES")
    ]
    if not failed and run.get("result_state") == "SUCCESS":
        failed = [t["task_key"] for t in tasks if t.get("kind") == "notebook"]
    if not failed:
        failed = [
            t["task_key"] for t in tasks if t.get("result_state") in (None, "CANCELED", "INTERNAL_ERROR")
        ]
    return failed[:MAX_FAILED]


def follow(state: State) -> str:
    """The node that the last one named in `route`."""
    route = state.get("route", "end")
    return _NAMES.get(route, route)
