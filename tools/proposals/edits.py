"""Holds a reviewer's edit against what the failure class and the policy allow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.actions import Action, RetryWithNewParams, RunUpstreamParams, SettingChange, check_params
from core.errors import InvalidInput
from core.policy import Range, Rules
from knowledge.catalogue import FailureClass
from tools.proposals.changes import means
from tools.proposals.nodes import memory_of
from tools.proposals.quantities import outside, read

_SETTING = re.compile(r"(?:.*new_cluster\.)?(?:spark_conf\[(?P<conf>[^\]]+)\]|(?P<field>[\w.]+))$")
_NODES = frozenset({"node_type_id", "driver_node_type_id"})
_MIB_IN_GIB = 1024


def check_edit(
    rules: Rules,
    failure_class: FailureClass,
    action: Action,
    original: Mapping[str, Any],
    edited: Mapping[str, Any],
) -> None:
    """Accept an edit that stays within the class's changes and the policy's ranges.

    Args:
        original: The parameters that were proposed.
        edited: The parameters that the reviewer wants instead, for the same action.

    Raises:
        InvalidInput: A key is unknown, or a value is out of range; the message names it and what is allowed.
    """
    before, after = check_params(action, dict(original)), check_params(action, dict(edited))
    proposed = set(getattr(before, "task_keys", ()))
    foreign = set(getattr(after, "task_keys", ())) - proposed
    if proposed and foreign:
        raise InvalidInput(f"task_keys: {', '.join(sorted(foreign))} is not among the failed tasks proposed.")
    if isinstance(before, RetryWithNewParams) and isinstance(after, RetryWithNewParams):
        _check_settings(rules, failure_class, before, after)
        _check_parameters(rules, failure_class, before, after)
    if isinstance(before, RunUpstreamParams) and isinstance(after, RunUpstreamParams):
        _check_upstream(rules, before, after)


def _check_settings(
    rules: Rules, failure_class: FailureClass, before: RetryWithNewParams, after: RetryWithNewParams
) -> None:
    allowed = {change.setting for change in failure_class.change}
    known = {change.path: change for change in before.settings}
    for change in after.settings:
        name = name_of(change)
        if change.path not in known and name not in allowed:
            raise InvalidInput(
                f"settings: {change.path} is not one that a {failure_class.name} may change.",
                hint=f"It may change {', '.join(sorted(allowed)) or 'nothing'}.",
            )
        if change.path in known and change.current != known[change.path].current:
            raise InvalidInput(f"settings: `current` of {change.path} may not be edited.")
        _check_range(name, change.proposed, rules.ranges.get(name))


def _check_parameters(
    rules: Rules, failure_class: FailureClass, before: RetryWithNewParams, after: RetryWithNewParams
) -> None:
    for name, value in after.job_parameters.items():
        if name not in before.job_parameters and not any(means(c, name) for c in failure_class.change):
            raise InvalidInput(f"job_parameters: {name} is not one that a {failure_class.name} may change.")
        _check_range(name, value, rules.ranges.get(name))


def _check_upstream(rules: Rules, before: RunUpstreamParams, after: RunUpstreamParams) -> None:
    if after.job_id == before.job_id and after.produces == before.produces:
        return
    producer = rules.producer_of(after.produces)
    if producer is None or producer.job_id != after.job_id:
        raise InvalidInput(f"job_id: the policy does not say that job {after.job_id} makes {after.produces}.")


def _check_range(name: str, value: object, allowed: Range | None) -> None:
    if allowed is None:
        return
    quantity = read(value)
    if name in _NODES:
        gib = memory_of(str(value))
        quantity = read(gib * _MIB_IN_GIB) if gib else None
    if quantity is None:
        raise InvalidInput(f"{name}: {value!r} can't be held against the policy's range.")
    if outside(name, quantity, allowed):
        low = "any" if allowed.minimum is None else f"{allowed.minimum:g}"
        high = "any" if allowed.maximum is None else f"{allowed.maximum:g}"
        raise InvalidInput(f"{name}: {value} is outside what the policy allows ({low} to {high}).")


def name_of(change: SettingChange) -> str:
    """The setting that a change is about, without the address of the cluster or task it belongs to."""
    match = _SETTING.fullmatch(change.path)
    return (match["conf"] or match["field"]) if match else change.path
