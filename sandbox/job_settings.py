"""A job's settings: how create, reset and update change them, and what makes them invalid."""

from __future__ import annotations

import copy
from typing import Any

from sandbox.refusal import invalid

Settings = dict[str, Any]

#: What the service fills in and gives back, whether it was sent or not.
_JOB_DEFAULTS: Settings = {
    "name": "Untitled",
    "email_notifications": {},
    "webhook_notifications": {},
    "timeout_seconds": 0,
    "max_concurrent_runs": 1,
}
_TASK_DEFAULTS: Settings = {"run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}}
#: The arrays that an update merges, and the field that names their entries.
_KEYED = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "parameters": "name",
    "environments": "environment_key",
}
MAX_TASKS = 1000


def complete(settings: Settings) -> Settings:
    """The settings as the service keeps them: checked, with its defaults.

    Raises:
        Refusal: 400, something in them contradicts something else.
    """
    settings = {**_JOB_DEFAULTS, **copy.deepcopy(settings), "format": "MULTI_TASK"}
    if "tasks" in settings:
        settings["tasks"] = [{**_TASK_DEFAULTS, **task} for task in settings["tasks"]]
    check(settings)
    return settings


def update(settings: Settings, new: Settings, remove: list[str]) -> Settings:
    """The settings after jobs/update: fields are replaced, arrays merged by their entries' names, then fields
    are removed (`tasks/KEY` removes one entry).

    Raises:
        Refusal: 400, as `complete`.
    """
    merged = copy.deepcopy(settings)
    for field, value in copy.deepcopy(new).items():
        merged[field] = _merge(merged.get(field) or [], value, _KEYED[field]) if field in _KEYED else value
    for field in remove:
        name, _, entry = field.partition("/")
        if not entry:
            merged.pop(name, None)
        elif name in ("tasks", "job_clusters"):
            merged[name] = [item for item in merged.get(name, []) if item.get(_KEYED[name]) != entry]
        else:
            raise invalid(f"Cannot remove nested field '{field}'.")
    return complete(merged)


def _merge(old: list[Settings], new: list[Settings], key: str) -> list[Settings]:
    replaced = {item.get(key): item for item in new}
    kept = [replaced.pop(item.get(key), item) for item in old]
    return kept + list(replaced.values())


def check(settings: Settings) -> None:
    """Refuse tasks that are not named, not distinct, or depend on or run on what is not there."""
    tasks = settings.get("tasks") or []
    if len(tasks) > MAX_TASKS:
        raise invalid(f"The number of tasks exceeds the limit of {MAX_TASKS}.")
    keys = [task.get("task_key") for task in tasks]
    if any(not key for key in keys):
        raise invalid("Missing required field: task_key")
    if len(set(keys)) < len(keys):
        raise invalid("Task keys must be unique.")
    clusters = {cluster.get("job_cluster_key") for cluster in settings.get("job_clusters") or []}
    for task in tasks:
        for upstream in task.get("depends_on") or []:
            if upstream.get("task_key") not in keys:
                raise invalid(
                    f"Task '{task['task_key']}' depends on a task that does not exist: "
                    f"'{upstream.get('task_key')}'."
                )
        cluster = task.get("job_cluster_key")
        if cluster is not None and cluster not in clusters:
            raise invalid(f"Job cluster '{cluster}' is not defined in field 'job_clusters'.")
    if not _acyclic(tasks):
        raise invalid("The task dependency graph contains a cycle.")


def _acyclic(tasks: list[Settings]) -> bool:
    waiting = {task["task_key"]: {d["task_key"] for d in task.get("depends_on") or []} for task in tasks}
    while free := [key for key, upstream in waiting.items() if not upstream & waiting.keys()]:
        for key in free:
            del waiting[key]
    return not waiting


def dependants(tasks: list[Settings], keys: set[str]) -> set[str]:
    """The keys of all tasks downstream of `keys`, without those themselves unless they are downstream, too."""
    found: set[str] = set()
    frontier = set(keys)
    while frontier:
        frontier = {
            task["task_key"]
            for task in tasks
            if {d["task_key"] for d in task.get("depends_on") or []} & frontier
        } - found
        found |= frontier
    return found


def dependencies(tasks: list[Settings], keys: set[str]) -> set[str]:
    """The keys of all tasks upstream of `keys`."""
    upstream = {task["task_key"]: {d["task_key"] for d in task.get("depends_on") or []} for task in tasks}
    found: set[str] = set()
    frontier = set(keys)
    while frontier:
        frontier = set().union(*(upstream.get(key, set()) for key in frontier)) - found
        found |= frontier
    return found


def cluster_spec(settings: Settings, task: Settings) -> Settings | None:
    """The `new_cluster` that a task runs on, None for an existing cluster or serverless compute."""
    if task.get("new_cluster"):
        return task["new_cluster"]
    key = task.get("job_cluster_key")
    for cluster in settings.get("job_clusters") or []:
        if key is not None and cluster.get("job_cluster_key") == key:
            return cluster.get("new_cluster") or {}
    return None


def log_destination(spec: Settings | None) -> str | None:
    """Where a cluster of this specification delivers its logs; None when it delivers none."""
    conf = (spec or {}).get("cluster_log_conf") or {}
    target = (conf.get("dbfs") or conf.get("volumes") or {}).get("destination")
    return target.rstrip("/") if target else None
