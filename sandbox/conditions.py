"""Whether a task's `succeeds_if` holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sandbox.script import Conditions, ParameterTest

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(-?\d+(?:\.\d+)?)\s*([kmgt]?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Situation:
    """What an execution of a task finds: the run's parameters, its cluster's specification (a Clusters API
    `new_cluster`), the timeouts that bind it (seconds, 0 for none), the scenario seconds since the scenario was
    started, the names of the jobs that have succeeded since then, and the outages that go on."""

    parameters: dict[str, str]
    cluster: dict[str, Any]
    timeouts: tuple[int, ...] = ()
    seconds: float = 0.0
    succeeded_jobs: frozenset[str] = frozenset()
    outages: frozenset[str] = frozenset()


def holds(conditions: Conditions, situation: Situation) -> bool:
    """Whether every given condition holds."""
    cluster = situation.cluster
    spark_conf = cluster.get("spark_conf") or {}
    workers = (cluster.get("autoscale") or {}).get("max_workers", cluster.get("num_workers")) or 0
    checks = [_passes(test, situation.parameters.get(name)) for name, test in conditions.parameters.items()]
    checks += [reaches(spark_conf.get(key), wanted) for key, wanted in conditions.spark_conf.items()]
    if conditions.node_type is not None:
        checks.append(cluster.get("node_type_id") in conditions.node_type)
    if conditions.driver_node_type is not None:
        driver = cluster.get("driver_node_type_id") or cluster.get("node_type_id")
        checks.append(driver in conditions.driver_node_type)
    if conditions.elastic_disk is not None:
        checks.append(bool(cluster.get("enable_elastic_disk")) == conditions.elastic_disk)
    if conditions.num_workers is not None:
        checks.append(workers >= conditions.num_workers)
    if conditions.timeout_seconds is not None:
        checks.append(all(limit <= 0 or limit >= conditions.timeout_seconds for limit in situation.timeouts))
    if conditions.job_succeeded is not None:
        checks.append(conditions.job_succeeded in situation.succeeded_jobs)
    if conditions.after_seconds is not None:
        checks.append(situation.seconds >= conditions.after_seconds)
    if conditions.outage_over is not None:
        checks.append(conditions.outage_over not in situation.outages)
    return all(checks)


def reaches(value: Any, wanted: str) -> bool:
    """Whether a Spark setting is at least `wanted`; what is no number or size must be the same."""
    if value is None:
        return False
    have, want = size(str(value)), size(wanted)
    if have is None or want is None:
        return str(value).lower() == wanted.lower()
    return have >= want


def size(text: str) -> float | None:
    """A number, or a size such as `8g` or `512m` in bytes; None when it is neither."""
    match = _SIZE.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2].lower()] if match else None


def _passes(test: ParameterTest, value: str | None) -> bool:
    if value is None:
        return False
    number = size(value)
    return (
        (test.equals is None or value == test.equals)
        and (test.any_of is None or value in test.any_of)
        and (test.at_least is None or (number is not None and number >= test.at_least))
    )
