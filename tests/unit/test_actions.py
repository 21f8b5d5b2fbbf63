"""Proposals, their parameters, and the hash a reviewer approves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.actions import (
    CHANGES_THE_WORLD,
    PARAMS,
    TELLS_PEOPLE,
    Action,
    Proposal,
    RetryParams,
    check_params,
    payload_sha256,
)
from core.errors import InvalidInput


def test_every_action_has_parameters_and_a_kind():
    assert set(PARAMS) == set(Action)
    assert not CHANGES_THE_WORLD & TELLS_PEOPLE


@pytest.mark.parametrize(
    ("action", "params"),
    [
        (Action.RETRY, {"task_keys": ["a"], "also": 1}),
        (Action.RETRY, {"task_keys": "a"}),
        (Action.RETRY, {"task_keys": [""]}),
        (Action.RUN_UPSTREAM, {"job_id": 0, "produces": "x"}),
        (Action.RUN_UPSTREAM, {"job_id": 1}),
        (Action.RETRY_WITH_NEW_PARAMS, {"settings": [{"path": "x", "proposed": {"a": 1}}]}),
        (Action.PROPOSE_FIX, {}),
        (Action.TERMINATE, None),
    ],
)
def test_wrong_parameters_are_refused_by_name(action, params):
    with pytest.raises(InvalidInput, match=action.value):
        check_params(action, params)


@given(
    incident=st.text(min_size=1, max_size=20),
    attempt=st.integers(1, 9),
    keys=st.lists(st.text(min_size=1, max_size=10), max_size=4),
)
def test_the_hash_depends_on_everything_that_would_be_sent(incident, attempt, keys):
    params = RetryParams(task_keys=keys)
    base = payload_sha256(incident, attempt, Action.RETRY, params)
    assert base == payload_sha256(incident, attempt, Action.RETRY, RetryParams(task_keys=list(keys)))
    assert base != payload_sha256(incident + "x", attempt, Action.RETRY, params)
    assert base != payload_sha256(incident, attempt + 1, Action.RETRY, params)
    assert base != payload_sha256(incident, attempt, Action.RETRY, RetryParams(task_keys=[*keys, "more"]))


def test_key_order_does_not_change_the_hash():
    one = check_params(Action.RETRY_WITH_NEW_PARAMS, {"job_parameters": {"a": "1", "b": "2"}})
    two = check_params(Action.RETRY_WITH_NEW_PARAMS, {"job_parameters": {"b": "2", "a": "1"}})
    action = Action.RETRY_WITH_NEW_PARAMS
    assert payload_sha256("i", 1, action, one) == payload_sha256("i", 1, action, two)


def test_confidence_is_a_share():
    with pytest.raises(ValueError, match="less than or equal to 1"):
        Proposal(action=Action.RETRY, confidence=1.2)
