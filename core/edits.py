"""What a person's edit makes of a proposal."""

from __future__ import annotations

from typing import Any

from core.actions import Params, Proposal

#: Changes told one by one, and characters of each value.
MOST, VALUE = 20, 120


def edited(original: Proposal, params: Params, by: str) -> Proposal:
    """Pitstop's proposal with the parameters that `by` gave it.

    Its reason says what was changed: the first one speaks of values that are no longer proposed.
    """
    new = params.model_dump(mode="json")
    changes = _changes(original.params, new)
    if not changes:
        return original.model_copy(update={"origin": "person"})
    more = f"; and {len(changes) - MOST} more" if len(changes) > MOST else ""
    reason = f"Edited by {by}: {'; '.join(changes[:MOST])}{more}."
    return original.model_copy(update={"params": new, "reason": reason[:4000], "origin": "person"})


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Each value that differs, in words."""
    old, new = _flat(before), _flat(after)
    said = [
        f"{name} is {_short(new[name])}, not {_short(old[name])}"
        if name in old
        else f"{name} is {_short(new[name])}"
        for name in new
        if new[name] != old.get(name)
    ]
    return said + [f"without {name} ({_short(old[name])})" for name in old if name not in new]


def _flat(params: dict[str, Any]) -> dict[str, str]:
    """Parameters by name; a setting by its path, a job's parameter by its own name."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if name == "settings":
            flat.update({change["path"]: str(change["proposed"]) for change in value})
        elif isinstance(value, dict):
            flat.update({f"{name}.{key}": str(one) for key, one in value.items()})
        elif value not in (None, "", []):
            flat[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return flat


def _short(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= VALUE else f"{line[: VALUE - 3]}..."
