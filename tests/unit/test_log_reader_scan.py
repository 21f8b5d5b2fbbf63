"""The two scanners give one answer, and the signals keep their promises."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from tests.unit.test_log_reader_kinds import JAVA, PYTHON, TOOLS
from tools.log_reader.scan import FastScanner, SlowScanner
from tools.log_reader.signals import SIGNALS, Signal, load_signals

LOGS = [case.log.encode() for case in (*PYTHON, *JAVA, *TOOLS)]


@pytest.fixture(scope="module")
def scanners() -> tuple[FastScanner, SlowScanner]:
    return FastScanner(), SlowScanner()


def test_one_answer_on_logs(scanners: tuple[FastScanner, SlowScanner]) -> None:
    fast, slow = scanners
    for data in [*LOGS, b"".join(LOGS), b"\n".join(LOGS * 20), b"", b"\n", b"ERROR", b"\n\nERROR\n"]:
        assert fast.scan(data) == slow.scan(data)


def test_one_answer_on_noise(scanners: tuple[FastScanner, SlowScanner]) -> None:
    fast, slow = scanners
    noise = random.Random(11)
    words = [needle for signal in SIGNALS for needle in signal.needles]
    glue = [b" ", b"\n", b": ", b"1", b"]", b"\t", b"=", b"\xff", b"error", b"\r", b"x", b" 137", b'"', b"{"]
    for _ in range(300):
        data = b"".join(noise.choice(words if noise.random() < 0.4 else glue) for _ in range(80))
        assert fast.scan(data) == slow.scan(data), data


def test_every_signal_is_found_somewhere_or_can_be(scanners: tuple[FastScanner, SlowScanner]) -> None:
    fast, _ = scanners
    found = {signal for data in LOGS for signal in fast.scan(data).signal}
    assert len(found) > len(SIGNALS) * 0.6


def test_lines_and_starts_belong_together(scanners: tuple[FastScanner, SlowScanner]) -> None:
    for scanner in scanners:
        data = b"".join(LOGS)
        hits = scanner.scan(data)
        assert hits.newlines == data.count(b"\n")
        for line, start in zip(hits.lines(hits.start), hits.start, strict=True):
            assert data.count(b"\n", 0, start) == line
            assert start == 0 or data[start - 1 : start] == b"\n"


def test_patterns_are_plain_enough_for_grep() -> None:
    for signal in SIGNALS:
        assert not re.search(rb"\(\?|\*\?|\+\?|\}\?|[^\[\"]\{\d", signal.pattern), signal.name
    assert len({signal.name for signal in SIGNALS}) == len(SIGNALS)


def test_a_wrong_signal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "signals.yaml"
    path.write_text("- {name: broken, kind: message, weight: 0.5, find: '(', needles: ['x']}\n")
    with pytest.raises(ConfigurationError, match="broken"):
        load_signals(path)
    path.write_text("- {name: strange, kind: nonsense, weight: 0.5, find: 'x', needles: ['x']}\n")
    with pytest.raises(ConfigurationError, match="strange"):
        load_signals(path)


def test_a_dense_chunk_still_gives_all_lines(scanners: tuple[FastScanner, SlowScanner]) -> None:
    data = b"26/11/02 03:10:01 ERROR a: ValueError: x\n" * 20_000
    for scanner in scanners:
        assert len(set(scanner.scan(data).start)) == 20_000


def test_caseless_needles_are_lower_case() -> None:
    wrong: list[Signal] = [s for s in SIGNALS if s.caseless and any(n != n.lower() for n in s.needles)]
    assert wrong == []
