"""How actions and lengths of time are said to people: the same in the console, in messages and in the terminal."""

from __future__ import annotations

from typing import Any

MISSING = "–"


def words(value: Any) -> str:
    """`AWAITING_APPROVAL` -> "awaiting approval"."""
    return str(value or MISSING).replace("_", " ").lower()


#: Each action as a person would say it.
ACTIONS = {
    "RETRY": "Run the failed tasks again",
    "RETRY_WITH_NEW_PARAMS": "Run again with changed settings",
    "RUN_UPSTREAM": "Run the producing job first, then the failed tasks",
    "NOTIFY_OWNER": "Tell the owner",
    "ESCALATE": "Call the next person",
    "TERMINATE": "Stop the run",
    "PROPOSE_FIX": "Propose a code change",
}


def deed(action: Any) -> str:
    """An action in words."""
    return ACTIONS.get(str(action), words(action))


def duration(seconds: float | None) -> str:
    """Seconds as one or two units: "48 s", "3 min 5 s", "2 h 10 min"."""
    if seconds is None or seconds <= 0:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{whole or 1} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    return _two(whole // 3600, "h", whole % 3600 // 60, "min")


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big} {big_unit} {small} {small_unit}" if small else f"{big} {big_unit}"
