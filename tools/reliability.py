"""Will it hold this time? A small-sample estimate that says how little it knows."""

from __future__ import annotations

from collections.abc import Sequence

from core.incident import Prediction
from core.run import PastRun

#: The prior is worth this many trials, so that a handful of outcomes outweighs it.
PRIOR_TRIALS = 2.0
#: Its mean, by whether the failure class passes by itself.
PRIOR_MEAN = {True: 0.65, False: 0.15}
#: Outcomes of the class come from many jobs, so they never weigh more than this many of this job's own.
CLASS_TRIALS = 20.0
#: An ordinary run says less about a rerun than a rerun does.
RUN_WEIGHT = 0.2
#: The interval: from the 5% to the 95% quantile.
TAIL = 0.05

_FAILED = frozenset({"FAILED", "TIMEDOUT", "SUCCESS_WITH_FAILURES", "UPSTREAM_FAILED"})


class Reliability:
    """Estimates whether the proposed action will end in a good run.

    The chance is a Beta posterior (conjugate to yes/no outcomes: Gelman et al., Bayesian Data Analysis, 3rd ed.,
    2.4) with a weakly informative prior and with borrowed evidence discounted as a power prior (Ibrahim and Chen,
    Statistical Science 15, 2000):

        a = 2 m       + w s       + R  + 0.2 G t
        b = 2 (1 - m) + w (n - s) + R' + 0.2 B + (attempt - 1)

    where m is the prior mean by transience (0.65 or 0.15), s of n verified outcomes of this action on this class
    with w = min(1, 20 / n), R and R' this job's repairs that held and failed, G and B its other good and failed
    runs, t 1 for a transient class and else 0 (good days before a defect say nothing of a rerun after it), and each
    earlier attempt at this incident is a failure. Probability is a / (a + b); the interval holds
    the central 90% of the posterior.
    """

    def predict(
        self, proposal_transient: bool, history: Sequence[PastRun], stats: tuple[int, int], attempt: int
    ) -> Prediction:
        """The estimate, from the job's earlier runs (without the failed one) and this class's outcomes.

        Args:
            proposal_transient: Whether the failure class passes by itself.
            history: Earlier completed runs; cancelled and skipped ones say nothing and are left out.
            stats: (successes, trials) of this action on this class, verified ones only.
            attempt: Which attempt this would be, from 1.
        """
        from scipy.special import betaincinv

        held, trials = stats
        held, trials = max(0, min(held, trials)), max(0, trials)
        weight = min(1.0, CLASS_TRIALS / trials) if trials else 0.0
        repaired_good, repaired_bad = _outcomes(history, repaired=True)
        plain_good, plain_bad = _outcomes(history, repaired=False)
        tried = max(0, attempt - 1)
        mean = PRIOR_MEAN[proposal_transient]
        a = PRIOR_TRIALS * mean + weight * held + repaired_good + RUN_WEIGHT * plain_good * proposal_transient
        b = (
            PRIOR_TRIALS * (1 - mean)
            + weight * (trials - held)
            + repaired_bad
            + RUN_WEIGHT * plain_bad
            + tried
        )
        low, high = float(betaincinv(a, b, TAIL)), float(betaincinv(a, b, 1 - TAIL))
        return Prediction(
            probability=round(a / (a + b), 4),
            low=round(low, 4),
            high=round(high, 4),
            successes=held + repaired_good,
            trials=trials + repaired_good + repaired_bad + tried,
            basis=_basis(
                proposal_transient,
                (held, trials),
                (repaired_good, repaired_good + repaired_bad),
                (plain_good, plain_good + plain_bad),
                tried,
            ),
        )


def _outcomes(history: Sequence[PastRun], *, repaired: bool) -> tuple[int, int]:
    """(good, failed) among the runs that were, or were not, repaired."""
    states = [run.result_state for run in history if run.repaired is repaired]
    return states.count("SUCCESS"), sum(state in _FAILED for state in states)


def _basis(
    transient: bool, of_class: tuple[int, int], repairs: tuple[int, int], runs: tuple[int, int], tried: int
) -> str:
    """The evidence in words, for the reviewer."""
    parts = []
    if of_class[1]:
        parts.append(f"this action held in {of_class[0]} of {of_class[1]} verified incidents of this class")
    if repairs[1]:
        parts.append(f"{repairs[0]} of {repairs[1]} earlier repairs of this job held")
    if runs[1]:
        parts.append(f"the job's other recent runs succeeded in {runs[0]} of {runs[1]}")
    if tried:
        parts.append(f"{tried} earlier {'attempt' if tried == 1 else 'attempts'} at this incident failed")
    kind = "usually passes by itself" if transient else "does not pass by itself"
    if not parts:
        return f"No outcomes are known yet; the estimate only says that this class {kind}."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. This class {kind}."
