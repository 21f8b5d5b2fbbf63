"""Deciding: once, by those who may, in time, on what they saw; and the wake-up with it or not at all."""

import asyncio
import math
from typing import Any

import pytest

from core.actions import Action, Proposal, RetryWithNewParams, payload_sha256
from core.errors import Conflict, Forbidden, Gone, InvalidInput, NotFound
from core.incident import Approval, ApprovalStatus, Decision, DecisionKind, Reviewer
from store.store import Store
from tests.store_rows import ADMIN, ANNA, BEN, START, VIEWER, Rows, check_edit, proposed
from wiring.queue import waker

APPROVE = Decision(kind=DecisionKind.APPROVE)
REJECT = Decision(kind=DecisionKind.REJECT, comment="not at night")
MORE_WORKERS = Proposal(
    action=Action.RETRY_WITH_NEW_PARAMS,
    params={"settings": [{"path": "tasks[a].new_cluster.num_workers", "current": 2, "proposed": 4}]},
)


def workers(count: object) -> dict[str, object]:
    return {"settings": [{"path": "tasks[a].new_cluster.num_workers", "current": 2, "proposed": count}]}


async def pending(rows: Rows, proposal: Proposal | None = None, **fields: Any) -> Approval:
    incident_id = await rows.incident()
    new = proposed(incident_id, proposal, **fields) if proposal else proposed(incident_id, **fields)
    return await rows.store.propose(new)


async def test_a_decision_is_kept_with_who_when_and_how_and_wakes_the_incident(rows: Rows) -> None:
    asked = await pending(rows)
    decided = await rows.store.decide(asked.id, APPROVE.model_copy(update={"comment": "go"}), ANNA)

    assert decided.status is ApprovalStatus.APPROVED
    assert (decided.decided_by, decided.channel, decided.comment) == (ANNA.name, "console", "go")
    assert decided.decided_at == rows.clock.now().isoformat()
    assert await rows.store.approval(asked.id) == decided
    assert rows.jobs() == [asked.incident_id]
    assert rows.events(asked.incident_id) == ["opened", "approval_requested", "decided"]


async def test_the_same_decision_again_is_the_first_and_wakes_nobody(rows: Rows) -> None:
    asked = await pending(rows)
    first = await rows.store.decide(asked.id, APPROVE, ANNA)
    rows.clock.turn(seconds=5)
    again = await rows.store.decide(
        asked.id, APPROVE.model_copy(update={"payload_sha256": asked.payload_sha256}), ANNA
    )
    assert again == first
    assert rows.jobs() == [asked.incident_id]
    assert rows.events(asked.incident_id).count("decided") == 1


@pytest.mark.parametrize(("decision", "reviewer"), [(REJECT, ANNA), (APPROVE, BEN), (REJECT, ADMIN)])
async def test_another_decision_hears_who_was_first(
    rows: Rows, decision: Decision, reviewer: Reviewer
) -> None:
    asked = await pending(rows)
    await rows.store.decide(asked.id, APPROVE.model_copy(update={"comment": "go"}), ANNA)
    with pytest.raises(Conflict) as refused:
        await rows.store.decide(asked.id, decision, reviewer)
    for fact in (ANNA.name, "approved", rows.clock.now().isoformat(), "console", "go"):
        assert fact in str(refused.value)
    assert (await rows.store.approval(asked.id)).status is ApprovalStatus.APPROVED
    assert rows.jobs() == [asked.incident_id]


async def test_too_late_is_gone_and_the_row_can_only_expire(rows: Rows) -> None:
    asked = await pending(rows, ttl_seconds=60)
    rows.clock.turn(seconds=60)
    with pytest.raises(Gone, match="ended at"):
        await rows.store.decide(asked.id, APPROVE, ANNA)
    assert (await rows.store.expire(asked.id, rows.clock.now())).status is ApprovalStatus.EXPIRED
    with pytest.raises(Gone):
        await rows.store.decide(asked.id, APPROVE, ADMIN)
    assert rows.jobs() == []


async def test_nothing_expires_before_its_time_or_after_its_decision(rows: Rows) -> None:
    asked = await pending(rows, ttl_seconds=60)
    assert (await rows.store.expire(asked.id, rows.clock.now())).status is ApprovalStatus.PENDING
    await rows.store.decide(asked.id, APPROVE, ANNA)
    rows.clock.turn(days=1)
    assert (await rows.store.expire(asked.id, rows.clock.now())).status is ApprovalStatus.APPROVED


async def test_a_decision_on_another_payload_is_refused(rows: Rows) -> None:
    asked = await pending(rows)
    with pytest.raises(Conflict, match="not the one"):
        await rows.store.decide(asked.id, APPROVE.model_copy(update={"payload_sha256": "0" * 64}), ANNA)
    assert (await rows.store.approval(asked.id)).status is ApprovalStatus.PENDING


@pytest.mark.parametrize(
    "reviewer",
    [
        VIEWER,
        BEN,
        Reviewer(name=ANNA.name, role="viewer"),
        Reviewer(name=ANNA.name, role="rule"),
    ],
)
async def test_who_is_not_an_approver_of_this_job_may_not(rows: Rows, reviewer: Reviewer) -> None:
    asked = await pending(rows, approvers=[ANNA.name])
    with pytest.raises(Forbidden):
        await rows.store.decide(asked.id, APPROVE, reviewer)
    assert (await rows.store.approval(asked.id)).status is ApprovalStatus.PENDING


@pytest.mark.parametrize("reviewer", [ANNA, ANNA.model_copy(update={"name": "Anna@Example.com"}), ADMIN])
async def test_the_policys_approvers_and_admins_may(rows: Rows, reviewer: Reviewer) -> None:
    asked = await pending(rows, approvers=[ANNA.name])
    assert (await rows.store.decide(asked.id, APPROVE, reviewer)).decided_by == reviewer.name


async def test_who_may_not_is_not_told_who_decided(rows: Rows) -> None:
    asked = await pending(rows)
    await rows.store.decide(asked.id, APPROVE, ANNA)
    with pytest.raises(Forbidden) as refused:
        await rows.store.decide(asked.id, APPROVE, VIEWER)
    assert ANNA.name not in str(refused.value)


async def test_an_edit_is_a_new_payload_and_the_trail_has_both(rows: Rows) -> None:
    asked = await pending(rows, MORE_WORKERS)
    edit = Decision(kind=DecisionKind.EDIT, params=workers(8), payload_sha256=asked.payload_sha256)
    edited = await rows.store.decide(asked.id, edit, ANNA)

    params = RetryWithNewParams.model_validate(workers(8))
    expected = payload_sha256(asked.incident_id, 1, Action.RETRY_WITH_NEW_PARAMS, params)
    assert edited.status is ApprovalStatus.EDITED
    assert edited.payload_sha256 == expected != asked.payload_sha256
    assert edited.proposal.params["settings"][0]["proposed"] == 8
    assert edited.proposal.origin == "person"
    assert await rows.store.decide(asked.id, edit, ANNA) == edited
    ((before, after),) = rows.sql(
        "SELECT data->'params_before', data->'params_after' FROM events WHERE kind = 'decided'"
    )
    assert (before["settings"][0]["proposed"], after["settings"][0]["proposed"]) == (4, 8)
    with pytest.raises(Conflict, match="edited"):
        await rows.store.decide(asked.id, edit.model_copy(update={"params": workers(9)}), ANNA)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        (None, "edited parameters"),
        ({"settings": [], "job_id": 1}, "job_id"),
        ({"settings": [{"path": "p", "proposed": [1]}]}, "settings"),
        (workers(65), "at most 64 in nightly load"),
        (workers(math.inf), "finite"),
        ({"job_parameters": {"a": "\x00"}}, "NUL"),
    ],
)
async def test_an_edit_must_fit_the_action_and_the_policy(rows: Rows, params: object, named: str) -> None:
    asked = await pending(rows, MORE_WORKERS)
    edit = Decision.model_construct(kind=DecisionKind.EDIT, params=params)
    with pytest.raises(InvalidInput, match=named):
        await rows.store.decide(asked.id, edit, ANNA)
    assert await rows.store.approval(asked.id) == asked


async def test_an_edit_may_not_smuggle_in_another_action(rows: Rows) -> None:
    asked = await pending(rows)
    edit = Decision(kind=DecisionKind.EDIT, action="TERMINATE", params={"cancel_run": True})
    with pytest.raises(Conflict, match="RETRY into TERMINATE"):
        await rows.store.decide(asked.id, edit, ADMIN)
    with pytest.raises(InvalidInput):
        await rows.store.decide(asked.id, edit.model_copy(update={"action": None}), ADMIN)
    assert await rows.store.approval(asked.id) == asked


@pytest.mark.parametrize(
    "decision",
    [
        Decision(kind=DecisionKind.APPROVE, then="terminate"),
        Decision(kind=DecisionKind.RESPOND, comment="  "),
    ],
)
async def test_a_decision_must_be_whole(rows: Rows, decision: Decision) -> None:
    asked = await pending(rows)
    with pytest.raises(InvalidInput):
        await rows.store.decide(asked.id, decision, ANNA)


async def test_a_rejection_can_take_the_incident_over(rows: Rows) -> None:
    asked = await pending(rows)
    decided = await rows.store.decide(asked.id, REJECT.model_copy(update={"then": "take_over"}), ANNA)
    row = await rows.store.incident(asked.incident_id)
    assert (decided.status, decided.then) == (ApprovalStatus.REJECTED, "take_over")
    assert (row.taken_over_by, row.status) == (ANNA.name, "taken_over")


async def test_fifty_at_once_and_one_decides(rows: Rows) -> None:
    asked = await pending(rows)

    async def one(number: int) -> Approval | Conflict:
        try:
            return await rows.store.decide(
                asked.id, APPROVE, Reviewer(name=f"p{number}@example.com", role="approver")
            )
        except Conflict as error:
            return error

    answers = await asyncio.gather(*(one(number) for number in range(50)))
    winners = [a for a in answers if isinstance(a, Approval)]
    assert len(winners) == 1
    assert all(str(winners[0].decided_by) in str(a) for a in answers if isinstance(a, Conflict))
    assert rows.jobs() == [asked.incident_id]
    assert rows.events(asked.incident_id).count("decided") == 1


async def test_decision_and_wake_up_are_both_or_neither(rows: Rows) -> None:
    asked = await pending(rows)
    queue_it = waker(rows.queue)

    async def queue_and_fail(raw: object, incident_id: str) -> None:
        await queue_it(raw, incident_id)
        raise RuntimeError("after the job was queued")

    broken = Store(rows.db, rows.clock, queue_and_fail, check_edit=check_edit)
    with pytest.raises(RuntimeError):
        await broken.decide(asked.id, APPROVE, ANNA)
    assert rows.jobs() == []
    assert await rows.store.approval(asked.id) == asked
    assert rows.events(asked.incident_id) == ["opened", "approval_requested"]


async def test_a_new_proposal_supersedes_what_is_open_but_not_what_was_begun(rows: Rows) -> None:
    first = await pending(rows)
    second = await rows.store.propose(proposed(first.incident_id, MORE_WORKERS, revision=2))
    assert (await rows.store.approval(first.id)).status is ApprovalStatus.SUPERSEDED
    with pytest.raises(Conflict, match="superseded"):
        await rows.store.decide(first.id, APPROVE, ANNA)

    await rows.store.decide(second.id, APPROVE, ANNA)
    third = await rows.store.propose(proposed(first.incident_id, revision=3))
    assert (await rows.store.approval(second.id)).status is ApprovalStatus.SUPERSEDED, "approved, not begun"

    await rows.store.decide(third.id, APPROVE, ANNA)
    await rows.store.claim(third.id, "thread-7", START)
    await rows.store.propose(proposed(first.incident_id, attempt=2))
    kept = await rows.store.approval(third.id)
    assert (kept.status, kept.claimed) == (ApprovalStatus.APPROVED, True)
    assert (await rows.store.supersede(third.id)).status is ApprovalStatus.APPROVED


async def test_proposing_twice_is_one_row_and_one_notice_each(rows: Rows) -> None:
    incident_id = await rows.incident()
    new = proposed(incident_id, notify=[ANNA.name, "ANNA@example.com ", BEN.name])
    both = await asyncio.gather(rows.store.propose(new), rows.store.propose(new))
    assert both[0].id == both[1].id
    await rows.store.decide(both[0].id, APPROVE, ANNA)
    assert (await rows.store.propose(new)).status is ApprovalStatus.APPROVED
    notices = rows.sql(
        "SELECT kind, recipient, payload->>'approval_id' FROM outbox WHERE kind = 'approval' ORDER BY recipient"
    )
    assert notices == [("approval", ANNA.name, both[0].id), ("approval", BEN.name, both[0].id)]


async def test_an_edited_proposal_is_still_the_one_that_was_proposed(rows: Rows) -> None:
    new = proposed(await rows.incident(), MORE_WORKERS)
    asked = await rows.store.propose(new)
    edited = await rows.store.decide(asked.id, Decision(kind=DecisionKind.EDIT, params=workers(8)), ANNA)
    assert await rows.store.propose(new) == edited


async def test_a_rule_decides_at_once_under_its_own_name(rows: Rows) -> None:
    rule = "policy: network x RETRY, granted by cto@example.com"
    given = await rows.store.propose(
        proposed(await rows.incident(), decided_by_rule=rule, notify=[ANNA.name])
    )
    assert (given.status, given.decided_by, given.channel) == (ApprovalStatus.APPROVED, rule, "policy")
    assert rows.sql("SELECT count(*) FROM outbox") == [(0,)]
    assert rows.events(given.incident_id) == ["opened", "approval_requested", "decided"]
    with pytest.raises(Conflict, match="granted by"):
        await rows.store.decide(given.id, REJECT, ANNA)


async def test_a_proposal_comes_with_the_hash_of_its_parameters(rows: Rows) -> None:
    new = proposed(await rows.incident()).model_copy(update={"payload_sha256": "0" * 64})
    with pytest.raises(InvalidInput, match="hash"):
        await rows.store.propose(new)


async def test_nothing_is_asked_about_a_finished_incident(rows: Rows) -> None:
    asked = await pending(rows)
    await rows.store.finish(asked.incident_id, "resolved_elsewhere")
    assert (await rows.store.approval(asked.id)).status is ApprovalStatus.SUPERSEDED
    with pytest.raises(Conflict, match="resolved_elsewhere"):
        await rows.store.propose(proposed(asked.incident_id, revision=2))


async def test_what_does_not_exist_is_not_found(rows: Rows) -> None:
    with pytest.raises(NotFound):
        await rows.store.decide("apr_none\x00", APPROVE, ANNA)
    with pytest.raises(NotFound):
        await rows.store.approval("apr_none")
