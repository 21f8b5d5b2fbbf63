"""Acting: only on an approved row, whole, of this thread; each step once; never by a worker that lost its turn."""

import asyncio
import json

import pytest

from core.approvals import Claim, ClaimRequest
from core.errors import Conflict, LeaseLost, NotAuthorised, NotFound
from core.incident import ApprovalStatus, Decision, DecisionKind
from store.leases import Leases
from store.models import RunState
from store.runs import Runs
from tests.store_rows import ANNA, START, Rows, proposed, run_facts

THREAD = "thread-7"
RESTORE = ClaimRequest(step="restore", call="update_job", request={"apply": "clm_x"})
APPLY = ClaimRequest(step="apply", call="update_job", before={"workers": 2}, request={"workers": 4})


async def refused(rows: Rows, approval_id: str, thread_id: str = THREAD) -> str:
    """Why both `authorised` and `claim` say no, in the same words; nothing may have been claimed."""
    with pytest.raises(NotAuthorised) as by_reading:
        await rows.store.authorised(approval_id, thread_id)
    with pytest.raises(NotAuthorised) as by_claiming:
        await rows.store.claim(approval_id, thread_id, START)
    assert str(by_reading.value) == str(by_claiming.value)
    assert rows.sql("SELECT count(*) FROM claims") == [(0,)]
    return str(by_claiming.value)


async def test_an_approved_row_can_be_claimed_and_the_claim_says_what_will_be_sent(rows: Rows) -> None:
    approval = await rows.approved()
    assert (await rows.store.authorised(approval.id, THREAD)).id == approval.id
    claim = await rows.store.claim(approval.id, THREAD, START)
    assert claim.fresh and claim.status == "claimed" and len(claim.id) <= 64
    assert (claim.before, claim.request) == (START.before, START.request)
    again = await rows.store.claim(approval.id, THREAD, START)
    assert again == claim.model_copy(update={"fresh": False})
    assert (await rows.store.approval(approval.id)).claimed
    assert rows.events(approval.incident_id).count("claimed") == 1


@pytest.mark.parametrize(
    "kind", [None, DecisionKind.REJECT, DecisionKind.RESPOND], ids=["pending", "rejected", "responded"]
)
async def test_only_yes_lets_act(rows: Rows, kind: DecisionKind | None) -> None:
    asked = await rows.store.propose(proposed(await rows.incident()))
    if kind:
        await rows.store.decide(asked.id, Decision(kind=kind, comment="look at the table"), ANNA)
    status = (await rows.store.approval(asked.id)).status
    assert f"is {status.value}, not approved" in await refused(rows, asked.id)


async def test_an_expired_or_superseded_row_lets_nobody_act(rows: Rows) -> None:
    asked = await rows.store.propose(proposed(await rows.incident(), ttl_seconds=1))
    rows.clock.turn(seconds=2)
    await rows.store.expire(asked.id, rows.clock.now())
    assert "expired" in await refused(rows, asked.id)
    old = await rows.store.propose(proposed(asked.incident_id, revision=2))
    await rows.store.decide(old.id, Decision(kind=DecisionKind.APPROVE), ANNA)
    await rows.store.propose(proposed(asked.incident_id, revision=3))
    assert "superseded" in await refused(rows, old.id)


@pytest.mark.parametrize("thread_id", ["", "thread-8", "THREAD-7"])
async def test_another_thread_may_not_use_the_approval(rows: Rows, thread_id: str) -> None:
    approval = await rows.approved()
    await rows.incident(8)
    assert "another thread" in await refused(rows, approval.id, thread_id)


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"task_keys": ["load", "drop_everything"]}},
        {"action": "TERMINATE", "params": {}},
        {"action": "RETRY", "params": {"task_keys": "load"}},
    ],
)
async def test_a_row_changed_behind_our_back_lets_nobody_act(rows: Rows, change: dict[str, object]) -> None:
    approval = await rows.approved()
    tampered = {**approval.proposal.model_dump(mode="json"), **change}
    rows.sql("UPDATE approvals SET proposal = %s WHERE id = %s", json.dumps(tampered), approval.id)
    assert approval.id in await refused(rows, approval.id)


@pytest.mark.parametrize("how", ["mute", "take_over", "close"])
async def test_who_steps_in_after_the_approval_stops_the_action(rows: Rows, how: str) -> None:
    approval = await rows.approved()
    await getattr(rows.store, how)(approval.incident_id, by=ANNA.name)
    await refused(rows, approval.id)
    assert (await rows.store.approval(approval.id)).status is ApprovalStatus.SUPERSEDED


async def test_a_finished_incident_is_not_acted_on_again_but_settings_are_put_back(rows: Rows) -> None:
    approval = await rows.approved()
    await rows.store.claim(approval.id, THREAD, APPLY)
    await rows.store.close(approval.incident_id, by=ANNA.name)
    with pytest.raises(NotAuthorised, match="closed already"):
        await rows.store.claim(approval.id, THREAD, APPLY)
    assert (await rows.store.claim(approval.id, THREAD, RESTORE)).fresh


async def test_twenty_at_once_and_one_claim(rows: Rows) -> None:
    approval = await rows.approved()
    taken: list[Claim] = await asyncio.gather(
        *(rows.store.claim(approval.id, THREAD, START) for _ in range(20))
    )
    assert len({claim.id for claim in taken}) == 1
    assert [claim.fresh for claim in taken].count(True) == 1


async def test_claim_against_supersede_has_one_winner(rows: Rows) -> None:
    for run_id in range(20, 30):
        approval = await rows.approved(run_id)
        results = await asyncio.gather(
            rows.store.claim(approval.id, f"thread-{run_id}", START),
            rows.store.supersede(approval.id),
            return_exceptions=True,
        )
        row = await rows.store.approval(approval.id)
        claimed = isinstance(results[0], Claim)
        assert row.claimed == claimed
        assert row.status is (ApprovalStatus.APPROVED if claimed else ApprovalStatus.SUPERSEDED)


async def test_steps_and_attempts_have_claims_of_their_own_in_their_order(rows: Rows) -> None:
    approval = await rows.approved()
    for request in (APPLY, START):
        assert (await rows.store.claim(approval.id, THREAD, request)).fresh
    second = await rows.store.propose(proposed(approval.incident_id, attempt=2))
    await rows.store.decide(second.id, Decision(kind=DecisionKind.APPROVE), ANNA)
    assert (await rows.store.claim(second.id, THREAD, START)).fresh
    claims = await rows.store.claims(approval.incident_id)
    assert [(c.attempt, c.step) for c in claims] == [(1, "apply"), (1, "start"), (2, "start")]
    assert [c.step for c in await rows.store.claims(approval.incident_id, 2)] == ["start"]


# Leases


async def test_one_holds_the_lease_until_it_ends_or_is_given_back(rows: Rows) -> None:
    leases = Leases(rows.db)
    incident_id = await rows.incident()
    held = [
        lease
        for lease in await asyncio.gather(*(leases.acquire(incident_id, f"w{n}", 30) for n in range(20)))
        if lease
    ]
    assert len(held) == 1
    assert await leases.acquire(incident_id, held[0].holder, 30) is None, "not even by the same name"
    assert await leases.renew(held[0], 30)
    assert await leases.release(held[0])
    following = await leases.acquire(incident_id, "w", 0)
    assert following and following.epoch == held[0].epoch + 1
    assert await leases.acquire(incident_id, "v", 30), "the lease of 0 s is over"
    assert not await leases.renew(following, 30)
    assert not await leases.release(following)
    with pytest.raises(NotFound):
        await leases.acquire("inc_none", "w", 30)


async def test_a_worker_that_lost_its_lease_changes_nothing(rows: Rows) -> None:
    leases = Leases(rows.db)
    approval = await rows.approved()
    late = await leases.acquire(approval.incident_id, "late", 0)
    current = await leases.acquire(approval.incident_id, "current", 30)
    assert late and current
    store = rows.store.under(late)
    before = await rows.store.incident(approval.incident_id)
    for attempt in (
        store.claim(approval.id, THREAD, START),
        store.authorised(approval.id, THREAD),
        store.update_incident(approval.incident_id, status=None, attempt=9),
        store.propose(proposed(approval.incident_id, revision=2)),
        store.expire(approval.id, rows.clock.now()),
        store.finish(approval.incident_id, "resolved"),
        store.notify(approval.incident_id, "escalation", ["x@example.com"], key="k"),
        store.open_incident(run_facts(), thread_id=THREAD),
        store.snooze(approval.incident_id, rows.clock.now()),
    ):
        with pytest.raises(LeaseLost):
            await attempt
    assert await rows.store.incident(approval.incident_id) == before
    assert (await rows.store.under(current).claim(approval.id, THREAD, START)).fresh


async def test_a_lease_is_for_one_incident(rows: Rows) -> None:
    approval = await rows.approved()
    other = await Leases(rows.db).acquire(await rows.incident(8), "w", 30)
    assert other
    with pytest.raises(LeaseLost):
        await rows.store.under(other).claim(approval.id, THREAD, START)


async def test_without_a_lease_one_acts_only_while_nobody_has_one(rows: Rows) -> None:
    leases = Leases(rows.db)
    approval = await rows.approved()
    held = await leases.acquire(approval.incident_id, "worker", 30)
    assert held
    with pytest.raises(LeaseLost, match="worker"):
        await rows.store.claim(approval.id, THREAD, START)
    await leases.release(held)
    assert (await rows.store.claim(approval.id, THREAD, START)).fresh


async def test_a_lease_that_ran_out_still_counts_until_another_has_it(rows: Rows) -> None:
    approval = await rows.approved()
    lease = await Leases(rows.db).acquire(approval.incident_id, "slow", 0)
    assert lease
    assert (await rows.store.under(lease).claim(approval.id, THREAD, START)).fresh


# What became of it


async def test_what_a_claim_started_belongs_to_its_incident(rows: Rows) -> None:
    approval = await rows.approved()
    claim = await rows.store.claim(approval.id, THREAD, START)
    await rows.store.record_claim(claim.id, "sending", {})
    await rows.store.record_claim(claim.id, "done", {"state": "done", "run_id": None, "repair_id": 77})
    again = await rows.store.open_incident(run_facts(repair_id=77), thread_id=None, source="webhook")
    assert again.id == approval.incident_id
    runs = Runs(rows.db, rows.clock)
    assert await runs.seen("https://w.example.com", 7, 77) == (RunState.OURS, approval.incident_id)
    other = await rows.store.open_incident(run_facts(repair_id=78), thread_id=None, source="webhook")
    assert other.id != approval.incident_id, "somebody else's repair failed"


async def test_what_took_effect_stays_done(rows: Rows) -> None:
    approval = await rows.approved()
    claim = await rows.store.claim(approval.id, THREAD, APPLY)
    await rows.store.record_claim(claim.id, "done", {"ok": True})
    for status in ("claimed", "sending", "failed", "unknown"):
        with pytest.raises(Conflict, match="done"):
            await rows.store.record_claim(claim.id, status, {})
    await rows.store.record_claim(claim.id, "restored", {"ok": True})
    (kept,) = await rows.store.claims(approval.incident_id)
    assert (kept.status, kept.result) == ("restored", {"ok": True})
    with pytest.raises(NotFound):
        await rows.store.record_claim("clm_none", "done", {})


async def test_what_happened_is_recorded_also_by_a_worker_that_lost_its_lease(rows: Rows) -> None:
    leases = Leases(rows.db)
    approval = await rows.approved()
    late = await leases.acquire(approval.incident_id, "late", 0)
    assert late
    claim = await rows.store.under(late).claim(approval.id, THREAD, START)
    await leases.acquire(approval.incident_id, "current", 30)
    await rows.store.under(late).record_claim(claim.id, "done", {"repair_id": 5})
    assert (await rows.store.claims(approval.incident_id))[0].status == "done"
