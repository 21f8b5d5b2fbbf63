"""Puts the words that were found on a picture back into lines, indented as they stood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

#: Pieces whose middles are nearer than this, in heights of a line, stand on one line.
_SAME_LINE = 0.5
_MAX_INDENT = 60


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of text and the box around it, in pixels from the upper left corner."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return max(1.0, self.bottom - self.top)


def lines_of(pieces: Sequence[Piece]) -> list[str]:
    """The lines from top to bottom; gaps within and before a line are as many spaces as fit into them."""
    pieces = [p for p in pieces if p.text.strip()]
    if not pieces:
        return []
    width = _character_width(pieces)
    margin = min(piece.left for piece in pieces)
    return [_line(row, margin, width) for row in _rows(pieces)]


def _character_width(pieces: Sequence[Piece]) -> float:
    """How wide a character is: the median over all pieces, weighted by their lengths."""
    widths: list[float] = []
    for piece in pieces:
        length = len(piece.text)
        widths += [max(1.0, (piece.right - piece.left) / length)] * min(length, 80)
    return median(widths)


def _rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda p: p.middle):
        last = rows[-1] if rows else None
        if last and abs(median(p.middle for p in last) - piece.middle) < _SAME_LINE * min(
            piece.height, median(p.height for p in last)
        ):
            last.append(piece)
        else:
            rows.append([piece])
    return rows


def _line(row: list[Piece], margin: float, width: float) -> str:
    text, at = "", margin
    for piece in sorted(row, key=lambda p: p.left):
        gap = min(_MAX_INDENT, round((piece.left - at) / width))
        # One space before a line is an underscore that was not seen, or nothing.
        text += " " * (max(1, gap) if text else gap if gap > 1 else 0) + piece.text.strip()
        at = piece.right
    return text
