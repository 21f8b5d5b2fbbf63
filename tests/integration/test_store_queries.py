"""The read side: pages, filters, what is due, what was counted."""

import pytest

from core.actions import Action, Proposal
from core.approvals import ClaimRequest
from core.errors import InvalidInput, NotFound
from core.incident import ApprovalStatus, Category, Decision, DecisionKind, Reviewer, Status
from store import cursors
from store.leases import Leases
from store.model_calls import ModelCalls
from store.queries import Queries
from store.signals import Signals
from store.sweeps import Sweeps
from tests.store_rows import ADMIN, ANNA, BEN, RETRY, START, VIEWER, Rows, proposed

APPLY = ClaimRequest(step="apply", call="update_job")
RESTORE = ClaimRequest(step="restore", call="update_job")
STOP = Proposal(action=Action.TERMINATE, params={"cancel_run": True})


def queries_of(rows: Rows) -> Queries:
    return Queries(rows.db, rows.clock)


async def test_pages_hold_each_incident_once_also_while_more_come(rows: Rows) -> None:
    ids = [await rows.incident(n) for n in range(1, 8)]  # all at the same time: the id decides
    queries, seen, cursor = queries_of(rows), [], None
    while True:
        page = await queries.incidents(limit=3, cursor=cursor)
        seen += [item.id for item in page.items]
        rows.clock.turn(seconds=1)
        await rows.incident(100 + len(seen))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(ids) and len(seen) == 7


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!", "W10", "WyIyMDI2IiwgMV0", cursors.encode.__name__, "W" * 5000, "\x00", "é"]
)
async def test_a_cursor_that_is_not_ours_is_refused(rows: Rows, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        await queries_of(rows).incidents(cursor=cursor)


async def test_incidents_are_found_by_what_is_known_of_them(rows: Rows) -> None:
    queries = queries_of(rows)
    network = await rows.incident(7)
    await rows.store.update_incident(
        network,
        status=Status.INVESTIGATING,
        diagnosis={"category": "network", "failure_class": "connection_reset", "root_cause": "100%_done"},
    )
    other = await rows.incident(12345, job_id=99, job_name="Ümläut job")
    await rows.store.close(other, by=ANNA.name)

    async def found(**filters: object) -> list[str]:
        return [item.id for item in (await queries.incidents(**filters)).items]  # type: ignore[arg-type]

    assert await found(category=Category.NETWORK) == [network]
    assert await found(status=[Status.CLOSED, Status.NEW]) == [other]
    assert await found(open_only=True) == [network]
    assert await found(job_id=99) == [other]
    for text in ("ümläut", "12345", "99", other, "  job "):
        assert other in await found(text=text)
    for text in ("100%_d", "RESET"):
        assert await found(text=text) == [network]
    for text in ("1%0", "nothing", "\x00", "'; DROP TABLE incidents; --"):
        assert await found(text=text) == []


async def test_one_incident_comes_with_all_that_hangs_on_it(rows: Rows) -> None:
    approval = await rows.approved()
    claim = await rows.store.claim(approval.id, "thread-7", START)
    await rows.store.put_artifact(approval.incident_id, "log", "text", key="k")
    await ModelCalls(rows.db, rows.clock).record(
        incident_id=approval.incident_id,
        model="m",
        prompt_sha256="0" * 64,
        input_tokens=1,
        output_tokens=1,
        usd=0.5,
    )
    detail = await queries_of(rows).incident(approval.incident_id)
    assert detail.incident.id == approval.incident_id
    assert [(a.id, a.claimed) for a in detail.approvals] == [(approval.id, True)]
    assert [c.id for c in detail.claims] == [claim.id]
    assert [a.name for a in detail.artifacts] == ["log"]
    assert detail.model_usd == 0.5
    with pytest.raises(NotFound):
        await queries_of(rows).incident("inc_none")


async def test_events_are_read_from_where_one_stopped(rows: Rows) -> None:
    queries = queries_of(rows)
    incident_id = await rows.incident()
    for n in range(5):
        await rows.store.add_event(incident_id, "k", {"n": n}, key=f"k/{n}")
    first = await queries.events(incident_id, limit=3)
    rest = await queries.events(incident_id, after=first[-1].id)
    assert [e.kind for e in first] == ["opened", "k", "k"]
    assert [e.data for e in rest] == [{"n": 2}, {"n": 3}, {"n": 4}]
    assert await queries.events(incident_id, after=rest[-1].id) == []
    with pytest.raises(NotFound):
        await queries.events("inc_none")


async def test_a_person_sees_the_approvals_that_are_theirs_to_decide(rows: Rows) -> None:
    queries = queries_of(rows)
    for run_id, approvers in ((7, [ANNA.name.upper()]), (8, [BEN.name]), (9, [])):
        await rows.store.propose(proposed(await rows.incident(run_id), approvers=approvers))
        rows.clock.turn(seconds=1)

    async def mine(reviewer: Reviewer) -> list[int]:
        return [item.incident.run_id for item in (await queries.approvals(reviewer=reviewer)).items]

    assert await mine(ANNA) == [9, 7]
    assert await mine(BEN) == [9, 8]
    assert await mine(ADMIN) == [9, 8, 7]
    assert await mine(VIEWER) == []
    assert await mine(Reviewer(name='"]', role="approver")) == [9]

    page = await queries.approvals(limit=2)
    following = await queries.approvals(limit=2, cursor=page.next_cursor)
    assert [i.incident.run_id for i in page.items + following.items] == [9, 8, 7]
    assert following.next_cursor is None
    asked = page.items[0].approval
    await rows.store.decide(asked.id, Decision(kind=DecisionKind.APPROVE), ANNA)
    pending = await queries.approvals(status=[ApprovalStatus.PENDING])
    assert [i.incident.run_id for i in pending.items] == [8, 7]
    assert (await queries.approval(asked.id)).approval.status is ApprovalStatus.APPROVED
    assert len((await queries.approvals(incident_id=asked.incident_id)).items) == 1
    with pytest.raises(NotFound):
        await queries.approval("apr_none")


async def test_everything_is_counted(rows: Rows) -> None:
    async def defer(raw: object, signal_id: str) -> None:
        return None

    approval = await rows.approved()
    await rows.store.claim(approval.id, "thread-7", START)
    await rows.store.propose(proposed(await rows.incident(8), notify=[ANNA.name]))
    await rows.store.close(await rows.incident(9), by=ANNA.name)
    await rows.store.update_incident(approval.incident_id, diagnosis={"category": "network"})
    await Signals(rows.db, rows.clock, defer).receive("webhook", key="k", run_id=1)
    rows.clock.turn(seconds=90)
    counts = await queries_of(rows).counts()
    assert counts.by_status == {"acting": 1, "new": 1, "closed": 1}
    assert counts.open_by_category == {"network": 1, "": 1}
    assert (counts.approvals_pending, counts.oldest_pending_seconds) == (1, 90)
    assert (counts.outbox_pending, counts.outbox_failed) == (1, 0)
    assert (counts.signals_open, counts.claims_unsettled) == (1, 1)


# The sweeps


async def test_an_incident_is_due_when_its_time_has_come_and_nobody_has_it(rows: Rows) -> None:
    sweeps, leases = Sweeps(rows.db, rows.clock), Leases(rows.db)
    incident_id = await rows.incident()

    async def due() -> list[str]:
        return [item.id for item in await sweeps.due()]

    assert await due() == []
    rows.clock.turn(seconds=60)
    assert await due() == [incident_id], "its first job may be lost"
    await rows.store.snooze(incident_id, rows.clock.now().replace(year=2100))
    assert await due() == []
    await rows.store.update_incident(incident_id, status=Status.VERIFYING)
    assert await due() == [incident_id]
    lease = await leases.acquire(incident_id, "w", 30)
    assert lease and await due() == []
    await leases.release(lease)
    await rows.store.finish(incident_id, "escalated")
    assert await due() == []
    await rows.store.snooze(incident_id, rows.clock.now())
    assert await due() == [incident_id], "left to people, a good run may still end it"
    await rows.store.close(incident_id, by=ANNA.name)
    await rows.store.snooze(incident_id, rows.clock.now())
    assert await due() == []


async def test_a_waiting_incident_is_due_when_its_approval_expires(rows: Rows) -> None:
    asked = await rows.store.propose(proposed(await rows.incident(), ttl_seconds=3600))
    sweeps = Sweeps(rows.db, rows.clock)
    rows.clock.turn(seconds=3599)
    assert await sweeps.due() == []
    rows.clock.turn(seconds=1)
    assert [item.id for item in await sweeps.due()] == [asked.incident_id]


async def test_settings_that_nobody_put_back_are_found(rows: Rows) -> None:
    sweeps = Sweeps(rows.db, rows.clock)
    approval = await rows.approved()
    applied = await rows.store.claim(approval.id, "thread-7", APPLY)
    await rows.store.record_claim(applied.id, "sending", {})
    assert await sweeps.unrestored() == [], "its graph is still at it"
    await rows.store.broken(approval.incident_id, "bug")
    assert [c.id for c in await sweeps.unrestored()] == [applied.id]
    rows.clock.turn(seconds=59)
    assert await sweeps.unrestored(older_than_seconds=60) == []
    await rows.store.finish(approval.incident_id, "escalated")
    assert [c.id for c in await sweeps.unrestored()] == [applied.id]
    restore = await rows.store.claim(approval.id, "thread-7", RESTORE)
    assert [c.id for c in await sweeps.unrestored()] == [applied.id]
    await rows.store.record_claim(restore.id, "done", {})
    assert await sweeps.unrestored() == []


async def test_a_later_attempt_does_not_hide_settings_of_an_earlier(rows: Rows) -> None:
    approval = await rows.approved()
    applied = await rows.store.claim(approval.id, "thread-7", APPLY)
    await rows.store.record_claim(applied.id, "done", {})
    await rows.store.update_incident(approval.incident_id, attempt=2)
    assert [c.id for c in await Sweeps(rows.db, rows.clock).unrestored()] == [applied.id]


async def test_an_unknown_run_of_a_job_with_an_open_claim_has_to_wait(rows: Rows) -> None:
    sweeps = Sweeps(rows.db, rows.clock)
    workspace = "https://w.example.com"
    approval = await rows.approved()
    claim = await rows.store.claim(approval.id, "thread-7", START)
    assert [c.id for c in await sweeps.open_claims(workspace, job_id=3)] == [claim.id]
    assert [c.id for c in await sweeps.open_claims(workspace, run_id=7)] == [claim.id]
    assert await sweeps.open_claims(workspace, job_id=4, run_id=8) == []
    assert await sweeps.open_claims("https://other.example.com") == []
    await rows.store.record_claim(claim.id, "done", {"repair_id": 1})
    assert await sweeps.open_claims(workspace) == []


async def test_what_is_left_to_people_and_what_has_ended(rows: Rows) -> None:
    sweeps = Sweeps(rows.db, rows.clock)
    escalated, resolved = await rows.incident(7), await rows.incident(8)
    await rows.incident(9)
    await rows.store.finish(escalated, "escalated")
    await rows.store.finish(resolved, "resolved")
    left = await sweeps.left_to_people("https://w.example.com", job_id=3)
    assert [item.id for item in left] == [escalated]
    assert await sweeps.left_to_people("https://w.example.com", job_id=4) == []
    ended = await sweeps.ended(limit=1)
    ended += await sweeps.ended(after=ended[-1].id)
    assert [item.id for item in ended] == sorted([escalated, resolved])


# What actions led to


async def attempt(
    rows: Rows,
    incident_id: str,
    number: int,
    result: str | None,
    proposal: Proposal = RETRY,
    *,
    claimed: str = "done",
    others_repair: int | None = None,
) -> None:
    """One approved attempt, begun; its run ended with `result` (None: nobody looked)."""
    asked = await rows.store.propose(proposed(incident_id, proposal, attempt=number))
    await rows.store.decide(asked.id, Decision(kind=DecisionKind.APPROVE), ANNA)
    step = "stop" if proposal is STOP else "start"
    run = (await rows.store.incident(incident_id)).run_id
    claim = await rows.store.claim(asked.id, f"thread-{run}", ClaimRequest(step=step, call="repair_run"))
    ours = None if proposal is STOP else run * 100 + number
    await rows.store.record_claim(claim.id, claimed, {"repair_id": ours})
    if result:
        data = {"attempt": number, "result_state": result, "repair_id": others_repair or ours or 0}
        await rows.store.add_event(incident_id, "verified", data, key=f"verified/{number}")


async def failing(rows: Rows, run_id: int, failure_class: str = "connection_reset") -> str:
    incident_id = await rows.incident(run_id)
    await rows.store.update_incident(incident_id, diagnosis={"failure_class": failure_class})
    return incident_id


async def test_only_verified_outcomes_count(rows: Rows) -> None:
    async def stats(action: str = "RETRY", failure_class: str = "connection_reset") -> tuple[int, int]:
        return await rows.store.class_stats(failure_class, action)

    assert await stats() == (0, 0)
    second_time = await failing(rows, 1)
    await attempt(rows, second_time, 1, "FAILED")
    await attempt(rows, second_time, 2, "SUCCESS")
    assert await stats() == (0, 0), "it has not ended"
    await rows.store.finish(second_time, "resolved")
    assert await stats() == (1, 2)

    gave_up = await failing(rows, 2)
    await attempt(rows, gave_up, 1, "FAILED")
    await rows.store.finish(gave_up, "escalated")
    assert await stats() == (1, 3)

    overtaken = await failing(rows, 3)
    await attempt(rows, overtaken, 1, "SUCCESS", others_repair=999)
    await rows.store.finish(overtaken, "resolved_elsewhere")
    unknown = await failing(rows, 4)
    await attempt(rows, unknown, 1, None)
    await rows.store.finish(unknown, "closed")
    refused = await failing(rows, 9)
    await attempt(rows, refused, 1, "FAILED", claimed="failed")
    await rows.store.finish(refused, "escalated")
    rejected = await failing(rows, 5)
    asked = await rows.store.propose(proposed(rejected))
    await rows.store.decide(asked.id, Decision(kind=DecisionKind.REJECT), ANNA)
    await rows.store.finish(rejected, "rejected")
    assert await stats() == (1, 3), "another's repair, an unknown result and refusals say nothing"

    await rows.store.finish(gave_up, "resolved_elsewhere")
    assert await stats() == (1, 3), "that somebody mended it later does not make our failure undone"

    soft = await failing(rows, 6)
    await attempt(rows, soft, 1, "SUCCESS")
    await attempt(rows, soft, 2, "SUCCESS")
    await rows.store.finish(soft, "resolved")
    assert await stats() == (2, 5), "SUCCESS with a bad exit value led to another attempt: it failed"

    assert await stats(failure_class="disk_full") == (0, 0)
    assert await stats(action="TERMINATE") == (0, 0)
    burning = await failing(rows, 8)
    await attempt(rows, burning, 1, "CANCELED", STOP)
    await rows.store.finish(burning, "terminated")
    assert await stats(action="TERMINATE") == (1, 1)
