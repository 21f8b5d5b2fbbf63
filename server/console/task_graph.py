"""The tasks of a run as a drawing: columns by how deep a task lies, an arrow for each dependency."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 152, 40
GAP_X, GAP_Y = 34, 12
MARGIN = 8
#: More tasks than this are not drawn one by one: only those around the failures.
MOST = 36
NAME = 19


@dataclass(frozen=True)
class Box:
    """One task: its place (px), its short name, its state, and whether it failed by itself."""

    x: int
    y: int
    key: str
    name: str
    state: str
    root: bool


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths of arrows, on a canvas of `width` x `height` px; `left_out` tasks are not drawn."""

    width: int
    height: int
    boxes: list[Box]
    arrows: list[tuple[str, bool]]
    left_out: int = 0


def draw(tasks: Sequence[Mapping[str, Any]]) -> Drawing | None:
    """Draw tasks given as `key`, `state`, `root`, `depends_on`; None for fewer than two."""
    if len(tasks) < 2:
        return None
    chosen = _around_failures(tasks) if len(tasks) > MOST else list(tasks)
    known = {task["key"]: task for task in chosen}
    depth = _depths(known)
    columns: dict[int, list[str]] = defaultdict(list)
    for key in known:
        columns[depth[key]].append(key)
    place = _places(columns, known)
    boxes = [
        Box(*place[key], key, _short(key), str(task["state"]), bool(task["root"]))
        for key, task in known.items()
    ]
    arrows = [
        (_path(place[before], place[key]), bool(known[before]["root"]))
        for key, task in known.items()
        for before in task["depends_on"]
        if before in known
    ]
    rows = max(len(column) for column in columns.values())
    return Drawing(
        width=2 * MARGIN + len(columns) * (WIDTH + GAP_X) - GAP_X,
        height=2 * MARGIN + rows * (HEIGHT + GAP_Y) - GAP_Y,
        boxes=boxes,
        arrows=arrows,
        left_out=len(tasks) - len(chosen),
    )


def _depths(known: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many tasks lie before each; what depends on itself (a broken answer) lies at the start."""
    depth = dict.fromkeys(known, 0)
    for _ in range(len(known)):
        moved = False
        for key, task in known.items():
            before = [depth[d] + 1 for d in task["depends_on"] if d in known and d != key]
            wanted = min(max(before, default=0), len(known) - 1)
            if wanted > depth[key]:
                depth[key], moved = wanted, True
        if not moved:
            return depth
    return dict.fromkeys(known, 0)


def _places(
    columns: Mapping[int, list[str]], known: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[int, int]]:
    """Each column beside the last, its tasks in the order of what they depend on, centred."""
    rows = max(len(column) for column in columns.values())
    place: dict[str, tuple[int, int]] = {}
    for number, depth in enumerate(sorted(columns)):
        column = columns[depth]
        column.sort(
            key=lambda key: min((place[d][1] for d in known[key]["depends_on"] if d in place), default=0)
        )
        top = MARGIN + (rows - len(column)) * (HEIGHT + GAP_Y) // 2
        for row, key in enumerate(column):
            place[key] = (MARGIN + number * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y))
    return place


def _path(start: tuple[int, int], end: tuple[int, int]) -> str:
    x0, y0 = start[0] + WIDTH, start[1] + HEIGHT // 2
    x1, y1 = end[0] - 5, end[1] + HEIGHT // 2
    middle = (x0 + x1) // 2
    return f"M{x0} {y0}C{middle} {y0} {middle} {y1} {x1} {y1}"


def _around_failures(tasks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The root failures, what they depend on and what depends on them, at most `MOST`."""
    roots = {task["key"] for task in tasks if task["root"]}
    before = {key for task in tasks if task["root"] for key in task["depends_on"]}
    after = {task["key"] for task in tasks if roots & set(task["depends_on"])}
    ranked = sorted(
        tasks,
        key=lambda t: 0 if t["key"] in roots else 1 if t["key"] in before else 2 if t["key"] in after else 3,
    )
    near = [task for task in ranked if task["key"] in roots | before | after]
    return (near or ranked)[:MOST]


def _short(key: str) -> str:
    return key if len(key) <= NAME else f"{key[: NAME - 9]}…{key[-8:]}"
