"""Values that a model suggests, taken over as far as the class goes by itself.

A model reads the log, and whoever writes into the log may speak to it. So it chooses no setting and no direction:
it may only say how far, between what the run has now and what the class would propose anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.actions import SettingChange
from core.incident import Diagnosis
from core.policy import Range
from tools.proposals.changes import Derived
from tools.proposals.edits import name_of
from tools.proposals.quantities import Quantity, clamped, comparable, read

#: How far down a value for a setting that has none may be suggested, as a share of the class's own.
_LEAST = 0.5


def with_suggestions(
    derived: Derived, diagnosis: Diagnosis, ranges: Mapping[str, Range]
) -> tuple[Derived, list[str]]:
    """The changes with the model's values where they fit, and what to tell the reviewer of each.

    Nothing is taken over from a model that held another class for the cause, or when the evidence gives orders.
    """
    model = diagnosis.model
    if diagnosis.injection_suspected or model.get("failure_class") != diagnosis.failure_class:
        return derived, []
    wanted = _wanted(model.get("suggestions"))
    notes: list[str] = []
    settings: list[SettingChange] = []
    for change in derived.settings:
        name = name_of(change)
        value = _between(name, change, wanted.get(name), ranges.get(name))
        if value is None:
            settings.append(change)
            continue
        settings.append(change.model_copy(update={"proposed": value}))
        notes.append(
            f"the model suggests {wanted[name]} for {name} where the class goes to {change.proposed}"
        )
    return replace(derived, settings=settings), notes


def _wanted(suggestions: object) -> dict[str, str]:
    """The suggested values by setting; what is not of that form is passed over."""
    if not isinstance(suggestions, Sequence) or isinstance(suggestions, str):
        return {}
    pairs = [(s.get("setting"), s.get("value")) for s in suggestions if isinstance(s, Mapping)]
    return {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}


def _between(name: str, change: SettingChange, wanted: str | None, allowed: Range | None) -> Any:
    """The suggested value moved between now and the class's own, or None when that leaves nothing to say."""
    suggestion, own, now = (read(value) for value in (wanted, change.proposed, change.current))
    if suggestion is None or own is None or suggestion.number <= 0 or own.number <= 0:
        return None
    floor = comparable(name, now) if now else comparable(name, own) * _LEAST
    limits = sorted((floor, comparable(name, own)))
    value = clamped(name, _in_unit(name, suggestion, own), Range(minimum=limits[0], maximum=limits[1]))
    value = clamped(name, value, allowed)
    meant = comparable(name, value)
    if not limits[0] <= meant <= limits[1] or meant == comparable(name, own) or (now and meant == floor):
        return None
    return int(value.number) if isinstance(change.proposed, int) else value.text


def _in_unit(name: str, suggestion: Quantity, own: Quantity) -> Quantity:
    """The suggestion in the unit of the class's value, as a whole number; as it is where its unit is a finer one."""
    one = comparable(name, Quantity(1, own.unit))
    number = comparable(name, suggestion) / one
    return Quantity(number, own.unit) if number.is_integer() else suggestion
