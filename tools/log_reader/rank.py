"""Ranks the blocks of several sources: the failure that they are all about, then what else may matter."""

from __future__ import annotations

from collections.abc import Sequence

from tools.log_reader.blocks import Block, Reading


def primary(readings: Sequence[Reading]) -> list[Block]:
    """The blocks of several sources of one failed task, the likeliest primary failure first."""
    blocks = [block for reading in readings for block in reading.blocks]
    return sorted(blocks, key=lambda block: block.weight, reverse=True)
