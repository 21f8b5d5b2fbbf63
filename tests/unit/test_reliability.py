"""The estimate of whether a rerun will hold: its numbers, its honesty about small samples, its words."""

from __future__ import annotations

import numpy as np
import pytest

from core.run import PastRun
from tools.reliability import PRIOR_MEAN, Reliability

RELIABILITY = Reliability()


def runs(state: str | None, count: int, *, repaired: bool = False) -> list[PastRun]:
    return [PastRun(run_id=n, result_state=state, repaired=repaired) for n in range(count)]


@pytest.mark.parametrize("transient", [True, False])
def test_nothing_known_gives_the_prior_and_says_so(transient: bool) -> None:
    found = RELIABILITY.predict(transient, [], (0, 0), 1)
    assert found.probability == PRIOR_MEAN[transient]
    assert found.high - found.low > 0.6, "two pseudo-trials must leave a wide interval"
    assert (found.successes, found.trials) == (0, 0)
    assert "No outcomes are known" in found.basis


def test_the_posterior_by_hand() -> None:
    history = [*runs("SUCCESS", 10), *runs("FAILED", 5), *runs("SUCCESS", 2, repaired=True)]
    found = RELIABILITY.predict(True, history, (3, 4), 2)
    a = 2 * 0.65 + 3 + 2 + 0.2 * 10
    b = 2 * 0.35 + 1 + 0 + 0.2 * 5 + 1
    assert found.probability == pytest.approx(a / (a + b), abs=1e-4)
    assert (found.successes, found.trials) == (5, 7)
    assert found.low < found.probability < found.high


def test_a_good_past_does_not_speak_for_rerunning_what_is_broken() -> None:
    fresh = RELIABILITY.predict(False, [], (0, 0), 1)
    proud = RELIABILITY.predict(False, runs("SUCCESS", 25), (0, 0), 1)
    assert proud.probability == fresh.probability


def test_more_evidence_narrows_the_interval_and_the_class_never_drowns_the_job() -> None:
    few = RELIABILITY.predict(True, [], (3, 4), 1)
    many = RELIABILITY.predict(True, [], (15, 20), 1)
    thousands = RELIABILITY.predict(True, [], (7500, 10_000), 1)
    assert many.high - many.low < few.high - few.low
    assert (thousands.low, thousands.high) == (many.low, many.high)
    failing = RELIABILITY.predict(True, runs("FAILED", 5, repaired=True), (7500, 10_000), 1)
    assert failing.probability < thousands.probability - 0.1


def test_each_failed_attempt_lowers_it() -> None:
    chances = [RELIABILITY.predict(True, [], (5, 6), attempt).probability for attempt in (1, 2, 3)]
    assert chances == sorted(chances, reverse=True)
    assert len(set(chances)) == 3


def test_cancelled_and_unknown_runs_say_nothing() -> None:
    silent = [*runs("CANCELED", 9), *runs(None, 9), *runs("EXCLUDED", 3, repaired=True)]
    assert RELIABILITY.predict(True, silent, (0, 0), 1) == RELIABILITY.predict(True, [], (0, 0), 1)


def test_more_successes_than_trials_are_not_believed() -> None:
    assert RELIABILITY.predict(True, [], (9, 4), 1).successes == 4


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Jobs whose true chance is drawn around the prior: nine in ten intervals hold it, give or take."""
    rng = np.random.default_rng(11)
    truths = rng.beta(2 * 0.65, 2 * 0.35, size=800)
    inside = 0
    for truth in truths:
        held = int(rng.binomial(6, truth))
        found = RELIABILITY.predict(True, [], (held, 6), 1)
        inside += found.low <= truth <= found.high
    assert 0.86 <= inside / len(truths) <= 0.94


def test_the_basis_names_what_it_rests_on() -> None:
    history = [*runs("SUCCESS", 2, repaired=True), *runs("TIMEDOUT", 1, repaired=True), *runs("SUCCESS", 4)]
    assert RELIABILITY.predict(True, history, (9, 12), 2).basis == (
        "This action held in 9 of 12 verified incidents of this class; 2 of 3 earlier repairs of this job held; "
        "the job's other recent runs succeeded in 4 of 4; 1 earlier attempt at this incident failed. "
        "This class usually passes by itself."
    )
