"""How much a past incident counts, and what of it is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from knowledge.incident_memory import IncidentMemory
from knowledge.relevance import AGE_FLOOR, HALF_LIFE_DAYS, relevance, standing

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def days_ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def test_what_was_verified_counts_more_than_somebodys_word_and_that_more_than_a_rejection() -> None:
    today = days_ago(0)
    proved = standing("resolved", True, today, NOW)
    said = standing("resolved", False, today, NOW)
    refused = standing("rejected", False, today, NOW)
    assert proved == 1.0
    assert proved > said > refused > 0


def test_an_incident_fades_with_its_age_and_never_below_the_floor() -> None:
    weights = [standing("resolved", True, days_ago(days), NOW) for days in (0, 30, HALF_LIFE_DAYS, 3650)]
    assert weights == sorted(weights, reverse=True)
    assert weights[2] == pytest.approx(AGE_FLOOR + (1 - AGE_FLOOR) / 2)
    assert weights[3] == pytest.approx(AGE_FLOOR, abs=1e-3)


@pytest.mark.parametrize("finished_at", [None, "", "last Tuesday"])
def test_an_unknown_age_counts_as_a_half_life(finished_at: str | None) -> None:
    known = standing("resolved", True, days_ago(HALF_LIFE_DAYS), NOW)
    assert standing("resolved", True, finished_at, NOW) == pytest.approx(known)


def test_times_without_a_zone_and_in_the_future_are_taken_as_they_can() -> None:
    assert standing("resolved", True, "2026-05-31T00:00:00", NOW) == standing(
        "resolved", True, days_ago(1), NOW
    )
    assert standing("resolved", True, days_ago(-30), NOW) == 1.0


def test_every_key_that_matches_raises_the_relevance_and_none_passes_one() -> None:
    keys = {"fingerprint": "f", "failure_class": "c", "job": "j"}
    steps: list[dict[str, str]] = [{}, {"job": "j"}, {"job": "j", "failure_class": "c"}, keys]
    scores = [relevance(0.4, keys, facts) for facts in steps]
    assert scores[0] == pytest.approx(0.4)
    assert scores == sorted(set(scores))
    assert scores[-1] < 1.0
    assert relevance(1.2, keys, {}) == 1.0
    assert relevance(-0.3, keys, {}) == 0.0


def test_a_key_that_differs_or_is_empty_changes_nothing() -> None:
    assert relevance(0.4, {"job": "j"}, {"job": "other"}) == pytest.approx(0.4)
    assert relevance(0.4, {"job": ""}, {"job": ""}) == pytest.approx(0.4)


def test_the_text_is_bounded_and_says_how_it_ended() -> None:
    memory = IncidentMemory(
        id="i",
        title="t" * 400,
        root_cause="c" * 5_000,
        evidence="e" * 50_000,
        failure_class="driver_oom",
        action="RETRY",
        outcome="resolved",
        note="n" * 5_000,
    )
    text = memory.text()
    assert len(text) < 2_500
    assert "Class driver_oom." in text
    assert "Ended as resolved after RETRY." in text
    assert IncidentMemory(id="i", title="only a title").text() == "only a title"


def test_what_is_embedded_is_what_failed_and_why_not_which_job_or_how_it_ended() -> None:
    memory = IncidentMemory(
        id="i",
        title="nightly-sales: driver_oom",
        root_cause="Too much was collected.",
        evidence="Java heap space",
        failure_class="driver_oom",
        job="nightly-sales",
        action="RETRY",
        outcome="resolved",
    )
    assert memory.meaning() == "driver oom\nToo much was collected.\nJava heap space"
    imported = IncidentMemory(id="i", title="Load failed", failure_class="disk_full", note="More disk.")
    assert imported.meaning() == "Load failed\ndisk full\nMore disk."
