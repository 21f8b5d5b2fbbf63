"""What an edited proposal says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from core.actions import Action, Proposal, check_params
from core.edits import edited

MEMORY = "job_clusters[main].new_cluster.spark_conf[spark.executor.memory]"


def proposal(action: Action = Action.RETRY_WITH_NEW_PARAMS, **params: Any) -> Proposal:
    checked = check_params(action, params).model_dump(mode="json")
    return Proposal(
        action=action, params=checked, reason="memory from 2g to 4g", confidence=0.9, risks=["dear"]
    )


FIRST = proposal(
    task_keys=["load"],
    job_parameters={"day": "1"},
    settings=[{"path": MEMORY, "current": "2g", "proposed": "4g"}],
)


def after(first: Proposal = FIRST, **changes: Any) -> Proposal:
    return edited(first, check_params(first.action, {**first.params, **changes}), "ben@example.com")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"settings": [{"path": MEMORY, "current": "2g", "proposed": "3g"}]}, f"{MEMORY} is 3g, not 4g"),
        ({"settings": []}, f"without {MEMORY} (4g)"),
        (
            {"job_parameters": {"day": "2", "full": "yes"}},
            "job_parameters.day is 2, not 1; job_parameters.full is yes",
        ),
        ({"task_keys": ["load", "clean"]}, "task_keys is load, clean, not load"),
        ({"task_keys": []}, "without task_keys (load)"),
        ({"task_keys": ["x" * 100] * 20}, f"task_keys is {'x' * 100}, {'x' * 15}..., not load"),
    ],
)
def test_the_reason_says_what_was_changed_and_no_more_what_was_proposed_first(
    changes: Any, said: str
) -> None:
    new = after(**changes)
    assert new.reason == f"Edited by ben@example.com: {said}."
    assert (new.origin, new.confidence, new.risks) == ("person", 0.9, ["dear"])
    assert new.checked() == check_params(FIRST.action, {**FIRST.params, **changes})


def test_a_switch_that_is_off_is_a_value() -> None:
    stop = proposal(Action.TERMINATE, cancel_run=True, pause_schedule=False)
    new = after(stop, cancel_run=False, pause_schedule=True)
    assert new.reason.endswith(": cancel_run is False, not True; pause_schedule is True, not False.")


def test_many_changes_are_counted_and_none_leaves_the_reason() -> None:
    new = after(job_parameters={f"p{n}": "x" * 1000 for n in range(90)})
    assert "; and 71 more." in new.reason and len(new.reason) < 4000
    assert after().reason == FIRST.reason
