"""The lines that prove a diagnosis: few ranges, the decisive one first."""

from __future__ import annotations

from collections.abc import Sequence

from core.incident import Evidence
from tools.diagnosis.ranking import Candidate
from tools.diagnosis.unit import Unit
from tools.log_reader import Reading

#: A person reads at most so many ranges of so many characters.
RANGES = 5
CHARS = 1800
_TAIL_LINES = 12
_GAP = "    [...]"


def evidence_of(
    best: Candidate | None, others: Sequence[Candidate], readings: Sequence[Reading]
) -> list[Evidence]:
    """The ranges: the decisive lines, what stands around them, then what else speaks for or against it."""
    found: list[Evidence] = []
    if best is not None:
        unit = best.best.unit
        _add(found, _lines(unit))
        second = _another_source(best)
        if second is not None:
            _add(found, _lines(second))
        _add(found, _around(unit))
        for hit in best.hits[1:]:
            _add(found, _lines(hit.unit))
    for candidate in others:
        if len(found) >= RANGES:
            break
        _add(found, _lines(candidate.best.unit))
    if best is None:
        for block in sorted((b for r in readings for b in r.blocks), key=lambda b: -b.weight)[:3]:
            _add(
                found,
                Evidence(
                    source=block.source, line_start=block.line_start, line_end=block.line_end, text=block.text
                ),
            )
    if not found:
        for reading in readings:
            _add(found, _tail(reading))
    return found[:RANGES]


def _lines(unit: Unit) -> Evidence | None:
    if not unit.shown.strip():
        return None
    return Evidence(source=unit.source, line_start=unit.line_start, line_end=unit.line_end, text=unit.shown)


def _around(unit: Unit) -> Evidence | None:
    """The block that the decisive lines stand in: the code line and the wrappers."""
    block = unit.block
    if block is None or (block.line_start, block.line_end) == (unit.line_start, unit.line_end):
        return None
    files = {frame.rsplit(":", 1)[0] for cause in block.chain for frame in cause.user_frames}
    text = block.text if len(block.text) <= CHARS else _gist(block.text, files)
    return Evidence(source=block.source, line_start=block.line_start, line_end=block.line_end, text=text)


def _gist(text: str, files: set[str]) -> str:
    """Of a long stack the exceptions' own lines and the frames in the user's files, with the gaps marked."""
    kept: list[str] = []
    shown = -1
    for number, line in enumerate(text.split("\n")):
        if any(file and file in line for file in files):
            shown = number + 1
        if number <= shown or not line.startswith((" ", "\t")):
            kept.append(line)
        elif kept and kept[-1] != _GAP:
            kept.append(_GAP)
    return "\n".join(kept)


def _another_source(best: Candidate) -> Unit | None:
    """The strongest unit from another place that says the same and in other words."""
    first = best.best.unit
    said = " ".join(first.shown.split())
    for hit in best.hits[1:]:
        text = " ".join(hit.unit.shown.split())
        if (
            not hit.unit.recovered
            and text not in said
            and said not in text
            and hit.unit.block is not first.block
        ):
            return hit.unit
    return None


def _tail(reading: Reading) -> Evidence | None:
    lines = [line for line in reading.tail if line.text.strip()][-_TAIL_LINES:]
    if not lines:
        return None
    text = "\n".join(line.text for line in lines)
    return Evidence(source=reading.source, line_start=lines[0].number, line_end=lines[-1].number, text=text)


def _add(found: list[Evidence], new: Evidence | None) -> None:
    """Add a range unless it is there already, or says nothing that is not."""
    if new is None or len(found) >= RANGES:
        return
    text = cut(new.text)
    squashed = " ".join(text.split())
    if not squashed or any(squashed in " ".join(old.text.split()) for old in found):
        return
    found.append(new.model_copy(update={"text": text}))


def cut(text: str) -> str:
    """The text cut in its middle to what a person reads."""
    text = text.strip("\n")
    if len(text) <= CHARS:
        return text
    head = CHARS * 2 // 3
    return f"{text[:head]}\n[...]\n{text[-(CHARS - head - 7) :]}"
