"""One suite over the real store and over the fake that the graph's tests run on, so that they can't drift apart."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from core.actions import Action, Proposal
from core.approvals import ClaimRequest
from core.errors import Conflict, Forbidden, Gone, InvalidInput, NotAuthorised, NotFound
from core.incident import Approval, ApprovalStatus, Decision, DecisionKind, Reviewer, Status
from store.store import Store
from tests.fakes.store import FakeStore
from tests.store_rows import ADMIN, ANNA, BEN, RETRY, START, VIEWER, Rows, TurnedClock, proposed, run_facts

APPROVE = Decision(kind=DecisionKind.APPROVE)
REJECT = Decision(kind=DecisionKind.REJECT)


@dataclass
class Either:
    """One of the two, with a way to see what the protocol does not show."""

    store: Store | FakeStore
    clock: TurnedClock
    events: Callable[[str], list[str]]
    messages: Callable[[], int]

    async def incident(self) -> str:
        return (await self.store.open_incident(run_facts(), thread_id="t")).id

    async def pending(self, **fields: Any) -> Approval:
        return await self.store.propose(proposed(await self.incident(), **fields))


@pytest.fixture(params=["real", "fake"])
async def either(request: pytest.FixtureRequest, rows: Rows) -> AsyncIterator[Either]:
    if request.param == "real":
        yield Either(
            rows.store,
            rows.clock,
            lambda i: rows.events(i)[1:],
            lambda: rows.sql("SELECT count(*) FROM outbox")[0][0],
        )
    else:
        fake = FakeStore(rows.clock)
        yield Either(fake, rows.clock, fake.kinds, lambda: len(fake.messages))


async def test_an_incident_is_found_again_and_keeps_its_thread(either: Either) -> None:
    opened = await either.store.open_incident(run_facts(), thread_id=None)
    assert (opened.thread_id, opened.status, opened.muted, opened.taken_over_by) == (None, "new", False, None)
    bound = await either.store.open_incident(run_facts(), thread_id="t", incident_id=opened.id)
    assert (bound.id, bound.thread_id) == (opened.id, "t")
    assert (await either.store.open_incident(run_facts(), thread_id=None)).thread_id == "t"
    with pytest.raises(Conflict):
        await either.store.open_incident(run_facts(), thread_id="u")
    other = await either.store.open_incident(run_facts(repair_id=9), thread_id=None)
    assert other.id != opened.id and other.latest_repair_id == 9
    with pytest.raises(NotFound):
        await either.store.incident("inc_none")


async def test_the_first_event_of_a_key_stands(either: Either) -> None:
    incident_id = await either.incident()
    for kind in ("a", "b", "c"):
        await either.store.add_event(incident_id, kind, {}, key="same" if kind != "b" else "other")
    assert either.events(incident_id) == ["a", "b"]


async def test_artifacts_are_found_by_their_key(either: Either) -> None:
    incident_id = await either.incident()
    artifact = await either.store.put_artifact(incident_id, "log", "text", key="1/log")
    assert await either.store.get_artifact(artifact) == "text"
    assert await either.store.find_artifact(incident_id, "1/log") == "text"
    assert await either.store.find_artifact(incident_id, "2/log") is None
    assert await either.store.attachments(incident_id) == {}
    with pytest.raises(NotFound):
        await either.store.get_artifact("art_none")


async def test_a_proposal_is_one_row_and_replaces_what_pends(either: Either) -> None:
    incident_id = await either.incident()
    new = proposed(incident_id, notify=[ANNA.name])
    first = await either.store.propose(new)
    assert await either.store.propose(new) == first
    assert either.messages() == 1
    second = await either.store.propose(proposed(incident_id, revision=2))
    assert (await either.store.approval(first.id)).status is ApprovalStatus.SUPERSEDED
    assert (await either.store.supersede(second.id)).status is ApprovalStatus.SUPERSEDED
    by_rule = await either.store.propose(proposed(incident_id, revision=3, decided_by_rule="policy: x"))
    assert (by_rule.status, by_rule.decided_by, by_rule.channel) == ("approved", "policy: x", "policy")


@pytest.mark.parametrize(
    ("decision", "reviewer", "outcome"),
    [
        (APPROVE, ANNA, ApprovalStatus.APPROVED),
        (APPROVE, ADMIN, ApprovalStatus.APPROVED),
        (REJECT, ANNA, ApprovalStatus.REJECTED),
        (Decision(kind=DecisionKind.RESPOND, comment="look there"), ANNA, ApprovalStatus.RESPONDED),
        (Decision(kind=DecisionKind.EDIT, params={"task_keys": []}), ANNA, ApprovalStatus.EDITED),
        (Decision(kind=DecisionKind.EDIT, params={"x": 1}), ANNA, InvalidInput),
        (Decision(kind=DecisionKind.EDIT, action="TERMINATE", params={}), ANNA, Conflict),
        (APPROVE.model_copy(update={"payload_sha256": "0" * 64}), ANNA, Conflict),
        (APPROVE, BEN, Forbidden),
        (APPROVE, VIEWER, Forbidden),
    ],
)
async def test_a_decision_has_the_same_outcome(
    either: Either, decision: Decision, reviewer: Reviewer, outcome: Any
) -> None:
    asked = await either.pending(approvers=[ANNA.name])
    if isinstance(outcome, ApprovalStatus):
        decided = await either.store.decide(asked.id, decision, reviewer)
        assert (decided.status, decided.decided_by) == (outcome, reviewer.name)
        assert await either.store.decide(asked.id, decision, reviewer) == decided, "again is the same"
        edited = decision.kind is DecisionKind.EDIT
        assert (decided.payload_sha256 != asked.payload_sha256) == edited
        with pytest.raises(Conflict):
            await either.store.decide(asked.id, APPROVE if decision.kind != "approve" else REJECT, reviewer)
    else:
        with pytest.raises(outcome):
            await either.store.decide(asked.id, decision, reviewer)
        assert await either.store.approval(asked.id) == asked


@pytest.mark.parametrize("useful", [True, False, None])
async def test_what_a_reviewer_thought_of_the_analysis_is_kept(either: Either, useful: bool | None) -> None:
    asked = await either.pending()
    given = APPROVE.model_copy(update={"useful": useful})
    assert (await either.store.decide(asked.id, given, ANNA)).useful is useful
    assert (await either.store.approval(asked.id)).useful is useful


async def test_who_is_barred_may_do_all_but_approve(either: Either) -> None:
    asked = await either.pending(barred=["Anna@Example.com"], separate_duties=True)
    assert (asked.barred, asked.separate_duties) == (["Anna@Example.com"], True)
    for reviewer in (ANNA, ANNA.model_copy(update={"role": "admin"})):
        with pytest.raises(Forbidden, match="somebody else"):
            await either.store.decide(asked.id, APPROVE, reviewer)
    assert await either.store.approval(asked.id) == asked
    assert (await either.store.decide(asked.id, REJECT, ANNA)).status is ApprovalStatus.REJECTED


async def test_under_separate_duties_an_edit_asks_another(either: Either) -> None:
    people: dict[str, Any] = {"approvers": [ANNA.name, BEN.name], "notify": [ANNA.name, "slack:#data"]}
    asked = await either.pending(separate_duties=True, **people)
    edit = Decision(kind=DecisionKind.EDIT, params={"task_keys": ["x"]}, payload_sha256=asked.payload_sha256)
    edited = await either.store.decide(asked.id, edit, ANNA)
    assert (edited.status, edited.barred, edited.decided_by) == ("pending", [ANNA.name], None)
    assert edited.payload_sha256 != asked.payload_sha256
    assert edited.proposal.reason == f"Edited by {ANNA.name}: task_keys is x, not load."
    assert await either.store.decide(asked.id, edit, ANNA) == edited, "again is the same"
    assert either.events(asked.incident_id).count("edited") == 1
    assert either.messages() == 4, "two at first; then Ben and the room"
    for reviewer, sha in ((ANNA, None), (BEN, asked.payload_sha256)):
        with pytest.raises((Forbidden, Conflict)):
            stale = APPROVE.model_copy(update={"payload_sha256": sha})
            await either.store.decide(asked.id, stale, reviewer)
    with pytest.raises(NotAuthorised):
        await either.store.authorised(asked.id, "t")
    again = await either.store.propose(proposed(asked.incident_id, separate_duties=True, **people))
    assert again.payload_sha256 == edited.payload_sha256, "a proposal that was edited is not proposed anew"
    decided = await either.store.decide(asked.id, APPROVE, BEN)
    assert (decided.status, decided.decided_by) == (ApprovalStatus.APPROVED, BEN.name)
    assert (await either.store.authorised(asked.id, "t")).proposal.params["task_keys"] == ["x"]


@pytest.mark.parametrize(
    "bad",
    [
        APPROVE.model_copy(update={"then": "terminate"}),
        Decision(kind=DecisionKind.RESPOND, comment=" "),
        Decision(kind=DecisionKind.EDIT),
    ],
)
async def test_a_decision_that_is_not_whole_is_none(either: Either, bad: Decision) -> None:
    asked = await either.pending()
    with pytest.raises(InvalidInput):
        await either.store.decide(asked.id, bad, ANNA)


async def test_time_ends_it(either: Either) -> None:
    asked = await either.pending(ttl_seconds=60)
    assert (await either.store.expire(asked.id, either.clock.now())).status is ApprovalStatus.PENDING
    either.clock.turn(seconds=60)
    with pytest.raises(Gone):
        await either.store.decide(asked.id, APPROVE, ANNA)
    assert (await either.store.expire(asked.id, either.clock.now())).status is ApprovalStatus.EXPIRED


async def test_only_an_approved_row_of_this_thread_lets_act(either: Either) -> None:
    asked = await either.pending()
    for approval_id, thread_id in ((asked.id, "t"), (asked.id, "u")):
        with pytest.raises(NotAuthorised):
            await either.store.authorised(approval_id, thread_id)
    await either.store.decide(asked.id, APPROVE, ANNA)
    assert (await either.store.authorised(asked.id, "t")).id == asked.id
    with pytest.raises(NotAuthorised):
        await either.store.claim(asked.id, "u", START)
    with pytest.raises(NotFound):
        await either.store.authorised("apr_none", "t")


async def test_a_claim_is_taken_once_and_says_what_became_of_it(either: Either) -> None:
    asked = await either.pending(proposal=RETRY)
    await either.store.decide(asked.id, APPROVE, ANNA)
    claim = await either.store.claim(asked.id, "t", START)
    assert (claim.fresh, claim.status, claim.step, claim.attempt) == (True, "claimed", "start", 1)
    await either.store.record_claim(claim.id, "done", {"state": "done", "repair_id": 4})
    again = await either.store.claim(asked.id, "t", START)
    assert (again.id, again.fresh, again.status) == (claim.id, False, "done")
    await either.store.claim(asked.id, "t", ClaimRequest(step="restore", call="update_job"))
    steps = [(c.step, c.status) for c in await either.store.claims(claim.incident_id)]
    assert steps == [("start", "done"), ("restore", "claimed")]
    assert await either.store.claims(claim.incident_id, attempt=2) == []


async def test_messages_and_ends_are_recorded_once(either: Either) -> None:
    incident_id = await either.incident()
    for _ in range(2):
        await either.store.notify(incident_id, "escalation", ["a@x.org", "b@x.org"], key="k")
        await either.store.update_incident(incident_id, status=Status.ACTING, tried=[])
        assert (await either.store.incident(incident_id)).status == "acting"
    assert either.messages() == 2
    for _ in range(2):
        await either.store.finish(incident_id, "resolved", note="it held")
    row = await either.store.incident(incident_id)
    assert (row.status, row.outcome, row.note) == ("resolved", "resolved", "it held")
    assert await either.store.class_stats("network", "RETRY") == (0, 0)


async def test_a_person_is_told_without_an_approval(either: Either) -> None:
    tell = Proposal(action=Action.ESCALATE, params={"recipients": ["a@x.org"], "reason": "r"})
    given = await either.pending(proposal=tell, decided_by_rule="policy: telling people")
    assert (await either.store.authorised(given.id, "t")).proposal == tell
