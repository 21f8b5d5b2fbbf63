"""Reads one source in one pass with bounded memory, and ranks what several sources say."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from tools.log_reader.blocks import Block, Line, Reading
from tools.log_reader.collect import Collected, Collector
from tools.log_reader.exit_json import exit_json_block
from tools.log_reader.extract import block_of
from tools.log_reader.fingerprint import fingerprint
from tools.log_reader.headers import parse_header
from tools.log_reader.judge import weigh
from tools.log_reader.rank import primary
from tools.log_reader.scan import scanner_for
from tools.log_reader.tail import tail_blocks
from tools.log_reader.templates import Templates, template_id
from tools.log_reader.text import chunks, decode
from tools.log_reader.window import window_of

_EXCERPT_LINES = 60
_LINE_CHARS = 2000
#: With a block of at least this weight the words at a log's end are not needed.
_WEIGHTY = 0.35

__all__ = ["primary", "read_path", "read_stream", "read_text"]


def read_text(text: str, source: str, *, good: Templates | None = None, watch: bool = True) -> Reading:
    """Read a text that is already in memory. See `read_stream`."""
    return read_stream(io.BytesIO(text.encode("utf-8", "surrogatepass")), source, good=good, watch=watch)


def read_path(
    path: Path | str, source: str | None = None, *, good: Templates | None = None, watch: bool = True
) -> Reading:
    """Read a file; `source` defaults to its name. See `read_stream`. Raises OSError."""
    path = Path(path)
    with path.open("rb", buffering=0) as stream:
        return read_stream(stream, source or path.name, good=good, watch=watch)  # type: ignore[arg-type]


def read_stream(
    stream: BinaryIO, source: str, *, good: Templates | None = None, watch: bool = True
) -> Reading:
    """Read a log of any size and encoding from a binary stream, plain, gzip or zstd, in one pass.

    Args:
        stream: Opened for reading in binary mode; it need not be seekable. A damaged archive is read up to
            where it breaks.
        source: The name that lines and blocks are cited under.
        good: The templates of a good run's log; what also stood there weighs less.
        watch: Whether to look, in every line, for orders to whoever reads the log.

    Raises:
        OSError: The stream can't be read.
    """
    from tools.injection import Watch

    collector, watching = Collector(), Watch() if watch else None
    for chunk in chunks(stream):
        collector.feed(chunk, scanner_for(len(chunk)).scan(chunk))
        if watching is not None:
            watching.feed(chunk)
    reading = _reading(collector.finish(), source, good)
    reading.orders = bool(watching and watching.finish())
    return reading


def _reading(collected: Collected, source: str, good: Templates | None) -> Reading:
    reading = Reading(source, collected.lines, collected.bytes)
    whole = exit_json_block(collected.tail, source) if collected.tail_line == 1 else None
    if whole is not None:
        reading.blocks.append(whole)
    done = whole.line_end if whole else 0
    for place in collected.places:
        if place.number <= done:
            continue
        block = block_of(window_of(place, done), place.signals, source)
        if block is not None:
            reading.blocks.append(block)
            done = max(block.line_end, place.number)
    known = _known(good) if good is not None else None
    weigh(reading.blocks, collected.lines, known)
    _look_at_tail(reading, collected, good)
    for block in reading.blocks:
        block.fingerprint = fingerprint(block)
    reading.templates = _templates(reading.blocks)
    head, tail = collected.head.split(b"\n"), collected.tail.removesuffix(b"\n").split(b"\n")
    reading.head = _lines(head[: min(_EXCERPT_LINES, collected.lines)], 1)
    reading.tail = _lines(
        tail[-_EXCERPT_LINES:] if collected.lines else [],
        max(1, collected.lines - min(_EXCERPT_LINES, len(tail)) + 1),
    )
    ranked = primary([reading])
    reading.fingerprint = ranked[0].fingerprint if ranked else ""
    return reading


def _known(good: Templates) -> Callable[[Block], bool]:
    """Whether the good run's log holds a block's decisive line, or the line it begins with."""

    def known(block: Block) -> bool:
        first = block.text.split("\n", 1)[0]
        said = [cause.text.split("\n", 1)[0] for cause in block.chain if cause.line == block.decisive[0]]
        return all(good.knows(line[:_LINE_CHARS]) for line in (said[:1] or [first]))

    return known


def _look_at_tail(reading: Reading, collected: Collected, good: Templates | None) -> None:
    """Where nothing found weighs much, add what sounds like an error at the log's end."""
    if max((block.weight for block in reading.blocks), default=0.0) >= _WEIGHTY:
        return
    lines = [decode(line) for line in collected.tail.removesuffix(b"\n").split(b"\n")]
    known = good.knows if good is not None else None
    covered = {n for block in reading.blocks for n in range(block.line_start, block.line_end + 1)}
    more = [
        block
        for block in tail_blocks(lines, collected.tail_line, reading.source, known)
        if block.line_start not in covered
    ]
    reading.blocks = sorted([*reading.blocks, *more], key=lambda block: block.line_start)


def _templates(blocks: Sequence[Block]) -> dict[str, int]:
    """How many blocks begin with each template, by the template's text."""
    templates = Templates()
    counts: Counter[str] = Counter()
    for block in blocks:
        counts[" ".join(templates.signature(block.text.split("\n", 1)[0]))[:_LINE_CHARS]] += 1
    return dict(counts.most_common())


def _lines(raw: Sequence[bytes], first: int) -> list[Line]:
    templates = Templates()
    out: list[Line] = []
    for number, line in enumerate(raw, first):
        text = decode(line)[:_LINE_CHARS]
        header = parse_header(text)
        level, stamp = (header.level, header.timestamp) if header else (None, None)
        out.append(Line(number, text, level, stamp, template_id(templates.signature(text))))
    return out
