"""A member of a group: approved with the others, it waits for its turn, and asks again when the group was stopped."""

from __future__ import annotations

from core.actions import Action
from core.incident import ApprovalStatus
from core.policy import AutoRule, Mode, Policy, Rules
from tests.fakes.parts import failed_run
from tests.graph.threads import Thread


async def held(thread: Thread) -> str:
    """Approved with its group, and pushed on by whoever resumes it; the approval's id."""
    await thread.start()
    approval = await thread.decide()
    thread.world.store.held[approval.id] = "grp_1"
    await thread.wake()
    return approval.id


async def test_an_approved_member_waits_for_its_turn_however_often_it_is_woken() -> None:
    thread = Thread()
    await held(thread)
    for _ in range(3):
        pending = (await thread.graph.aget_state(thread.config)).interrupts
        assert pending[0].value["kind"] == "turn" and pending[0].value["group_id"] == "grp_1"
        assert await thread.waits_at() == ("act",)
        await thread.wake()
    assert thread.world.actions.sent == []


async def test_with_its_turn_it_acts_once() -> None:
    thread = Thread()
    approval_id = await held(thread)
    del thread.world.store.held[approval_id]
    thread.runs(failed_run(repairs=[901], result="SUCCESS"))
    await thread.wake()
    assert [c.step for c in thread.world.actions.sent] == ["start"]
    await thread.wake()
    assert thread.incident.outcome == "resolved"


async def test_sent_back_it_asks_again_with_the_reason_and_without_looking_anew() -> None:
    thread = Thread()
    approval_id = await held(thread)
    del thread.world.store.held[approval_id]
    thread.world.store.stopped[approval_id] = "The same was tried first on job x, and did not help."
    await thread.world.store.supersede(approval_id)
    fetched = thread.world.store.kinds(thread.incident.id).count("fetched")
    await thread.wake()
    assert await thread.waits_at() == ("review",)
    assert thread.approval.id != approval_id and thread.approval.status is ApprovalStatus.PENDING
    assert thread.approval.proposal.risks[0] == "The same was tried first on job x, and did not help."
    assert thread.world.actions.sent == []
    assert thread.world.store.kinds(thread.incident.id).count("fetched") == fetched
    assert not (await thread.values()).get("warning"), "it is said once"


async def test_after_a_stop_no_rule_approves() -> None:
    rule = AutoRule(
        failure_class="connection_reset", action=Action.RETRY, min_confidence=0.1, granted_by="anna"
    )
    thread = Thread()
    thread.world.policy = Policy(defaults=Rules(mode=Mode.AUTO, auto=[rule]))
    thread.__post_init__()
    store = thread.world.store
    holds_back = store.holds_back

    async def first_is_held(approval_id: str) -> str:
        return "grp_1" if approval_id == "apr_1" and not store.stopped else await holds_back(approval_id)

    store.holds_back = first_is_held  # type: ignore[method-assign]
    await thread.start()
    assert await thread.waits_at() == ("act",)
    store.stopped["apr_1"] = "It did not help elsewhere."
    await store.supersede("apr_1")
    await thread.wake()
    assert await thread.waits_at() == ("review",)
    assert thread.approval.status is ApprovalStatus.PENDING
    assert thread.world.actions.sent == []


async def test_a_critical_job_is_told_of_at_once_but_not_for_every_member_of_its_group() -> None:
    thread = Thread()
    thread.world.policy = Policy(defaults=Rules(critical=True, escalate_to=["lead@example.com"]))
    thread.world.store.spoken_for.add("apr_1")
    thread.__post_init__()
    await thread.start()
    assert not [m for m in thread.world.store.messages.values() if m[1] == "critical"]
