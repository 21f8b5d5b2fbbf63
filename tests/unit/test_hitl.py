"""The human-in-the-loop payload and every answer to it."""

import json

import pytest

from core.actions import Action, Proposal
from core.errors import Conflict, InvalidInput
from core.incident import Approval, ApprovalStatus, DecisionKind
from nodes.hitl import parse, request


def approval(action: Action = Action.RETRY_WITH_NEW_PARAMS, **params) -> Approval:
    params = params or {"task_keys": ["load"], "job_parameters": {"day": "1"}, "settings": []}
    return Approval(
        id="apr_1",
        incident_id="inc_1",
        attempt=1,
        revision=1,
        status=ApprovalStatus.PENDING,
        proposal=Proposal(action=action, params=params, reason="because", risks=["it may fail"]),
        payload_sha256="f" * 64,
        created_at="2026-01-01T00:00:00+00:00",
    )


def test_the_request_has_both_spellings_and_a_schema():
    payload = request(approval(), {"root_cause": "x"}, error="try again")
    (asked,) = payload["action_requests"]
    (config,) = payload["review_configs"]
    assert asked["args"] == asked["arguments"] == approval().proposal.params
    assert config["args_schema"]["properties"].keys() == {"task_keys", "job_parameters", "settings"}
    assert payload["error"] == "try again" and payload["root_cause"] == "x"
    json.dumps(payload)


def test_the_request_is_also_in_agent_inbox_s_shape():
    payload = request(approval(), {})
    assert payload["action_request"] == {
        "action": "RETRY_WITH_NEW_PARAMS",
        "args": approval().proposal.params,
    }
    assert set(payload["config"]) == {"allow_accept", "allow_edit", "allow_respond", "allow_ignore"}
    assert all(payload["config"].values())
    assert payload["description"] == payload["action_requests"][0]["description"]


def test_the_description_says_why_and_nothing_in_it_is_markup():
    line = "![](http://evil.example/pixel.png) ```` # <img src=x>"
    evidence = [{"source": "stderr", "line_start": 7, "line_end": 7, "text": line}]
    known = {"root_cause": "The link was cut. " + line, "failure_class": "connection_reset"}
    said = request(approval(), {**known, "evidence": evidence}, error="you may not")["description"]
    fence, rest = said.split("text\n", 1)
    assert set(fence) == {"`"} and len(fence) > 4, "longer than any run of backticks within"
    assert rest.endswith(f"\n{fence}") and fence not in rest.removesuffix(fence)
    for words in ("Not accepted: you may not", "The link was cut.", "stderr, lines 7 to 7", "it may fail"):
        assert words in rest


@pytest.mark.parametrize(
    ("answer", "kind", "comment"),
    [
        ({"decisions": [{"type": "approve"}]}, DecisionKind.APPROVE, ""),
        ({"decisions": [{"type": "reject", "message": "no"}]}, DecisionKind.REJECT, "no"),
        ({"decisions": [{"type": "respond", "message": "vpn"}]}, DecisionKind.RESPOND, "vpn"),
        ([{"type": "accept", "args": None}], DecisionKind.APPROVE, ""),
        ([{"type": "ignore", "args": None}], DecisionKind.REJECT, ""),
        ([{"type": "response", "args": "vpn"}], DecisionKind.RESPOND, "vpn"),
        ({"type": "approve"}, DecisionKind.APPROVE, ""),
    ],
)
def test_both_shapes_are_read(answer, kind, comment):
    decision = parse(answer, approval())
    assert (decision.kind, decision.comment) == (kind, comment)


def test_edits_come_as_objects_or_as_text():
    edited = {"task_keys": ["load"], "job_parameters": {"day": "2"}}
    new = parse(
        {"decisions": [{"type": "edit", "edited_action": {"name": "RETRY_WITH_NEW_PARAMS", "args": edited}}]},
        approval(),
    )
    assert new.params == {**edited, "settings": []}
    as_text = {"task_keys": '["load"]', "job_parameters": '{"day": "2"}'}
    old = parse([{"type": "edit", "args": {"action": "RETRY_WITH_NEW_PARAMS", "args": as_text}}], approval())
    assert old.params == new.params
    changed = approval(Action.RUN_UPSTREAM, job_id=3, produces="a.b", job_parameters={}, task_keys=[])
    typed = parse([{"type": "edit", "args": {"args": {"job_id": "4", "produces": "a.b"}}}], changed)
    assert typed.params and typed.params["job_id"] == 4


@pytest.mark.parametrize(
    "wrap", [lambda a: [{"type": "accept", **a}], lambda a: {"decisions": [{"type": "approve", **a}]}]
)
def test_an_approval_of_what_was_proposed_before_is_refused(wrap):
    shown = {"action": "RETRY_WITH_NEW_PARAMS", "args": approval().proposal.params}
    assert parse(wrap({"args": shown}), approval()).kind is DecisionKind.APPROVE
    for stale in ({**shown, "action": "RETRY"}, {**shown, "args": {"task_keys": ["other"]}}):
        with pytest.raises(Conflict):
            parse(wrap({"args": stale}), approval())


def test_the_hash_that_was_seen_goes_with_the_decision():
    assert (
        parse({"decisions": [{"type": "approve"}], "payload_sha256": "abc"}, approval()).payload_sha256
        == "abc"
    )


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "yes",
        {},
        [],
        {"decisions": []},
        {"decisions": [{"type": "approve"}, {"type": "approve"}]},
        {"decisions": [{"type": "launch"}]},
        {"decisions": ["approve"]},
        {"decisions": [{"type": "edit"}]},
        {"decisions": [{"type": "edit", "edited_action": {"name": "TERMINATE", "args": {}}}]},
        {
            "decisions": [
                {"type": "edit", "edited_action": {"name": "RETRY_WITH_NEW_PARAMS", "args": {"evil": 1}}}
            ]
        },
        {"decisions": [{"type": "edit", "edited_action": {"name": "RETRY_WITH_NEW_PARAMS", "args": "x"}}]},
    ],
)
def test_anything_else_is_refused_with_a_reason(answer):
    with pytest.raises(InvalidInput) as caught:
        parse(answer, approval())
    assert len(str(caught.value)) > 15
