"""Node types of the three clouds, from a data file: which is the next bigger one of the same family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

_FILE = Path(__file__).with_name("node_types.yaml")


@dataclass(frozen=True)
class NodeType:
    """One size of a family."""

    name: str
    gib: int


def bigger(name: str, steps: int = 1) -> NodeType | None:
    """The node type `steps` sizes above this one, the biggest when there are fewer, None when there is none."""
    family = next((f for f in _families() if any(node.name == name for node in f)), None)
    if family is None:
        return None
    at = next(i for i, node in enumerate(family) if node.name == name)
    above = family[at + 1 :]
    return above[min(steps, len(above)) - 1] if above else None


def smaller_or_equal(name: str, gib: float) -> list[NodeType]:
    """The family's sizes from this one up to a memory of `gib` GiB."""
    family = next((f for f in _families() if any(node.name == name for node in f)), ())
    names = [node.name for node in family]
    return [node for node in family[names.index(name) :] if node.gib <= gib] if names else []


def memory_of(name: str) -> int | None:
    """The memory of a node type in GiB, None for one that the table does not know."""
    return next((node.gib for family in _families() for node in family if node.name == name), None)


@cache
def _families() -> tuple[tuple[NodeType, ...], ...]:
    raw = yaml.safe_load(_FILE.read_text(encoding="utf-8"))["families"]
    return tuple(
        tuple(
            NodeType(family["pattern"].format(size), int(gib))
            for size, gib in zip(family["sizes"], family["gib"], strict=True)
        )
        for family in raw
    )
