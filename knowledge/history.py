"""Incidents of other trackers, as Pitstop remembers incidents: their columns, their words for an ending, their dates."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.actions import Action
from core.incident import Category
from knowledge.incident_memory import IncidentMemory

#: Names that other trackers give to what we keep, the first one found wins.
COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "incident_id", "key", "number", "ticket"),
    "title": ("title", "summary", "name", "subject", "short_description", "incident"),
    "root_cause": ("root_cause", "cause", "reason", "description", "analysis"),
    "evidence": ("evidence", "error", "error_message", "message", "log", "stacktrace", "trace"),
    "fingerprint": ("fingerprint",),
    "failure_class": ("failure_class", "class", "type"),
    "category": ("category",),
    "job": ("job", "job_name", "pipeline", "service"),
    "action": ("action",),
    "outcome": ("outcome", "status", "result"),
    "finished_at": ("finished_at", "resolved_at", "closed_at", "ended_at", "date", "created_at"),
    "note": ("note", "resolution", "fix", "lesson", "lessons", "comment", "comments", "notes"),
}
#: Other trackers' words for our outcomes.
OUTCOMES = {
    **dict.fromkeys(("done", "fixed", "solved", "success", "succeeded", "complete", "completed"), "resolved"),
    **dict.fromkeys(
        ("wont_fix", "won't_fix", "wontfix", "declined", "cancelled", "canceled", "duplicate"), "closed"
    ),
}
_CATEGORIES = frozenset(category.value for category in Category)
_ACTIONS = frozenset(action.value for action in Action)
_LIMITS = {"title": 500, "root_cause": 2_000, "evidence": 4_000, "note": 2_000}
_MAX_ID = 150
#: Numbers above are times in milliseconds.
_MILLISECONDS = 1e11
#: Numbers below are no times, but years and such.
_SECONDS = 1e8


class Read(NamedTuple):
    """An incident, or the fault that makes it none; and what was left out of it."""

    memory: IncidentMemory | None
    fault: str = ""
    notes: tuple[str, ...] = ()


class Reader:
    """Turns rows into incidents.

    Args:
        redact: Takes secrets out of a text.
        classes: The failure classes there are, with their categories.
    """

    def __init__(self, redact: Callable[[str], str], classes: Mapping[str, Category]) -> None:
        self._redact = redact
        self._classes = classes

    def read(self, row: Mapping[str, Any]) -> Read:
        """One row, by whatever names it has."""
        lowered = {str(key).strip().lower().replace(" ", "_"): value for key, value in row.items() if key}
        found: dict[str, str] = {}
        for field, names in COLUMNS.items():
            value = next((lowered[name] for name in names if lowered.get(name) not in (None, "", [])), None)
            if value is not None:
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                found[field] = self._redact(text.strip())[: _LIMITS.get(field, 200)]
        said = found.get("title") or found.get("root_cause") or found.get("evidence")
        if not said:
            names = ", ".join(
                name for field in ("title", "root_cause", "evidence") for name in COLUMNS[field][:2]
            )
            return Read(None, f"it has neither title, cause nor message; name a column {names}")
        found["title"] = said.splitlines()[0][:200]
        digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
        notes = [
            *self._named(found, explicit="failure_class" in lowered),
            *self._ended(found),
        ]
        key = found.pop("id", "") or digest
        if len(key) > _MAX_ID:
            key = f"{key[:_MAX_ID]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
        try:
            return Read(IncidentMemory.model_validate({**found, "id": f"imported-{key}"}), notes=tuple(notes))
        except ValidationError as error:
            wrong = error.errors()[0]
            return Read(None, f"{wrong['loc'][0]}: {wrong['msg']}")

    def _named(self, found: dict[str, str], *, explicit: bool) -> list[str]:
        """Class, category and action by the names we know. A column called `type` may mean something else."""
        notes = []
        name = found.pop("failure_class", "")
        if name.lower() in self._classes:
            found["failure_class"] = name.lower()
            found["category"] = self._classes[name.lower()].value
        elif name and explicit:
            notes.append(unknown_class(name, self._classes))
        if found.get("category", "").lower() in _CATEGORIES:
            found["category"] = found["category"].lower()
        else:
            found.pop("category", None)
        action = found.pop("action", "")
        if action.upper().replace(" ", "_") in _ACTIONS:
            found["action"] = action.upper().replace(" ", "_")
        elif action:
            found.setdefault("note", action)
        return notes

    def _ended(self, found: dict[str, str]) -> list[str]:
        if outcome := found.get("outcome", "").lower().replace(" ", "_"):
            found["outcome"] = OUTCOMES.get(outcome, outcome)
        if not (said := found.pop("finished_at", "")):
            return []
        then = _time(said)
        if then is None:
            return [
                f"the date {said!r} is not one like 2026-05-31 or 2026-05-31T10:00:00Z, so its age is unknown"
            ]
        found["finished_at"] = then
        return []


def unknown_class(name: str, classes: Mapping[str, Category]) -> str:
    """The sentence about a failure class that there is not."""
    near = difflib.get_close_matches(name.lower(), classes, n=1)
    hint = f"did you mean {near[0]}?" if near else "the catalogue's names are in knowledge/catalogue"
    return f"{name!r} is no failure class and was left out; {hint}"


def _time(said: str) -> str | None:
    """As it was said, where it is ISO 8601; of seconds or milliseconds since 1970 the same in ISO 8601."""
    try:
        datetime.fromisoformat(said)
    except ValueError:
        pass
    else:
        return said
    try:
        seconds = float(said)
        seconds = seconds / 1000 if seconds > _MILLISECONDS else seconds
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds > _SECONDS else None
    except (ValueError, OverflowError, OSError):
        return None
