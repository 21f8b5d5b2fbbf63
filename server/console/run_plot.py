"""The job's last runs as bars: height is how long each took, the mark on top how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.console.words import duration

BAR, GAP = 16, 6
HEIGHT, TOP, LEFT = 84, 16, 82
BAD = frozenset({"FAILED", "TIMEDOUT", "INTERNAL_ERROR", "CANCELED"})


@dataclass(frozen=True)
class Bar:
    """One run: its place (px), how it ended (`good`, `bad`, `other`), and a sentence about it."""

    x: int
    y: int
    height: int
    ending: str
    says: str
    this: bool = False


@dataclass(frozen=True)
class RunPlot:
    """Bars on a canvas of `width` x `height` px, oldest first, with labels for the axis."""

    width: int
    height: int
    bars: list[Bar]
    longest: str
    says: str


def plot(history: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> RunPlot | None:
    """Plot `core.run.PastRun`s (JSON, newest first), with this run at the end; None without history."""
    past = list(reversed(history))
    if not past:
        return None
    this = [] if any(r.get("run_id") == run.get("run_id") for r in past) or not run else [run]
    rows = [*past, *this]
    longest = max(_seconds(r) for r in rows) or 1.0
    bars = []
    for number, row in enumerate(rows):
        height = max(3, round((HEIGHT - TOP) * _seconds(row) / longest))
        bars.append(
            Bar(
                x=LEFT + number * (BAR + GAP),
                y=HEIGHT - height,
                height=height,
                ending=ending(row.get("result_state")),
                says=_says(row),
                this=row.get("run_id") == run.get("run_id"),
            )
        )
    good = sum(1 for row in past if ending(row.get("result_state")) == "good")
    says = f"{good} of the {len(past)} runs before this one were good"
    return RunPlot(LEFT + len(rows) * (BAR + GAP), HEIGHT + 4, bars, duration(longest), says)


def ending(state: Any) -> str:
    """`good`, `bad`, or `other` (still running, skipped, partly failed)."""
    return "good" if state == "SUCCESS" else "bad" if state in BAD else "other"


def _seconds(row: Mapping[str, Any]) -> float:
    return float(row.get("duration_seconds") or 0)


def _says(row: Mapping[str, Any]) -> str:
    state = str(row.get("result_state") or "running").replace("_", " ").lower()
    repaired = ", repaired" if row.get("repaired") else ""
    return f"run {row.get('run_id')}: {state} after {duration(_seconds(row))}{repaired}"
