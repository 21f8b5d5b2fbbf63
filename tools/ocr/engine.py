"""Reads the text on a picture with rapidocr: one engine in a process, loaded when the first picture comes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tools.ocr.layout import Piece, lines_of

if TYPE_CHECKING:
    from PIL.Image import Image

#: A tall picture is read in strips, or its letters would be scaled down until nothing can be made out.
_STRIP = 1400
#: Where a strip may end: at the emptiest row of this many.
_MARGIN = 300
_MAX_STRIPS = 12
_LONGEST_SIDE = 2600
#: So many times as wide as it is high a strip may be.
_WIDEST = 6
#: Pieces that the engine is less sure of than this are left out.
_SURE = 0.5

_lock = threading.Lock()
_engine: Any = None


def read_lines(picture: Image) -> tuple[list[str], bool]:
    """The lines on a picture (RGB), and whether its top was left out because it is too tall. Blocks for seconds.

    One picture at a time, in whichever thread it is called; the model's own memory is about 300 MB.
    """
    strips = strips_of(picture)
    lines: list[str] = []
    with _lock:
        for strip in strips[-_MAX_STRIPS:]:
            lines += lines_of(_pieces(strip))
    return lines, len(strips) > _MAX_STRIPS


def _pieces(strip: Any) -> list[Piece]:
    """What the engine finds on an array of BGR pixels."""
    found = _loaded()(strip, use_cls=False)
    if found.boxes is None or found.txts is None:
        return []
    pieces = []
    for box, text in zip(found.boxes, found.txts, strict=True):
        xs, ys = [float(x) for x, _ in box], [float(y) for _, y in box]
        pieces.append(Piece(text, min(xs), min(ys), max(xs), max(ys)))
    return pieces


def _loaded() -> Any:
    """The engine; its models come with the package, nothing is downloaded."""
    global _engine
    if _engine is None:
        from rapidocr import RapidOCR

        params = {
            "Global.log_level": "critical",
            "Global.text_score": _SURE,
            "Global.max_side_len": _LONGEST_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 2,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
        _engine = RapidOCR(params=params)
    return _engine


def strips_of(picture: Image) -> list[Any]:
    """The picture as BGR arrays, cut between lines of text."""
    import numpy

    pixels = numpy.asarray(picture)[:, :, ::-1]
    # The engine takes a picture that is very wide for a single line; room below makes it look for lines.
    short = pixels.shape[1] // _WIDEST - pixels.shape[0]
    if short > 0:
        pixels = numpy.pad(pixels, ((0, short), (0, 0), (0, 0)), mode="edge")
    strips, top = [], 0
    while pixels.shape[0] - top > _STRIP + _MARGIN:
        window = pixels[top + _STRIP - _MARGIN : top + _STRIP].astype("float32").mean(axis=2)
        ink = window.std(axis=1)
        cut = top + _STRIP - _MARGIN + int((ink[1:] + ink[:-1]).argmin()) + 1
        strips.append(numpy.ascontiguousarray(pixels[top:cut]))
        top = cut
    return [*strips, numpy.ascontiguousarray(pixels[top:])]
