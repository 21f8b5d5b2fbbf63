"""Ranks the blocks of several sources: the failure that they are all about first, then what else may matter."""

from __future__ import annotations

from collections.abc import Sequence

from tools.log_reader.blocks import Block, Reading
from tools.log_reader.judge import is_symptom, same_failure

#: What two sources tell alike is likelier to be what failed.
_CORROBORATED = 0.1
#: A block from which nothing new is learnt after the one that stands for it.
_REPEATED = 0.5
_EXPLAINS = 0.2


def primary(readings: Sequence[Reading]) -> list[Block]:
    """The blocks of several sources of one failed task, the likeliest primary failure first.

    Blocks about the same exception stand behind the one among them that says most; a symptom stands behind
    what explains it. `weight` keeps what it is within its own source.
    """
    blocks = [block for reading in readings for block in reading.blocks]
    groups = _groups(sorted(blocks, key=lambda block: -block.weight))
    scored: list[tuple[float, Block]] = []
    for group in groups:
        best = max(group, key=_richness)
        score = max(block.weight for block in group)
        if len({block.source for block in group}) > 1:
            score = min(1.2, score + _CORROBORATED)
        scored.append((score, best))
        scored += [(score * _REPEATED, block) for block in group if block is not best]
    scored.sort(key=lambda pair: -pair[0])
    return _explanations_first([block for _, block in scored], {id(b): s for s, b in scored})


def _groups(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks about the same failure together; the heaviest of each group first."""
    groups: list[list[Block]] = []
    for block in blocks:
        for group in groups:
            if same_failure(group[0], block) or same_failure(block, group[0]):
                group.append(block)
                break
        else:
            groups.append([block])
    return groups


def _richness(block: Block) -> tuple[bool, bool, int, float]:
    return (
        not is_symptom(block),
        not block.recovered and block.weight >= 0.25,
        len(block.chain),
        block.weight,
    )


def _explanations_first(ranked: list[Block], score: dict[int, float]) -> list[Block]:
    if not ranked or not is_symptom(ranked[0]):
        return ranked
    for block in ranked[1:]:
        if not is_symptom(block) and not block.recovered and score[id(block)] >= _EXPLAINS:
            return [block, *(other for other in ranked if other is not block)]
    return ranked
