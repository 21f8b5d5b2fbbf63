"""decide, review, act, verify and learn, each called by hand."""

import pytest

from core.actions import Action, Proposal
from core.approvals import Sent
from core.errors import KnowledgeUnavailable, WorkspaceUnavailable
from core.incident import ApprovalStatus, DecisionKind, Status
from core.policy import AutoRule, Mode, Policy, Rules
from nodes.act import act
from nodes.decide import decide
from nodes.learn import learn
from nodes.review import review
from nodes.verify import verify
from tests.unit.nodes.desk import Desk

GRANT = AutoRule(
    failure_class="connection_reset", action=Action.RETRY, min_confidence=0.5, granted_by="anna@example.com"
)


async def test_decide_twice_writes_one_row():
    desk = await Desk().diagnosed()
    first, second = await desk.call(decide), await desk.call(decide)
    assert first["approval_id"] == second["approval_id"] and len(desk.world.store.approvals) == 1
    assert first["route"] == "review" and desk.approval.status is ApprovalStatus.PENDING
    assert desk.incident.status == Status.AWAITING_APPROVAL


async def test_decide_asks_the_approvers_of_the_policy():
    desk = await Desk().diagnosed()
    desk.world.policy = Policy(
        defaults=Rules(approvers=["ben@example.com"], critical=True, escalate_to=["boss"])
    )
    await desk.call(decide)
    told = {(kind, person) for _, kind, person in desk.world.store.messages.values()}
    assert {("approval", "ben@example.com"), ("critical", "boss")} <= told


@pytest.mark.parametrize(
    ("grant", "low_support", "status"),
    [
        (GRANT, False, ApprovalStatus.APPROVED),
        (GRANT, True, ApprovalStatus.PENDING),
        (GRANT.model_copy(update={"min_confidence": 0.95}), False, ApprovalStatus.PENDING),
        (GRANT.model_copy(update={"action": Action.TERMINATE}), False, ApprovalStatus.PENDING),
    ],
)
async def test_a_rule_decides_only_what_it_covers(grant, low_support, status):
    desk = await Desk().diagnosed()
    desk.state["low_support"] = low_support
    desk.world.policy = Policy(defaults=Rules(mode=Mode.AUTO, auto=[grant]))
    desk.world.investigator.propose = lambda *_, **__: desk.world.investigator.proposal  # type: ignore[method-assign]
    await desk.call(decide)
    assert desk.approval.status is status


async def test_decide_in_shadow_asks_nobody():
    desk = await Desk().diagnosed()
    desk.world.policy = Policy(defaults=Rules(mode=Mode.OBSERVE))
    update = await desk.call(decide)
    assert (update["route"], update["outcome"]) == ("learn", "observed")
    assert not desk.world.store.approvals and not desk.world.store.messages


@pytest.mark.parametrize(
    ("kind", "more", "route"),
    [
        (DecisionKind.APPROVE, {}, "act"),
        (DecisionKind.EDIT, {"params": {"task_keys": ["load"]}}, "act"),
        (DecisionKind.REJECT, {"comment": "no"}, "learn"),
        (DecisionKind.RESPOND, {"comment": "look at the token"}, "analyze"),
    ],
)
async def test_review_follows_the_row(kind, more, route):
    desk = await Desk().decided(kind, **more)
    assert (await desk.call(review))["route"] == route


async def test_review_of_a_row_of_another_incident_decides_anew():
    desk = await Desk().decided()
    desk.state["incident_id"] = "inc_other"
    assert (await desk.call(review))["route"] == "decide"


async def test_review_after_the_time_is_over_never_acts():
    desk = await Desk().proposed()
    desk.world.clock.forward(5 * 3600)
    update = await desk.call(review)
    assert update["route"] == "decide" and "Nobody decided" in update["refusal"]
    assert desk.approval.status is ApprovalStatus.EXPIRED


async def test_act_without_an_approval_sends_nothing_and_says_so():
    desk = await Desk().proposed()
    update = await desk.call(act)
    assert update["route"] == "review" and not desk.world.actions.sent
    assert "act_refused" in desk.kinds()


async def test_act_twice_sends_once():
    desk = await Desk().decided()
    first, second = await desk.call(act), await desk.call(act)
    assert first["route"] == second["route"] == "verify"
    assert [c.step for c in desk.world.actions.sent] == ["start"]


async def test_act_sends_what_the_row_says_and_not_what_the_state_says():
    desk = await Desk().decided()
    desk.state["proposal"] = Proposal(action=Action.TERMINATE, params={}).model_dump(mode="json")
    await desk.call(act)
    assert [c.call for c in desk.world.actions.sent] == ["repair_run"]


async def test_act_that_was_refused_goes_back_with_the_reason():
    desk = await Desk().decided()
    desk.world.actions.answers = [Sent(state="failed", detail="The run is gone.")]
    update = await desk.call(act)
    assert "The run is gone." in update["refusal"] and update["started"]["phase"] == "refused"


async def test_act_in_an_outage_keeps_its_claim_for_the_next_time():
    desk = await Desk().decided()
    desk.world.actions.answers = [WorkspaceUnavailable("reset")]
    with pytest.raises(WorkspaceUnavailable):
        await desk.call(act)
    await desk.call(act)
    first, second = desk.world.actions.sent
    assert first.id == second.id


async def test_verify_pushed_here_with_nothing_started_goes_back():
    assert (await (await Desk().proposed()).call(verify))["route"] == "review"


async def test_learn_remembers_an_outcome_and_not_a_closed_one():
    desk = await Desk().diagnosed()
    desk.state["outcome"] = "resolved"
    await desk.call(learn)
    assert desk.world.retriever.remembered == [desk.incident.id] and desk.incident.outcome == "resolved"
    other = await Desk().diagnosed()
    other.state["outcome"] = "closed"
    await other.call(learn)
    assert other.world.retriever.remembered == []


async def test_learn_without_knowledge_finishes_all_the_same():
    desk = await Desk().diagnosed()
    desk.world.retriever.error = KnowledgeUnavailable("no index")
    desk.state["outcome"] = "resolved"
    await desk.call(learn)
    assert desk.incident.outcome == "resolved" and "knowledge_unavailable" in desk.kinds()
