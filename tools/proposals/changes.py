"""Derives the changes that a class allows from what the run's settings are now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.actions import SettingChange
from core.policy import Range
from core.run import RunFacts
from knowledge.catalogue import Change, FailureClass
from tools.proposals import nodes
from tools.proposals.quantities import Quantity, clamped, comparable, read, times

Json = Mapping[str, Any]

_PARAMETER = "parameter:"
#: What Spark accepts at most, whatever a policy says (Spark's configuration reference).
_CEILINGS = {"spark.kryoserializer.buffer.max": Range(maximum=2047)}
#: Fields of a cluster; every other name is a Spark setting or a timeout.
_FIELDS = frozenset({"node_type_id", "driver_node_type_id", "num_workers", "enable_elastic_disk"})
_MIB_IN_GIB = 1024


@dataclass(frozen=True)
class Derived:
    """Changes for one retry: compute settings by their addresses, and job parameters by name."""

    settings: list[SettingChange]
    job_parameters: dict[str, str]

    def __bool__(self) -> bool:
        return bool(self.settings or self.job_parameters)


@dataclass(frozen=True)
class _Place:
    """A cluster's definition within the job's settings."""

    address: str
    cluster: Json

    def path(self, setting: str) -> str:
        return f"{self.address}.{setting}" if setting in _FIELDS else f"{self.address}.spark_conf[{setting}]"

    def value(self, setting: str) -> Any:
        if setting in _FIELDS:
            return self.cluster.get(setting)
        return (self.cluster.get("spark_conf") or {}).get(setting)


#: Stands for the cluster of a run of which nothing is known.
_ANYWHERE = _Place("job_clusters[*].new_cluster", {})


def derive(
    failure_class: FailureClass,
    run: RunFacts | None,
    task_keys: Sequence[str],
    ranges: Mapping[str, Range],
    *,
    times_tried: int = 0,
) -> Derived:
    """The class's changes applied to the run's own values, within the ranges.

    The class's changes come in the order of their use: the first is made also where its setting has no value yet,
    the others where there is a value to change; where nothing has one, the first that knows a value for an unset
    setting. Each earlier try with new parameters takes a change one step further.
    """
    steps = times_tried + 1
    parameters = _job_parameters(failure_class.change, run, ranges, steps)
    if run is None or not run.settings:
        return Derived([] if parameters else _without_settings(failure_class.change), parameters)
    settings = _timeouts(failure_class.change, run.settings, task_keys, ranges, steps)
    for place in _places(run.settings, task_keys):
        settings += _of_cluster(failure_class.change, place, ranges, steps)
    return Derived(_distinct(settings), parameters)


def _without_settings(changes: Sequence[Change]) -> list[SettingChange]:
    """What to propose about a run of which nothing but a log is known: the first change that names a value."""
    for change in changes:
        if change.unset is not None:
            address = "job_clusters[*].new_cluster"
            return [
                SettingChange(path=_Place(address, {}).path(change.setting), proposed=_typed(change.unset))
            ]
    return []


def _of_cluster(
    changes: Sequence[Change], place: _Place, ranges: Mapping[str, Range], steps: int
) -> list[SettingChange]:
    made: list[SettingChange] = []
    own = [c for c in changes if not c.setting.startswith(_PARAMETER) and c.setting != "timeout_seconds"]
    for number, change in enumerate(own):
        found = _changed(change, place, ranges, steps)
        if found is None and number == 0:
            found = _set(change, place, ranges)
        made += [found] if found else []
    if made:
        return made
    return [found for change in own if (found := _set(change, place, ranges))][:1]


def _set(change: Change, place: _Place, ranges: Mapping[str, Range]) -> SettingChange | None:
    """A value for a setting that has none."""
    if change.unset is None or place.value(change.setting) is not None:
        return None
    proposed = _typed(_within(change.setting, change.unset, ranges))
    return SettingChange(path=place.path(change.setting), proposed=proposed)


def _changed(change: Change, place: _Place, ranges: Mapping[str, Range], steps: int) -> SettingChange | None:
    """The change of a value that is there, or None when it is not there or cannot go further."""
    current = place.value(change.setting)
    if change.by == "up":
        return _bigger_node(change.setting, place, ranges, steps)
    if current is None:
        return None
    if change.by.startswith("="):
        wanted = _typed(change.by[1:])
        if str(current).lower() == str(wanted).lower():
            return None
        return SettingChange(path=place.path(change.setting), current=current, proposed=wanted)
    new = _multiplied(change.setting, current, float(change.by[1:]) ** steps, ranges)
    if new is None:
        return None
    proposed = int(new.number) if isinstance(current, int) else new.text
    return SettingChange(path=place.path(change.setting), current=current, proposed=proposed)


def _bigger_node(
    setting: str, place: _Place, ranges: Mapping[str, Range], steps: int
) -> SettingChange | None:
    """The next bigger node type, at most as big as a range of this name (in MiB of memory) allows."""
    current = place.value(setting)
    base = current or (place.value("node_type_id") if setting == "driver_node_type_id" else None)
    if not base or place.cluster.get("instance_pool_id"):
        return None
    found = nodes.bigger(str(base), steps)
    allowed = ranges.get(setting)
    if found and allowed and allowed.maximum is not None and found.gib * _MIB_IN_GIB > allowed.maximum:
        fitting = nodes.smaller_or_equal(str(base), allowed.maximum / _MIB_IN_GIB)
        found = fitting[-1] if fitting and fitting[-1].name != base else None
    return SettingChange(path=place.path(setting), current=current, proposed=found.name) if found else None


def _multiplied(setting: str, current: object, factor: float, ranges: Mapping[str, Range]) -> Quantity | None:
    """The value times the factor within all ranges, or None when that changes nothing (or it is no number)."""
    quantity = read(current)
    if quantity is None or quantity.number <= 0:
        return None
    new = clamped(setting, times(quantity, factor), _CEILINGS.get(setting))
    new = clamped(setting, new, ranges.get(setting))
    further = comparable(setting, new) > comparable(setting, quantity)
    return new if further == (factor > 1) and new.number != quantity.number else None


def _within(setting: str, value: str, ranges: Mapping[str, Range]) -> str:
    quantity = read(value)
    if quantity is None or quantity.number <= 0:
        return value
    return clamped(setting, quantity, ranges.get(setting)).text


def _timeouts(
    changes: Sequence[Change],
    settings: Json,
    task_keys: Sequence[str],
    ranges: Mapping[str, Range],
    steps: int,
) -> list[SettingChange]:
    """Longer limits for the failed tasks, and for the job where it has one of its own."""
    change = next((c for c in changes if c.setting == "timeout_seconds"), None)
    if change is None:
        return []
    holders = [
        (f"tasks[{task['task_key']}].timeout_seconds", task.get("timeout_seconds"))
        for task in settings.get("tasks") or []
        if task.get("task_key") in task_keys
    ]
    holders.append(("timeout_seconds", settings.get("timeout_seconds")))
    made = []
    for path, current in holders:
        new = (
            _multiplied("timeout_seconds", current, float(change.by[1:]) ** steps, ranges)
            if current
            else None
        )
        if new is not None:
            made.append(SettingChange(path=path, current=current, proposed=int(new.number)))
    return made


def _job_parameters(
    changes: Sequence[Change], run: RunFacts | None, ranges: Mapping[str, Range], steps: int
) -> dict[str, str]:
    """Job parameters whose name a change means and whose value is a number."""
    made: dict[str, str] = {}
    for change in changes:
        if run is None or not change.setting.startswith(_PARAMETER) or not change.by.startswith("x"):
            continue
        for name, value in run.job_parameters.items():
            if not means(change, name):
                continue
            new = _multiplied(name, value, float(change.by[1:]) ** steps, ranges)
            if new is not None:
                made.setdefault(name, new.text)
    return made


def means(change: Change, name: str) -> bool:
    """Whether a change of job parameters means the one of this name."""
    pattern = change.setting.removeprefix(_PARAMETER)
    return change.setting.startswith(_PARAMETER) and re.search(pattern, name, re.IGNORECASE) is not None


def _places(settings: Json, task_keys: Sequence[str]) -> Iterator[_Place]:
    """The clusters that the tasks run on, each once; serverless and all-purpose compute can't be changed."""
    shared = {
        c.get("job_cluster_key"): c.get("new_cluster") or {} for c in settings.get("job_clusters") or []
    }
    seen = set()
    for task in settings.get("tasks") or []:
        if task_keys and task.get("task_key") not in task_keys:
            continue
        key = task.get("job_cluster_key")
        if key in shared and key not in seen:
            seen.add(key)
            yield _Place(f"job_clusters[{key}].new_cluster", shared[key])
        elif task.get("new_cluster"):
            yield _Place(f"tasks[{task.get('task_key')}].new_cluster", task["new_cluster"])


def _distinct(changes: Sequence[SettingChange]) -> list[SettingChange]:
    return list({change.path: change for change in changes}.values())[:20]


def _typed(value: str) -> str | bool:
    """A value as the settings hold it: truth values are no texts."""
    return {"true": True, "false": False}.get(value.lower(), value)
