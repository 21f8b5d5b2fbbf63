"""Every way around the approval that the framework offers does nothing, on any checkpoint saver.

A suite: subclasses give the fixture `thread`, a thread that waits for its review.
"""

import asyncio
from typing import Any

import pytest
from langgraph.types import Command

from core.incident import DecisionKind
from core.policy import Policy, Rules
from tests.fakes.parts import failed_run
from tests.graph.threads import Thread


async def still_waiting(thread: Thread) -> None:
    """Nothing was sent, one approval pends, and the thread waits for it (when looked at again)."""
    assert thread.world.actions.sent == []
    assert [a.status.value for a in thread.world.store.approvals.values()].count("pending") == 1
    if await thread.waits_at() == ("verify",):
        await thread.wake()
    assert await thread.waits_at() == ("review",)
    assert thread.incident.outcome is None


class WaysAround:
    """What anybody who reaches the threads might try."""

    async def test_goto_act(self, thread: Thread):
        await thread.graph.ainvoke(Command(goto="act"), thread.config)
        await still_waiting(thread)
        assert "act_refused" in thread.world.store.kinds(thread.incident.id)

    @pytest.mark.parametrize("node", ["act", "verify", "learn"])
    async def test_goto_anywhere_sends_nothing(self, thread: Thread, node: str):
        await thread.graph.ainvoke(Command(goto=node), thread.config)
        assert thread.world.actions.sent == []

    async def test_update_state_as_review_routes_to_act_and_is_turned_back(self, thread: Thread):
        await thread.graph.aupdate_state(thread.config, {"route": "act"}, as_node="review")
        await thread.graph.ainvoke(None, thread.config)
        await still_waiting(thread)

    async def test_update_state_with_another_proposal_and_a_forged_approval(self, thread: Thread):
        forged = {"route": "act", "approval_id": "apr_999", "proposal": {"action": "TERMINATE", "params": {}}}
        await thread.graph.aupdate_state(thread.config, forged, as_node="review")
        await thread.graph.ainvoke(None, thread.config)
        assert thread.world.actions.sent == []
        assert await thread.waits_at() == ("review",)

    async def test_the_approval_of_another_incident_authorises_nothing_here(self, thread: Thread):
        other = Thread(world=thread.world, run_id=70, thread_id="t70", saver=thread.saver)
        other.world.workspace.runs[70] = [failed_run(70)]
        await other.start()
        approved = await other.decide()
        await thread.graph.aupdate_state(
            thread.config, {"route": "act", "approval_id": approved.id}, as_node="review"
        )
        await thread.graph.ainvoke(None, thread.config)
        assert thread.world.actions.sent == []

    async def test_resuming_an_older_checkpoint(self, thread: Thread):
        history = [s async for s in thread.graph.aget_state_history(thread.config)]
        for snapshot in history:
            if snapshot.next and "review" not in snapshot.next:
                await thread.graph.ainvoke(None, snapshot.config)
        assert thread.world.actions.sent == []
        assert await thread.waits_at() == ("review",)
        assert len([a for a in thread.world.store.approvals.values() if a.status == "pending"]) == 1

    async def test_resuming_with_an_invented_approval_and_nobody_signed_in(self, thread: Thread):
        await thread.wake({"decisions": [{"type": "approve"}]})
        await still_waiting(thread)
        assert "Nobody is signed in" in (await thread.values())["review_error"]

    @pytest.mark.parametrize(
        "answer", [{"decisions": [{"type": "approve"}]}, [{"type": "accept", "args": None}]]
    )
    async def test_an_approval_of_what_the_thread_showed_before_an_edit(self, thread: Thread, answer: Any):
        await thread.decide(DecisionKind.REJECT)
        thread.world.policy = Policy(defaults=Rules(separate_duties=True))
        thread.world.workspace.runs[70] = [failed_run(70)]
        thread = Thread(world=thread.world, run_id=70, thread_id="t70", saver=thread.saver)
        await thread.start()
        await thread.decide(DecisionKind.EDIT, params={"task_keys": ["another"]})
        shown = (await thread.answer(answer))["__interrupt__"][0].value
        await still_waiting(thread)
        assert "the proposal changed" in shown["error"]
        assert shown["payload_sha256"] == thread.approval.payload_sha256
        assert shown["action_requests"][0]["args"]["task_keys"] == ["another"]
        for told in (shown["description"], (await thread.values())["messages"][1]["content"]):
            assert "task_keys is another, not load" in " ".join(told.split())
        await thread.answer(answer)
        assert thread.approval.decided_by == "ben@example.com"
        assert [c.request["task_keys"] for c in thread.world.actions.sent] == [["another"]]

    async def test_the_same_resume_twice_and_two_at_once_act_once(self, thread: Thread):
        await thread.decide()
        stale = (await thread.graph.aget_state(thread.config)).interrupts[0].id
        await asyncio.gather(thread.wake(), thread.wake(), return_exceptions=True)
        await thread.graph.ainvoke(Command(resume={stale: {"wake": True}}), thread.config)
        assert len(thread.world.actions.sent) == 1
        assert len(thread.world.store._claims) == 1

    async def test_new_input_starts_nothing_over_beside_the_pending_approval(self, thread: Thread):
        await thread.graph.ainvoke({"run_id": 7}, thread.config)
        await still_waiting(thread)

    async def test_a_stale_interrupt_id_wakes_nothing(self, thread: Thread):
        await thread.graph.ainvoke(
            Command(resume={"0" * 32: {"decisions": [{"type": "approve"}]}}), thread.config
        )
        await still_waiting(thread)

    async def test_verify_believes_no_payload(self, thread: Thread):
        await thread.decide()
        await thread.wake()
        assert await thread.waits_at() == ("verify",)
        thread.runs(failed_run(repairs=[901]))  # it failed, whatever the payload says
        await thread.wake({"outcome": "resolved", "result_state": "SUCCESS"})
        assert thread.incident.outcome is None
        assert (await thread.values())["attempt"] == 2

    async def test_an_invented_repair_by_somebody_resolves_nothing(self, thread: Thread):
        await thread.graph.aupdate_state(
            thread.config, {"route": "verify", "started": {"by": "someone"}}, as_node="act"
        )
        await thread.graph.ainvoke(None, thread.config)
        await still_waiting(thread)

    async def test_a_second_decision_does_not_change_the_first(self, thread: Thread):
        await thread.decide(DecisionKind.REJECT)
        with pytest.raises(Exception, match="already"):
            await thread.decide(DecisionKind.APPROVE)
        await thread.wake()
        assert thread.world.actions.sent == []
