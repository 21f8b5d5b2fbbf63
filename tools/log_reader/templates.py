"""Log templates: lines with their variables masked."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Templates:
    """The templates of one log."""

    counts: dict[str, int] = field(default_factory=dict)
