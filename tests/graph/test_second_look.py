"""A second look: the row says that a person wants one, the thread goes on by a wake-up and asks anew."""

from __future__ import annotations

import pytest

from core.actions import Action
from core.approvals import Sent
from core.incident import ApprovalStatus, DecisionKind, Triad
from core.policy import AutoRule, Mode, Policy, Rules
from core.second_look import SecondLook
from tests.fakes.parts import FakeOutput, failed_run, running
from tests.graph.threads import Thread

POOR = Triad(faithfulness=0.4, answer_relevance=0.9, context_precision=0.9)
RULE = AutoRule(
    failure_class="connection_reset", action=Action.RETRY, min_confidence=0.5, granted_by="anna@example.com"
)


async def look_again(thread: Thread, hint: str = "") -> None:
    """What the store does to the rows when somebody asks."""
    store, row = thread.world.store, thread.incident
    newest = thread.approval
    if newest.status is ApprovalStatus.PENDING:
        await store.supersede(newest.id)
    row.second_look = SecondLook(
        by="anna@example.com", attempt=newest.attempt, revision=newest.revision + 1, hint=hint
    )
    row.status, row.outcome = "investigating", None


async def begin_anew(thread: Thread) -> None:
    """What a worker does with a thread that has come to its end, when its row goes on."""
    await thread.graph.ainvoke({"incident_id": thread.incident.id, "run_id": thread.run_id}, thread.config)


async def left_to_people() -> Thread:
    """A thread that has come to its end by telling somebody."""
    thread = Thread()
    thread.world.investigator.triads = [POOR, POOR, POOR]
    await thread.start()
    assert thread.incident.outcome == "notified" and await thread.waits_at() == ()
    return thread


async def test_what_waits_is_withdrawn_and_asked_anew() -> None:
    thread = Thread()
    await thread.start()
    first = thread.approval
    await look_again(thread, "The VPN was down.")
    await thread.wake()
    assert thread.world.store.approvals[first.id].status is ApprovalStatus.SUPERSEDED
    assert (thread.approval.revision, thread.approval.status) == (2, ApprovalStatus.PENDING)
    assert thread.world.investigator.hints == ["", "The VPN was down."]
    assert await thread.waits_at() == ("review",)
    assert thread.world.actions.sent == []


async def test_what_was_left_to_people_gets_a_proposal_that_can_be_acted_on() -> None:
    thread = await left_to_people()
    await look_again(thread)
    await begin_anew(thread)
    assert await thread.waits_at() == ("review",)
    assert (thread.approval.proposal.action, thread.approval.revision) == (Action.RETRY, 2)
    await thread.decide()
    thread.runs(failed_run(repairs=[901], result="SUCCESS"))
    await thread.wake()
    await thread.wake()
    assert thread.incident.outcome == "resolved"
    assert len(thread.world.actions.sent) == 1


async def test_what_stopped_the_first_look_does_not_stop_the_second() -> None:
    thread = Thread()
    await thread.start()
    thread.world.clock.forward(10 * 3600)
    await thread.wake()  # nobody answered: the next person is told
    assert thread.incident.outcome == "escalated"
    await look_again(thread)
    await begin_anew(thread)
    assert thread.approval.proposal.action is Action.RETRY
    assert await thread.waits_at() == ("review",)


async def refused() -> Thread:
    """A thread that gave up because the workspace refused the action."""
    thread = Thread()
    thread.world.actions.answers = [Sent(state="failed", detail="no permission")]
    await thread.start()
    await thread.decide()
    await thread.wake()
    assert thread.incident.outcome == "escalated" and thread.approval.attempt == 2
    return thread


async def test_a_repair_by_hand_since_then_is_waited_for() -> None:
    thread = await refused()
    await look_again(thread)
    thread.runs(running(failed_run(repairs=[55])), failed_run(repairs=[55], result="SUCCESS"))
    await begin_anew(thread)
    assert await thread.waits_at() == ("verify",)
    await thread.wake()
    assert thread.incident.outcome == "resolved_elsewhere"


async def test_a_repair_that_was_refused_leaves_nothing_behind() -> None:
    thread = await refused()
    await look_again(thread)
    await begin_anew(thread)
    await thread.decide()
    thread.runs(failed_run(repairs=[902], result="SUCCESS"))
    await thread.wake()
    await thread.wake()
    assert thread.incident.outcome == "resolved"


@pytest.mark.parametrize("brought", ["second look", "attachment"])
async def test_where_a_person_brought_something_no_rule_decides(brought: str) -> None:
    thread = Thread()
    thread.world.policy = Policy(defaults=Rules(mode=Mode.AUTO, auto=[RULE]))
    thread.__post_init__()
    if brought == "attachment":
        thread.world.store.attached["inc_1"] = {"more.log": "Connection reset by peer"}
        await thread.start()
    else:
        thread.world.investigator.triads = [POOR, POOR, POOR]
        await thread.start()
        await look_again(thread)
        await begin_anew(thread)
    assert await thread.waits_at() == ("review",)
    assert thread.approval.status is ApprovalStatus.PENDING
    assert thread.world.actions.sent == []


async def test_begun_twice_it_asks_once() -> None:
    thread = await left_to_people()
    await look_again(thread)
    await begin_anew(thread)
    asked = thread.approval
    await begin_anew(thread)  # a worker that died before it noted that it had
    assert thread.approval == asked
    assert [a.status.value for a in thread.world.store.approvals.values()].count("pending") == 1


async def test_a_worker_that_died_on_the_way_out_ends_nothing_that_goes_on() -> None:
    thread = await left_to_people()
    await look_again(thread)
    history = [s async for s in thread.graph.aget_state_history(thread.config)]
    before_the_end = next(s for s in history if s.next == ("learn",))
    await thread.graph.ainvoke(None, before_the_end.config)
    assert thread.incident.outcome is None
    await begin_anew(thread)
    assert await thread.waits_at() == ("review",)


async def test_an_old_checkpoint_asks_for_nothing_and_sends_nothing() -> None:
    thread = Thread()
    await thread.start()
    await look_again(thread)
    await thread.wake()
    history = [s async for s in thread.graph.aget_state_history(thread.config)]
    for snapshot in history:
        if snapshot.next and "review" not in snapshot.next:
            await thread.graph.ainvoke(None, snapshot.config)
    assert thread.world.actions.sent == []
    assert [a.status.value for a in thread.world.store.approvals.values()].count("pending") == 1


async def test_what_was_written_meanwhile_is_read_and_the_first_text_stays() -> None:
    thread = Thread()
    thread.world.workspace.outputs = {"load": FakeOutput(texts={"error": "half a"})}
    await thread.start()
    thread.world.workspace.outputs = {"load": FakeOutput(texts={"error": "half a log, and the rest"})}
    await look_again(thread)
    await thread.wake()
    kept = [text for _, key, text in thread.world.store.artifacts.values() if key.startswith("1/load/error")]
    assert kept == ["half a", "half a log, and the rest"]
    state = await thread.values()
    assert await thread.world.store.get_artifact(state["tasks"]["1/load"]["artifacts"]["error"]) == kept[1]
    assert state["settings"] == "1/settings/2"


async def test_rejecting_after_a_second_look_is_the_end() -> None:
    thread = await left_to_people()
    await look_again(thread)
    await begin_anew(thread)
    await thread.decide(DecisionKind.REJECT)
    await thread.wake()
    assert thread.incident.outcome == "rejected"
