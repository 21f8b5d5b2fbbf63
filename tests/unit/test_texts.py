"""Passages and words of a kept text, read block by block, are those of the text split at once."""

from __future__ import annotations

import random

import pytest

from store import texts
from store.artifacts import Packed

SPREAD = random.Random(7)


def a_text() -> str:
    """Lines of all lengths, some longer than several blocks; sometimes without an end, sometimes with CRLF."""
    lines = [
        SPREAD.choice("aäß€🙂") * SPREAD.choice((0, 1, 7, 40, 90, 300)) for _ in range(SPREAD.randrange(30))
    ]
    return SPREAD.choice(("\n", "\r\n")).join(lines) + SPREAD.choice(("", "\n"))


def split(text: str) -> list[str]:
    every = text.split("\n")
    return [line.rstrip("\r") for line in (every[:-1] if every[-1] == "" else every)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every text has many."""
    monkeypatch.setattr(texts, "BLOCK_BYTES", 64)


def test_every_passage_is_that_of_the_text() -> None:
    for _ in range(300):
        text = a_text()
        lines, body = split(text), Packed(text).body
        first, count = SPREAD.randrange(1, 35), SPREAD.randrange(1, 35)
        read = texts._passage(texts._blocks(body), first, count)
        assert read.total == len(lines), repr(text)
        assert [(n.number, n.text) for n in read.lines] == [
            (n, lines[n - 1]) for n in range(first, min(first + count, len(lines) + 1))
        ], repr(text)


def test_a_word_is_found_in_every_line_that_has_it() -> None:
    for _ in range(300):
        text = "\n".join(
            SPREAD.choice(("needle", "NEEDLE and needle", "none", "", "a" * 50)) for _ in range(60)
        )
        found = texts._find(texts._blocks(Packed(text).body), b"Needle")
        wanted = [(n, line) for n, line in enumerate(text.split("\n"), 1) if "needle" in line.lower()]
        assert found.count == len(wanted)
        assert [(n.number, n.text) for n in found.lines] == wanted[: texts.MAX_HITS]


def test_a_line_that_never_ends_is_cut_and_says_by_how_much() -> None:
    read = texts._passage(texts._blocks(Packed("é" * 100_000 + "\nnext").body), 1, 5)
    first, second = read.lines
    assert len(first.text.encode()) + first.more == 200_000
    assert first.text == "é" * (texts.MAX_LINE_BYTES // 2)
    assert (second.number, second.text, second.more) == (2, "next", 0)


def test_hits_of_a_word_in_one_endless_line_count_once() -> None:
    found = texts._find(texts._blocks(Packed("needle " * 1000).body), b"needle")
    assert (found.count, len(found.lines)) == (1, 1)


def test_a_large_text_is_not_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    blocks = list(map(len, texts._blocks(Packed(("x" * 99 + "\n") * 100_000).body)))
    assert max(blocks) <= 2 * texts.BLOCK_BYTES
    assert sum(blocks) == 10_000_000
