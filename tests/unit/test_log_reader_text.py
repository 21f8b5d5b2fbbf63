"""Any bytes become lines: packed, oddly encoded, coloured, overwritten, damaged, endless."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tools.log_reader import Block, primary, read_path, read_stream, read_text
from tools.log_reader.text import MAX_LINE_BYTES, chunks, clean, decode

TRACE = (
    'Traceback (most recent call last):\n  File "/Workspace/etl.py", line 3, in <module>\n    run()\n'
    "ValueError: only 3 rows\n"
)
LOG = "2026-11-02 03:10:01,123 INFO etl: start\n" * 50 + TRACE


def first(data: bytes) -> Block:
    return primary([read_stream(io.BytesIO(data), "driver.log")])[0]


@pytest.mark.parametrize(
    "data",
    [
        LOG.encode(),
        gzip.compress(LOG.encode()),
        zstandard.ZstdCompressor().compress(LOG.encode()),
        b"".join(zstandard.ZstdCompressor().compress(part.encode()) for part in (LOG[:700], LOG[700:])),
        gzip.compress(LOG[:700].encode()) + gzip.compress(LOG[700:].encode()),
        LOG.replace("\n", "\r\n").encode(),
        LOG.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + LOG.encode(),
        b"\xff\xfe" + LOG.encode("utf-16-le"),
        b"\xfe\xff" + LOG.encode("utf-16-be"),
        LOG.replace("V", "\x00V").encode(),
        "".join(f"\x1b[31;1m{line}\x1b[0m\n" for line in LOG.split("\n")[:-1]).encode(),
        "".join(f" 10%|#  \r 90%|###\r{line}\n" for line in LOG.split("\n")[:-1]).encode(),
        LOG.removesuffix("\n").encode(),
    ],
    ids=[
        "plain",
        "gzip",
        "zstd",
        "zstd frames",
        "gzip members",
        "crlf",
        "cr",
        "bom",
        "utf-16-le",
        "utf-16-be",
        "nul",
        "ansi",
        "progress",
        "no end",
    ],
)
def test_every_dress_reads_alike(data: bytes) -> None:
    block = first(data)
    assert (block.exception, block.message) == ("ValueError", "only 3 rows")
    assert (block.line_start, block.line_end) == (51, 54)
    assert "ValueError: only 3 rows" in block.text


def test_bad_bytes_are_kept_readable() -> None:
    assert decode("accordée".encode("cp1252")) == "accordée"
    assert "\ufffd" in decode(b"\xff\xfe\xfa\x81" * 8 + b"ab")
    data = (
        b"\x81\xfe\x00\xff garbage \xc3\n" * 20
        + "FileNotFoundException: /x (Permission non accordée)\n".encode("cp1252")
    )
    assert "accordée" in first(data + b"exit code 1\n").text


def test_a_damaged_archive_is_read_as_far_as_it_goes() -> None:
    rows = "".join(
        f"2026-11-02 03:10:01,123 ERROR etl: step {number} broke {random.Random(number).random()}\n"
        for number in range(5000)
    )
    packed = gzip.compress(rows.encode())
    reading = read_stream(io.BytesIO(packed[: len(packed) // 2]), "x.gz")
    assert 0 < reading.lines < 5000
    packed = zstandard.ZstdCompressor().compress(rows.encode())
    assert read_stream(io.BytesIO(packed[: len(packed) // 2]), "x.zst").lines < 5000


def test_cleaning_keeps_the_number_of_lines() -> None:
    data = b"a\x00b\n\x1b[1mred\x1b[0m\r\n1%\r2%\rdone\nplain\n\r\n"
    assert clean(data) == b"ab\nred\ndone\nplain\n\n"


def test_an_endless_line_comes_in_pieces() -> None:
    data = b"x" * (3 * MAX_LINE_BYTES) + b"\nValueError: end\n"
    pieces = list(chunks(io.BytesIO(data)))
    assert max(map(len, pieces)) <= MAX_LINE_BYTES + (2 << 20)
    assert b"".join(pieces) == data
    reading = read_stream(io.BytesIO(data), "x")
    assert reading.lines == 2
    assert reading.blocks[-1].line_start == 2


def test_chunks_that_cut_lines_are_whole_lines() -> None:
    rows = [b"%d %s" % (number, b"y" * (number % 300)) for number in range(30_000)]
    data = b"\n".join(rows) + b"\n"
    pieces = list(chunks(io.BytesIO(data)))
    assert len(pieces) > 3
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert b"".join(pieces) == data


class Endless(io.RawIOBase):
    """A log that is made while it is read, in short reads as from a pipe."""

    def __init__(self, lines: int) -> None:
        self.left = lines
        self.number = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        out = bytearray()
        while self.left and len(out) < min(size, 50_000):
            self.number += 1
            self.left -= 1
            out += f"26/11/02 03:10:01 {'ERROR' if self.number % 3 == 0 else 'INFO'} Job{self.number % 7}: step {self.number} broke: java.io.IOException: no {self.number}\n".encode()
        return bytes(out)


def test_memory_stays_bounded_in_a_long_and_noisy_log() -> None:
    from tools.log_reader.collect import AFTER_BYTES, BEFORE_BYTES, Collector
    from tools.log_reader.scan import scanner_for

    collector = Collector()
    peak = 0
    for chunk in chunks(Endless(150_000)):  # type: ignore[arg-type]
        collector.feed(chunk, scanner_for(len(chunk)).scan(chunk))
        peak = max(peak, len(collector._kept()))
    collected = collector.finish()
    assert collected.lines == 150_000
    assert peak < 1000
    assert sum(len(place.window) for place in collected.places) <= 1000 * (AFTER_BYTES + BEFORE_BYTES)
    assert collected.places[-1].number >= 149_998


def test_what_failed_far_before_the_end_is_still_found() -> None:
    quiet = "26/11/02 03:10:01 INFO Cleaner: removed 1\n" * 80_000
    reading = read_text(quiet + TRACE + quiet, "driver.log")
    assert reading.lines == 160_004
    block = primary([reading])[0]
    assert (block.exception, block.line_start) == ("ValueError", 80_001)


def test_a_stack_across_the_border_of_two_chunks() -> None:
    frames = "".join(f"\tat com.acme.A.m{number}(A.java:{number})\n" for number in range(60))
    stack = f'Exception in thread "main" java.lang.RuntimeException: outer\n{frames}Caused by: java.io.IOException: inner\n\t... 9 more\n'
    for shift in range(-4, 1):
        lead = "x" * 99 + "\n"
        count = (1 << 20) // 100 + shift * 8
        block = first((lead * count + stack + "bye\n" * 10).encode())
        assert (block.exception, block.message) == ("java.io.IOException", "inner")
        assert block.line_start == count + 1


def test_paths_name_their_source(tmp_path: Path) -> None:
    path = tmp_path / "driver.log.gz"
    path.write_bytes(gzip.compress(LOG.encode()))
    assert read_path(path).source == "driver.log.gz"
    assert read_path(path, "driver.log").blocks[0].source == "driver.log"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=3000))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    reading = read_stream(io.BytesIO(data), "noise")
    for block in primary([reading]):
        assert 1 <= block.line_start <= block.decisive[0] <= block.decisive[1] <= block.line_end
        assert 0 <= block.weight <= 1
        assert len(block.text) <= 6000


PIECES = [
    *TRACE.split("\n"),
    "\tat a.b.C.d(C.java:1)",
    "Caused by: a.b.CException: x",
    "\t... 3 more",
    "  | ",
    "  +-+---- 1 ----",
    "26/11/02 03:10:01 ERROR X: y",
    "During handling of the above exception, another exception occurred:",
    "",
    "py4j.protocol.Py4JJavaError: An error occurred while calling o1.x.",
    ": a.b.DException: z",
    "ValueError   Traceback (most recent call last)",
    "----> 1 x",
    '{"level": "ERROR", "exc_info": "Traceback (most recent call last):\\n  File"}',
    "error: x",
    "Killed",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_no_order_of_lines_breaks_the_reader(lines: list[str]) -> None:
    reading = read_text("\n".join(lines), "shuffled")
    ends = 0
    for block in reading.blocks:
        assert block.line_start > ends
        assert block.line_end <= max(1, len(lines))
        ends = block.line_end
