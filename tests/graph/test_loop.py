"""The whole loop over fakes: pause, resume, verify, try again, give up."""

import json

import pytest

from core.actions import Action, Proposal
from core.approvals import Sent
from core.errors import KnowledgeUnavailable, WorkspaceUnavailable
from core.incident import ApprovalStatus, DecisionKind, Triad
from core.policy import AutoRule, Mode, Policy, QuietHours, Rules
from tests.fakes.parts import failed_run, running
from tests.graph.threads import ANNA, Thread

GOOD = Triad(faithfulness=0.9, answer_relevance=0.9, context_precision=0.9)
POOR = Triad(faithfulness=0.4, answer_relevance=0.9, context_precision=0.9)


def grant(min_confidence: float) -> AutoRule:
    return AutoRule(
        failure_class="connection_reset",
        action=Action.RETRY,
        min_confidence=min_confidence,
        granted_by="anna",
    )


async def test_a_failed_run_waits_for_a_person_and_nothing_is_sent():
    thread = Thread()
    result = await thread.start()
    payload = result["__interrupt__"][0].value
    assert await thread.waits_at() == ("review",)
    assert payload["action_requests"][0]["name"] == "RETRY"
    assert payload["action_requests"][0]["args"] == payload["action_requests"][0]["arguments"]
    assert payload["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject", "respond"]
    assert (
        payload["root_cause"]
        and payload["evidence"]
        and payload["payload_sha256"] == thread.approval.payload_sha256
    )
    assert thread.world.actions.sent == []


async def test_approved_repaired_verified_learnt():
    thread = Thread()
    await thread.start()
    await thread.decide()
    thread.runs(running(failed_run(repairs=[901])), failed_run(repairs=[901], result="SUCCESS"))
    await thread.wake()
    assert [c.step for c in thread.world.actions.sent] == ["start"]
    assert await thread.waits_at() == ("verify",)
    await thread.wake()  # still running
    assert await thread.waits_at() == ("verify",)
    await thread.wake({"state": "SUCCESS"})
    assert await thread.waits_at() == ()
    assert thread.incident.outcome == "resolved"
    assert thread.world.retriever.remembered == [thread.incident.id]
    assert len(thread.world.actions.sent) == 1
    said = (await thread.graph.aget_state(thread.config)).values["messages"]
    assert [m["type"] for m in said] == ["human", "ai", "ai"]
    assert (
        "failed." in said[0]["content"]
        and "Cause: " in said[1]["content"]
        and "resolved" in said[2]["content"]
    )


async def test_a_failure_that_comes_back_is_tried_three_times_with_growing_waits_and_then_escalated():
    thread = Thread()
    thread.world.policy = Policy(defaults=Rules(escalate_to=["boss@example.com"]))
    thread.__post_init__()
    await thread.start()
    waits = []
    for attempt in (1, 2, 3):
        assert await thread.waits_at() == ("review",), attempt
        await thread.decide()
        until = (await thread.values()).get("not_before")
        thread.runs(failed_run(repairs=list(range(901, 901 + attempt))))
        await thread.wake()
        if attempt > 1:
            assert await thread.waits_at() == ("act",), "the backoff is not over"
            assert len(thread.world.actions.sent) == attempt - 1
            waits.append(until)
            thread.world.clock.forward(10_000)
            await thread.wake()
        assert await thread.waits_at() == ("verify",)
        await thread.wake()
    assert thread.incident.outcome == "escalated"
    assert len(thread.world.actions.sent) == 3
    assert ("escalation", "boss@example.com") in [m[1:] for m in thread.world.store.messages.values()]
    seconds = [
        d["seconds"] for k, d in thread.world.store.events[thread.incident.id].values() if k == "backoff"
    ]
    assert len(seconds) == 2 and seconds[1] > seconds[0] * 1.3


async def test_rejected_is_feedback_and_the_end():
    thread = Thread()
    await thread.start()
    await thread.decide(DecisionKind.REJECT, comment="Not tonight.")
    await thread.wake()
    assert await thread.waits_at() == ()
    assert thread.incident.outcome == "rejected" and thread.world.actions.sent == []
    assert thread.world.retriever.remembered == [thread.incident.id]


async def test_rejecting_may_stop_the_run_in_the_same_breath():
    thread = Thread()
    await thread.start()
    await thread.decide(DecisionKind.REJECT, then="terminate", comment="It burns money.")
    thread.runs(failed_run(result="CANCELED"))
    await thread.wake()
    assert [c.step for c in thread.world.actions.sent] == ["stop"]
    await thread.wake()
    assert thread.incident.outcome == "terminated"


async def test_a_hint_makes_a_new_revision_and_supersedes_nothing_that_was_claimed():
    thread = Thread()
    await thread.start()
    first = thread.approval
    await thread.decide(DecisionKind.RESPOND, comment="The VPN was down.")
    await thread.wake()
    assert thread.world.investigator.hints == ["", "The VPN was down."]
    assert thread.approval.id != first.id and thread.approval.revision == 2
    assert await thread.waits_at() == ("review",)


async def test_edited_parameters_are_what_is_sent():
    thread = Thread()
    await thread.start()
    await thread.decide(DecisionKind.EDIT, params={"task_keys": ["load", "report"]})
    await thread.wake()
    assert thread.world.actions.sent[0].request == {"task_keys": ["load", "report"]}


async def test_expired_is_escalated_and_never_acted_on():
    thread = Thread()
    await thread.start()
    thread.world.clock.forward(10 * 3600)
    await thread.wake()
    assert thread.world.actions.sent == [] and thread.incident.outcome == "escalated"


@pytest.mark.parametrize("proposed", ["a repair", "an escalation"])
async def test_the_escalation_of_what_nobody_answered_waits_for_nobody(proposed: str):
    thread = Thread()
    thread.world.policy = Policy(defaults=Rules(escalate_to=["boss@example.com"], notify_needs_approval=True))
    if proposed == "an escalation":
        thread.world.investigator.proposal = Proposal(action=Action.ESCALATE, params={"reason": "Unknown."})
    thread.__post_init__()
    await thread.start()
    assert await thread.waits_at() == ("review",)
    thread.world.clock.forward(10 * 3600)
    await thread.wake()
    assert await thread.waits_at() == () and thread.incident.outcome == "escalated"
    assert thread.approval.decided_by == "policy: nobody decided in time, so the next are told"
    assert "boss@example.com" in [person for _, _, person in thread.world.store.messages.values()]
    assert len(thread.world.store.approvals) == 2 and thread.world.actions.sent == []


async def test_its_time_does_not_run_while_nobody_may_be_told():
    thread = Thread()
    quiet = QuietHours(start="22:00", end="07:00")  # it is 03:00
    thread.world.policy = Policy(defaults=Rules(quiet_hours=quiet, approval_ttl_seconds=4 * 3600))
    thread.__post_init__()
    await thread.start()
    assert thread.approval.expires_at == "2026-01-01T11:00:00+00:00"
    thread.world.clock.forward(7.5 * 3600)
    await thread.wake()
    assert thread.approval.status is ApprovalStatus.PENDING and await thread.waits_at() == ("review",)


async def test_low_support_searches_again_at_most_twice_and_then_only_tells_people():
    thread = Thread()
    thread.world.investigator.triads = [POOR, POOR, POOR, GOOD]
    await thread.start()
    assert len(thread.world.retriever.queries) == 3
    assert len(set(thread.world.retriever.queries)) == 3
    assert thread.incident.outcome == "notified" and thread.world.actions.sent == []


async def test_support_that_comes_with_a_better_query_goes_on_normally():
    thread = Thread()
    thread.world.investigator.triads = [POOR, GOOD]
    await thread.start()
    assert len(thread.world.retriever.queries) == 2
    assert await thread.waits_at() == ("review",)


async def test_what_a_model_judged_is_on_the_record_and_not_in_the_state():
    thread = Thread()
    scores = {"faithfulness": 0.2, "answer_relevance": 1.0, "context_precision": 0.9}
    reasons = {name: f"About {name}." for name in scores}
    judged = POOR.model_copy(update={"judge": {"name": "m-1", "scores": scores, "reasons": reasons}})
    failed = GOOD.model_copy(update={"judge": {"name": "m-1", "error": "The model m-1 refused to answer."}})
    thread.world.investigator.triads = [judged, failed]
    await thread.start()
    events = thread.world.store.events[thread.incident.id].values()
    first, second = (data for kind, data in events if kind == "evaluated")
    assert first["judge"] == "m-1" and first["judge_said"][0] == "faithfulness 0.20: About faithfulness."
    assert first["judgement"]["scores"] == scores
    assert second["judge_said"] == ["The model m-1 refused to answer."]
    assert "judge" not in (await thread.values())["triad"]


async def test_a_rule_that_a_person_granted_approves_without_an_interrupt():
    thread = Thread()
    rule = grant(0.8)
    thread.world.policy = Policy(defaults=Rules(mode=Mode.AUTO, auto=[rule]))
    thread.__post_init__()
    await thread.start()
    assert await thread.waits_at() == ("verify",)
    assert "anna" in (thread.approval.decided_by or "") and thread.approval.channel == "policy"


async def test_a_rule_does_not_reach_under_its_confidence():
    thread = Thread()
    rule = grant(0.95)
    thread.world.policy = Policy(defaults=Rules(mode=Mode.AUTO, auto=[rule]))
    thread.__post_init__()
    await thread.start()
    assert await thread.waits_at() == ("review",)


async def test_observing_decides_and_asks_nobody():
    thread = Thread()
    thread.world.policy = Policy(defaults=Rules(mode=Mode.OBSERVE))
    thread.__post_init__()
    await thread.start()
    assert thread.incident.outcome == "observed" and thread.world.store.approvals == {}
    assert thread.incident.facts["proposal"]["action"] == "RETRY"


async def test_repaired_by_a_person_while_the_approval_pends():
    thread = Thread()
    await thread.start()
    thread.runs(running(failed_run(repairs=[55])), failed_run(repairs=[55], result="SUCCESS"))
    await thread.world.store.supersede(thread.approval.id)
    await thread.wake()
    assert await thread.waits_at() == ("verify",)
    await thread.wake()
    assert thread.incident.outcome == "resolved_elsewhere" and thread.world.actions.sent == []


async def test_changed_settings_are_restored_after_success_and_after_failure():
    for result in ("SUCCESS", "FAILED"):
        thread = Thread()
        change = {"path": "timeout_seconds", "current": 60, "proposed": 120}
        thread.world.investigator.proposal = Proposal(
            action=Action.RETRY_WITH_NEW_PARAMS,
            params={"task_keys": ["load"], "settings": [change]},
            confidence=0.9,
        )
        await thread.start()
        await thread.decide()
        thread.runs(failed_run(repairs=[902], result=result))
        await thread.wake()
        assert [c.step for c in thread.world.actions.sent] == ["apply", "start"]
        await thread.wake()
        assert [c.step for c in thread.world.actions.restored] == ["apply"], result


async def test_settings_that_cannot_be_restored_call_a_person():
    thread = Thread()
    thread.world.policy = Policy(defaults=Rules(escalate_to=["boss@example.com"]))
    thread.__post_init__()
    change = {"path": "timeout_seconds", "current": 60, "proposed": 120}
    thread.world.investigator.proposal = Proposal(
        action=Action.RETRY_WITH_NEW_PARAMS, params={"settings": [change]}, confidence=0.9
    )
    thread.world.actions.restore_answers = [Sent(state="unknown", detail="changed by a person meanwhile")]
    await thread.start()
    await thread.decide()
    thread.runs(failed_run(repairs=[902], result="SUCCESS"))
    await thread.wake()
    await thread.wake()
    assert "restore_failed" in thread.world.store.kinds(thread.incident.id)
    assert any(m[1] == "restore_failed" for m in thread.world.store.messages.values())


async def test_upstream_first_then_the_repair():
    thread = Thread()
    thread.world.investigator.proposal = Proposal(
        action=Action.RUN_UPSTREAM, params={"job_id": 3, "produces": "main.a.b"}, confidence=0.9
    )
    thread.world.actions.upstream = ["running", "running", "succeeded", "succeeded"]
    await thread.start()
    await thread.decide()
    await thread.wake()
    assert [c.step for c in thread.world.actions.sent] == ["upstream"]
    assert await thread.waits_at() == ("verify",)
    await thread.wake()
    assert await thread.waits_at() == ("verify",)
    thread.runs(failed_run(repairs=[902], result="SUCCESS"))
    await thread.wake()
    assert [c.step for c in thread.world.actions.sent] == ["upstream", "start"]
    await thread.wake()
    assert thread.incident.outcome == "resolved"


@pytest.mark.parametrize("state", ["failed", "unknown"])
async def test_a_refused_or_doubtful_action_goes_to_a_person(state):
    thread = Thread()
    thread.world.actions.answers = [Sent(state=state, detail="no permission")]
    await thread.start()
    await thread.decide()
    await thread.wake()
    assert thread.incident.outcome == "escalated"
    assert len(thread.world.actions.sent) == 1


async def test_an_outage_in_the_middle_of_an_action_keeps_the_claim_and_the_thread():
    thread = Thread()
    thread.world.actions.answers = [WorkspaceUnavailable("It does not answer.")]
    await thread.start()
    await thread.decide()
    with pytest.raises(WorkspaceUnavailable):
        await thread.wake()
    assert await thread.waits_at() == ("act",)
    await thread.graph.ainvoke(None, thread.config)
    assert [(c.step, c.fresh) for c in thread.world.actions.sent] == [("start", True), ("start", False)]
    assert await thread.waits_at() == ("verify",)


async def test_reads_are_tried_again():
    thread = Thread()
    thread.world.workspace.errors = [WorkspaceUnavailable("429"), WorkspaceUnavailable("503")]
    await thread.start()
    assert await thread.waits_at() == ("review",)


async def test_no_knowledge_costs_the_similar_incidents_only():
    thread = Thread()
    thread.world.retriever.error = KnowledgeUnavailable("The folder is gone.")
    await thread.start()
    assert await thread.waits_at() == ("review",)
    assert "knowledge_unavailable" in thread.world.store.kinds(thread.incident.id)


async def test_a_run_that_does_not_exist_or_did_not_fail_ends_at_once():
    thread = Thread()
    thread.run_id = 404
    result = await thread.start()
    assert result["outcome"] == "closed" and "404" in result["refusal"]
    thread = Thread()
    thread.runs(failed_run(result="SUCCESS", tasks=[]))
    result = await thread.start()
    assert result["outcome"] == "closed" and thread.world.store.rows == {}


async def test_a_second_thread_for_an_incident_is_refused():
    thread = Thread()
    await thread.start()
    second = await thread.graph.ainvoke({"run_id": 7}, {"configurable": {"thread_id": "t2"}})
    assert second["outcome"] == "refused" and len(thread.world.store.approvals) == 1


async def test_muted_incidents_are_only_watched():
    thread = Thread()
    await thread.start()
    thread.incident.muted = True
    await thread.decide(DecisionKind.RESPOND, comment="again")
    await thread.wake()
    assert thread.incident.outcome == "muted"


async def test_every_checkpoint_is_small_and_plain():
    thread = Thread()
    thread.world.workspace.outputs = {}
    await thread.start()
    async for snapshot in thread.graph.aget_state_history(thread.config):
        text = json.dumps(snapshot.values)
        assert len(text) < 32_000
    assert ANNA.name not in text
