"""`pitstop triad` on what people and programs really hand it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import triad as command
from cli.main import app

GOOD = {
    "question": "Who won the cup?",
    "contexts": ["Rovers won the cup in Norwick on Sunday."],
    "answer": "Rovers won the cup.",
}
HOSTILE: list[tuple[bytes, str]] = [
    (b"not json", "is not JSON"),
    (b'{"question": "q", "contexts": ["c"]}', "has no answer"),
    (b'{"question": "q", "answer": "a"}', "has no contexts"),
    (b'{"contexts": [1], "answer": "a"}', "contexts is not a list of texts"),
    (b'{"contexts": {"a": 1}, "answer": "a"}', "contexts is not a list of texts"),
    (b'{"contexts": ["c"], "answer": ["a"]}', "answer is not a text"),
    (b'{"question": 5, "contexts": ["c"], "answer": "a"}', "question is not a text"),
    (b"[1, 2]", "is not an object"),
    (b'{"answer": "\xff\xfe"}', "is not UTF-8"),
    (b"[" * 200_000, "nested too deeply"),
    (b"1" * 10_000, "is not JSON"),
]


def run(path: Path, *options: str) -> tuple[int, list[dict], str]:
    result = CliRunner().invoke(app, ["triad", str(path), "--jsonl", "--lexical", *options])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def test_bad_lines_are_named_and_the_others_are_answered(tmp_path: Path) -> None:
    good = json.dumps(GOOD).encode()
    code, rows, errors = run(write(tmp_path / "r.jsonl", good, b"", *(line for line, _ in HOSTILE), good))
    assert code == 1
    assert len(rows) == len(HOSTILE) + 2
    assert rows[0] == rows[-1] and rows[0]["faithfulness"] > 0.5
    for number, (row, (_, why)) in enumerate(zip(rows[1:-1], HOSTILE, strict=True), start=3):
        assert row["line"] == number
        assert row["error"].startswith(f"line {number}") and why in row["error"]
    assert "2 records scored" in errors and f"{len(HOSTILE)} could not be read" in errors


def test_a_line_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MAX_LINE", 1_000)
    good = json.dumps(GOOD).encode()
    code, rows, _ = run(write(tmp_path / "r.jsonl", b"x" * 5_000, good))
    assert code == 1
    assert "longer than" in rows[0]["error"]
    assert rows[1]["faithfulness"] > 0.5


@pytest.mark.parametrize(
    "odd",
    [
        {"contexts": [], "answer": "Rovers won."},
        {"contexts": ["", "  "], "answer": "Rovers won."},
        {"contexts": "Rovers won the cup.", "answer": "Rovers won."},
        {"contexts": ["c"], "answer": ""},
        {"contexts": ["\ud800 lone"], "answer": "half \udfff a character"},
        {"contexts": ["x " * 400_000], "answer": "y. " * 100_000},
        {"contexts": ["Die Brücke wurde 1874 gebaut."], "answer": "Die Brücke ist von 1874."},
        {"contexts": ["def f(x):\n    return x + 1\n"], "answer": "`f` returns x + 1."},
        {"contexts": ["١٢٣ 東京 🙂\x00"], "answer": "🙂"},
    ],
)
def test_odd_records_get_scores_within_bounds(tmp_path: Path, odd: dict) -> None:
    code, rows, _ = run(write(tmp_path / "r.jsonl", json.dumps(odd).encode()))
    assert code == 0
    assert set(rows[0]) == {"faithfulness", "answer_relevance", "context_precision"}
    assert all(0.0 <= value <= 1.0 for value in rows[0].values())
    if not any(c.strip() for c in odd["contexts"]):
        assert rows[0]["faithfulness"] == 0.0


def test_a_file_that_starts_with_a_byte_order_mark(tmp_path: Path) -> None:
    code, rows, _ = run(write(tmp_path / "r.jsonl", b"\xef\xbb\xbf" + json.dumps(GOOD).encode()))
    assert code == 0 and rows[0]["faithfulness"] > 0.5


def test_the_curve_shows_fit_and_held_back() -> None:
    result = CliRunner().invoke(app, ["triad", "--curve"])
    assert result.exit_code == 0
    assert "text/pieces" in result.stdout and "failure/dense" in result.stdout
    assert "0.7-0.8" in result.stdout


def test_no_file_is_a_mistake() -> None:
    result = CliRunner().invoke(app, ["triad"])
    assert result.exit_code != 0
