"""`pitstop bench retrieval` in the small: the data are the same each time, and the search keeps up with brute force."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.errors import InvalidInput
from evals.retrieval_data import asked_otherwise, fingerprint, incidents, load_failures, questions
from knowledge.catalogue import load_catalogue

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_data_are_varied_and_always_the_same_and_speak_of_known_classes() -> None:
    failures, catalogue = load_failures(), load_catalogue()
    assert {failure.failure_class for failure in failures} <= set(catalogue.classes)
    rows = list(incidents(failures, 2_000, NOW))
    assert rows == list(incidents(failures, 2_000, NOW))
    assert rows[:50] == list(incidents(failures, 50, NOW))
    assert len({row.text() for row in rows}) > 1_900
    assert len({row.fingerprint for row in rows}) > 1_500
    titles = {name: found.title for name, found in catalogue.classes.items()}
    asks = questions(failures, titles, 100)
    assert all("{" not in ask.text for ask in [*asks, *asked_otherwise(failures)])
    shapes = {fingerprint(asks[0].failure, shape, asks[0].keys["job"]) for shape in range(2)}
    assert asks[0].keys["fingerprint"] in shapes


def test_the_search_finds_what_brute_force_finds() -> None:
    words = ("bench", "retrieval", "--sizes", "500,700", "--real", "500", "--questions", "20", "--json")
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert [row["incidents"] for row in report["sizes"]] == [500, 700]
    for row in report["sizes"]:
        assert min(row["hybrid_recall"], row["hnsw_recall"]) >= 0.95
    found = {row["search"]: row for row in report["quality"]}
    assert found["hybrid, class known"]["runbook_hit"] >= 0.95
    assert found["hybrid, no key"]["runbook_hit"] >= 0.7


def test_sizes_that_are_none_are_refused() -> None:
    for sizes in ("many", "10"):
        with pytest.raises(InvalidInput, match="--sizes"):
            CliRunner().invoke(app, ["bench", "retrieval", "--sizes", sizes], catch_exceptions=False)
