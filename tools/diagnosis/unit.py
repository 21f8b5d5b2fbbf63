"""What a rule is held against: one thing that was said, with where it stands and what lies around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from tools.log_reader import Block


class TaskText:
    """Everything that was read of one task, as one text."""

    def __init__(self, parts: Iterable[str]) -> None:
        self._parts = list(parts)

    @cached_property
    def text(self) -> str:
        return "\n".join(dict.fromkeys(self._parts))

    @cached_property
    def lowered(self) -> str:
        return self.text.lower()


@dataclass(frozen=True)
class Unit:
    """One thing that a rule can be held against. `weight` (0..1) is how likely it is the primary failure."""

    text: str
    weight: float
    exception: str = ""
    message: str = ""
    condition: str = ""
    sqlstate: str = ""
    codes: frozenset[str] = frozenset()
    termination: str = ""
    exit_code: str = ""
    kind: str = ""
    block: Block | None = None
    #: Where the unit's own lines are.
    source: str = ""
    line_start: int = 1
    line_end: int = 1
    shown: str = ""
    task_key: str = ""
    decisive: bool = True
    task: TaskText = field(default_factory=lambda: TaskText(()), compare=False, repr=False)

    @cached_property
    def lowered(self) -> str:
        return self.text.lower()

    @cached_property
    def frame(self) -> str:
        """The whole block around the unit: its stack and its code lines."""
        return self.block.text if self.block else self.text

    @cached_property
    def frame_lowered(self) -> str:
        return self.frame.lower()

    @property
    def recovered(self) -> bool:
        return bool(self.block and self.block.recovered)
