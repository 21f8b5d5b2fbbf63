"""Groups in the store: joined, decided once and together, acted on in turn, stopped at the first failure."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest

from core.actions import Action, Proposal
from core.errors import Conflict, Forbidden, InvalidInput, NotAuthorised, NotFound
from core.groups import Cause, GroupAnswer, Grouping
from core.incident import Approval, ApprovalStatus, Decision, DecisionKind, Reviewer
from store.group_desk import GroupDesk
from store.group_views import Group
from store.reminders import HALF, Reminders
from tests.store_rows import ADMIN, ANNA, BEN, RETRY, START, VIEWER, Rows, check_edit, proposed
from wiring.queue import waker

APPROVE = Decision(kind=DecisionKind.APPROVE)
LAKE = Cause(kind="endpoint", value="acmelake.dfs.core.windows.net")


def grouping(cause: Cause = LAKE, **changes: Any) -> Grouping:
    settings = {
        "window_seconds": 900,
        "settle_seconds": 10,
        "update_seconds": 300,
        "per_minute": 60,
        "at_once": 3,
    }
    return Grouping(cause=cause, **{**settings, **changes})


@pytest.fixture
def desk(rows: Rows) -> GroupDesk:
    return GroupDesk(rows.db, rows.clock, waker(rows.queue), check_edit=check_edit)


async def ask(rows: Rows, run_id: int, proposal: Proposal = RETRY, **fields: Any) -> Approval:
    """An incident of this run, and its proposal put to people."""
    given = {"grouping": grouping(), "notify": ["ann@example.com"], **fields}
    return await rows.store.propose(proposed(await rows.incident(run_id), proposal, **given))


async def group_of(desk: GroupDesk) -> Group:
    """The newest group, whole."""
    return await desk.get((await desk.listed()).items[0].id)


def said(group: Any, kind: str = "approve", **fields: Any) -> GroupAnswer:
    return GroupAnswer.model_validate({"kind": kind, "sha256": group.sha256, **fields})


async def acts(rows: Rows, approval_id: str) -> None:
    """The member starts its repair, as `act` does."""
    approval = await rows.store.approval(approval_id)
    row = await rows.store.incident(approval.incident_id)
    claim = await rows.store.claim(approval_id, row.thread_id or "", START)
    await rows.store.record_claim(claim.id, "done", {"repair_id": int(row.run_id) + 1000})


async def verified(rows: Rows, approval_id: str) -> None:
    await acts(rows, approval_id)
    await rows.store.finish((await rows.store.approval(approval_id)).incident_id, "resolved")


async def failed_again(rows: Rows, approval_id: str) -> None:
    await acts(rows, approval_id)
    approval = await rows.store.approval(approval_id)
    await rows.store.update_incident(approval.incident_id, attempt=2)


def standing(group: Group) -> Counter[str]:
    return Counter(item.state for item in group.items)


# Joining


async def test_failures_of_one_cause_are_one_group_and_one_message(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 5)]
    page = await desk.listed(waiting=True)
    assert [(g.members, g.pending, g.cause.value) for g in page.items] == [(4, 4, LAKE.value)]
    messages = rows.sql("SELECT recipient, payload, next_at FROM outbox WHERE kind = 'approval'")
    assert len(messages) == 1
    assert messages[0][1]["group_id"] == page.items[0].id
    assert (messages[0][2] - rows.clock.now()).total_seconds() == 10, "it waits for others to join"
    assert "grouped" in rows.events(asked[0].incident_id)


async def test_two_at_the_very_same_time_find_one_another(rows: Rows, desk: GroupDesk) -> None:
    incidents = [await rows.incident(n) for n in range(1, 9)]
    given = {"grouping": grouping(), "notify": ["ann@example.com"]}
    await asyncio.gather(*(rows.store.propose(proposed(i, **given)) for i in incidents))
    assert [g.pending for g in (await desk.listed()).items] == [8]
    assert rows.sql("SELECT count(*) FROM outbox WHERE kind = 'approval'") == [(1,)]


@pytest.mark.parametrize(
    "other",
    [
        {"grouping": grouping(Cause(kind="endpoint", value="elsewhere.example.com"))},
        {"approvers": ["ben@example.com"]},
        {"notify": ["team@example.com"]},
        {"proposal": Proposal(action=Action.TERMINATE, params={})},
    ],
)
async def test_another_cause_action_or_reviewer_is_another_question(
    rows: Rows, desk: GroupDesk, other: dict[str, Any]
) -> None:
    await ask(rows, 1)
    await ask(rows, 2, **other)
    assert [g.pending for g in (await desk.listed()).items] == [1, 1]


async def test_after_the_window_it_is_another_group_unless_the_first_waits_still(
    rows: Rows, desk: GroupDesk
) -> None:
    await ask(rows, 1)
    rows.clock.turn(seconds=1000)
    await ask(rows, 2)
    group = await group_of(desk)
    assert group.pending == 2
    await desk.decide(group.id, said(group, "reject"), ADMIN)
    rows.clock.turn(seconds=1000)
    await ask(rows, 3)
    assert sorted(g.members for g in (await desk.listed()).items) == [1, 2]


async def test_messages_about_a_growing_group_come_rarely(rows: Rows) -> None:
    for n in range(1, 31):
        await ask(rows, n)
        rows.clock.turn(seconds=20)
    when = [row[0] for row in rows.sql("SELECT next_at FROM outbox WHERE kind = 'approval' ORDER BY id")]
    assert len(when) == 3  # 600 s: the first, and one every 300 s
    assert all((b - a).total_seconds() >= 300 for a, b in itertools.pairwise(when))


async def test_what_only_tells_people_is_not_grouped(rows: Rows, desk: GroupDesk) -> None:
    await ask(rows, 1, Proposal(action=Action.ESCALATE, params={"reason": "?"}))
    assert (await desk.listed()).items == []


async def test_lists_show_a_group_once(rows: Rows, desk: GroupDesk) -> None:
    from store.queries import Queries

    asked = [await ask(rows, n) for n in range(1, 4)]
    alone = await ask(rows, 9, grouping=None)
    queries = Queries(rows.db, rows.clock)
    shown = await queries.approvals(status=[ApprovalStatus.PENDING], once=True)
    assert {i.approval.id for i in shown.items} == {asked[0].id, alone.id}
    assert [await rows.store.speaks(a.id) for a in (*asked, alone)] == [True, False, False, True]
    assert next(i.group.pending for i in shown.items if i.group) == 3
    assert len((await queries.approvals(status=[ApprovalStatus.PENDING])).items) == 4
    detail = await queries.incident(asked[1].incident_id)
    assert detail.group is not None and detail.group.id == (await group_of(desk)).id
    await rows.store.decide(asked[0].id, APPROVE, ADMIN)
    shown = await queries.approvals(status=[ApprovalStatus.PENDING], once=True)
    assert {i.approval.id for i in shown.items} == {asked[1].id, alone.id}


# Deciding


async def test_one_decision_binds_every_member_by_its_own_hash(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 6)]
    group = await group_of(desk)
    decided = await desk.decide(group.id, said(group, comment="the account is back"), ADMIN)
    for approval in asked:
        row = await rows.store.approval(approval.id)
        assert (row.status, row.decided_by, row.comment) == (
            ApprovalStatus.APPROVED,
            ADMIN.name,
            "the account is back",
        )
        assert row.payload_sha256 == approval.payload_sha256
    assert standing(decided) == {"acting": 1, "waiting": 4}
    assert rows.jobs() == [asked[0].incident_id], "only the first goes now"
    assert decided.pending == 0 and decided.sha256 is None


async def test_members_are_left_out_and_go_on_waiting(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 5)]
    group = await group_of(desk)
    out = [asked[1].id, asked[3].incident_id]  # by approval or by incident
    decided = await desk.decide(group.id, said(group, excepted=out), ADMIN)
    assert standing(decided) == {"acting": 1, "waiting": 1, "pending": 2}
    assert decided.decisions[0].excepted == sorted([asked[1].id, asked[3].id])
    assert decided.sha256 and decided.sha256 != group.sha256
    again = await desk.decide(group.id, said(decided, "reject"), ADMIN)
    assert standing(again) == {"acting": 1, "waiting": 1, "rejected": 2}


async def test_leaving_out_strangers_or_everybody_is_refused(rows: Rows, desk: GroupDesk) -> None:
    asked = await ask(rows, 1)
    group = await group_of(desk)
    for out in (["apr_stranger"], [asked.id]):
        with pytest.raises(InvalidInput):
            await desk.decide(group.id, said(group, excepted=out), ADMIN)
    with pytest.raises(NotFound):
        await desk.decide("grp_none", said(group), ADMIN)
    assert (await rows.store.approval(asked.id)).status is ApprovalStatus.PENDING


@pytest.mark.parametrize("change", ["joined", "decided alone", "muted", "proposed anew", "expired"])
async def test_a_decision_on_other_members_than_now_is_refused(
    rows: Rows, desk: GroupDesk, change: str
) -> None:
    asked = [await ask(rows, n) for n in range(1, 4)]
    late = await ask(rows, 4, ttl_seconds=60)
    seen = await group_of(desk)
    match change:
        case "joined":
            await ask(rows, 9)
        case "decided alone":
            await rows.store.decide(asked[1].id, APPROVE, ADMIN)
        case "muted":
            await rows.store.mute(asked[1].incident_id, by="ann")
        case "proposed anew":
            more = Proposal(action=Action.RETRY, params={"task_keys": ["load", "more"]})
            await rows.store.propose(
                proposed(
                    asked[1].incident_id, more, revision=2, grouping=grouping(), notify=["ann@example.com"]
                )
            )
        case _:
            rows.clock.turn(seconds=61)
    with pytest.raises(Conflict):
        await desk.decide(seen.id, said(seen), ADMIN)
    untouched = [asked[0], asked[2], *([late] if change != "expired" else [])]
    for approval in untouched:
        assert (await rows.store.approval(approval.id)).status is ApprovalStatus.PENDING
    now = await desk.get(seen.id)
    await desk.decide(seen.id, said(now), ADMIN)


@pytest.mark.parametrize("who", [VIEWER, BEN])
async def test_who_may_not_decide_on_a_member_may_not_on_the_group(
    rows: Rows, desk: GroupDesk, who: Reviewer
) -> None:
    asked = [await ask(rows, n, approvers=[ANNA.name]) for n in range(1, 4)]
    group = await group_of(desk)
    with pytest.raises(Forbidden):
        await desk.decide(group.id, said(group), who)
    assert {(await rows.store.approval(a.id)).status for a in asked} == {ApprovalStatus.PENDING}
    await desk.decide(group.id, said(group), ANNA)


async def test_the_same_decision_again_is_the_first_and_another_hears_of_it(
    rows: Rows, desk: GroupDesk
) -> None:
    for n in range(1, 4):
        await ask(rows, n)
    group = await group_of(desk)
    first = await desk.decide(group.id, said(group), ADMIN)
    again = await desk.decide(group.id, said(group), ADMIN)
    assert again.decisions == first.decisions
    assert len(rows.jobs()) == 1
    with pytest.raises(Conflict, match="has decided"):
        await desk.decide(group.id, said(group), ANNA)
    with pytest.raises(Conflict):
        await desk.decide(group.id, said(group, "reject"), ADMIN)


async def test_of_many_parallel_decisions_one_counts(rows: Rows, desk: GroupDesk) -> None:
    for n in range(1, 11):
        await ask(rows, n)
    group = await group_of(desk)
    people = [Reviewer(name=f"r{n}@example.com", role="admin") for n in range(20)]
    answers = [said(group, "approve" if n % 2 else "reject") for n in range(20)]
    results = await asyncio.gather(
        *(desk.decide(group.id, a, p) for a, p in zip(answers, people, strict=True)), return_exceptions=True
    )
    won = [r for r in results if isinstance(r, Group)]
    assert len(won) == 1 and all(isinstance(r, Conflict) for r in results if not isinstance(r, Group))
    statuses = {row[0] for row in rows.sql("SELECT DISTINCT status FROM approvals")}
    assert len(statuses) == 1
    assert rows.sql("SELECT count(*), count(DISTINCT decided_by) FROM approvals") == [(10, 1)]


async def test_a_group_and_a_member_decided_at_once_do_not_lock_one_another_up(
    rows: Rows, desk: GroupDesk
) -> None:
    asked = [await ask(rows, n) for n in range(1, 11)]
    group = await group_of(desk)
    alone = [rows.store.decide(a.id, APPROVE, ADMIN) for a in reversed(asked)]
    joining = [ask(rows, n) for n in range(20, 25)]
    results = await asyncio.gather(
        desk.decide(group.id, said(group), ADMIN), *alone, *joining, desk.go_on(), return_exceptions=True
    )
    assert all(not isinstance(r, Exception) or isinstance(r, Conflict) for r in results), results


async def test_a_hint_and_a_rejection_wake_everybody(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 4)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group, "respond", comment="it was the firewall"), ADMIN)
    assert sorted(rows.jobs()) == sorted(a.incident_id for a in asked)
    assert (await desk.get(group.id)).decisions[0].phase == "done"


async def test_of_a_group_all_who_wait_are_reminded_of_and_the_next_may_decide_on_all(
    rows: Rows, desk: GroupDesk
) -> None:
    """Also when the one whose message asked was decided alone."""
    asked = [await ask(rows, n, approvers=["ann@example.com"], ttl_seconds=3600) for n in range(1, 4)]
    await rows.store.decide(asked[0].id, APPROVE, ADMIN)
    rows.clock.turn(seconds=1900)
    reminders = Reminders(rows.db, rows.clock)
    due = await reminders.due()
    assert [(w.item.approval.id, w.stage) for w in due] == [(asked[1].id, HALF)]
    assert await reminders.remind(asked[1].id, HALF, ask_next=["carl@example.com"])
    assert await reminders.due() == [], "one reminder for all of them"
    group = await group_of(desk)
    told = rows.sql(
        "SELECT kind, recipient, payload->>'group_id' FROM outbox WHERE payload->>'stage' = '1' ORDER BY id"
    )
    assert told == [
        ("reminder", "ann@example.com", group.id),
        ("approval", "carl@example.com", group.id),
    ]
    assert group.approvers == ["ann@example.com", "carl@example.com"]
    late = await ask(rows, 9, approvers=["ann@example.com"])
    carl = Reviewer(name="carl@example.com", role="approver", channel="email")
    await desk.decide(group.id, said(await group_of(desk)), carl)
    assert (await rows.store.approval(late.id)).decided_by == "carl@example.com"


async def test_another_decision_than_the_first_is_no_replay_of_it(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 4)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group, excepted=[asked[2].incident_id]), ADMIN)
    again = await desk.decide(group.id, said(group, excepted=[asked[2].id]), ADMIN)
    assert standing(again)["pending"] == 1, "named by incident or by approval, it is the same"
    for others in ([], [asked[1].id]):
        with pytest.raises(Conflict, match="has decided"):
            await desk.decide(group.id, said(group, excepted=others), ADMIN)


# Acting in turn


async def test_nobody_acts_before_the_canary_is_verified_whatever_a_thread_believes(
    rows: Rows, desk: GroupDesk
) -> None:
    asked = [await ask(rows, n) for n in range(1, 8)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    assert await rows.store.holds_back(asked[0].id) == ""
    for member in asked[1:]:
        assert await rows.store.holds_back(member.id) == group.id
        with pytest.raises(NotAuthorised, match="waits for its turn"):
            await acts(rows, member.id)
    assert await desk.go_on() == 0
    await acts(rows, asked[0].id)
    assert await desk.go_on() == 0, "it is under way, not verified"
    await rows.store.finish(asked[0].incident_id, "resolved")
    assert await desk.go_on() == 3, "as many as may act at once"
    assert await desk.go_on() == 0
    assert standing(await desk.get(group.id)) == {"good": 1, "acting": 3, "waiting": 3}
    assert rows.jobs() == [a.incident_id for a in asked[:4]]
    await verified(rows, asked[2].id)
    assert await desk.go_on() == 1
    rows.clock.turn(seconds=10)
    for member in asked[1:5]:
        if member is not asked[2]:
            await verified(rows, member.id)
    await desk.go_on()
    for member in asked[5:]:
        await verified(rows, member.id)
    await desk.go_on()
    done = await desk.get(group.id)
    assert standing(done) == {"good": 7} and done.decisions[0].phase == "done"
    assert len(rows.jobs()) == 7, "each was woken once"


async def test_the_rate_is_kept_over_the_whole_group(rows: Rows, desk: GroupDesk) -> None:
    slow = grouping(per_minute=12, at_once=100)
    asked = [await ask(rows, n, grouping=slow) for n in range(1, 31)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    await verified(rows, asked[0].id)
    turns: list[int] = []
    for _ in range(120):
        turns.append(await desk.go_on())
        rows.clock.turn(seconds=1)
    assert sum(turns) == 23, "with the canary's 12 a minute"
    assert all(sum(turns[n : n + 60]) <= 12 for n in range(60))
    assert max(turns) == 1


async def test_a_canary_that_fails_sends_the_others_back_with_that_as_evidence(
    rows: Rows, desk: GroupDesk
) -> None:
    asked = [await ask(rows, n) for n in range(1, 6)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    rows.clock.turn(seconds=60)
    await failed_again(rows, asked[0].id)
    assert await desk.go_on() == 4
    assert await desk.go_on() == 0
    for member in asked[1:]:
        assert (await rows.store.approval(member.id)).status is ApprovalStatus.SUPERSEDED
        why = await rows.store.stopped_because(member.id)
        assert "run 1" in why and "did not help" in why
        with pytest.raises(NotAuthorised):
            await acts(rows, member.id)
    assert sorted(rows.jobs()[1:]) == sorted(a.incident_id for a in asked[1:])
    # Each asks again, and together they are one question once more.
    for member in asked[1:]:
        new = proposed(member.incident_id, revision=2, grouping=grouping(), notify=["ann@example.com"])
        await rows.store.propose(new)
    now = await desk.get(group.id)
    assert (now.pending, now.decisions[0].phase) == (4, "stopped")
    due = [row[0] for row in rows.sql("SELECT next_at FROM outbox WHERE kind = 'approval' ORDER BY id")]
    assert len(due) == 2
    assert (due[1] - rows.clock.now()).total_seconds() == 10, "a new question is said at once"
    again = await desk.decide(group.id, said(now), ADMIN)
    assert standing(again)["waiting"] == 3


async def test_a_failure_after_the_canary_stops_who_has_not_acted(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 9)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    await verified(rows, asked[0].id)
    await desk.go_on()
    await acts(rows, asked[1].id)
    await failed_again(rows, asked[2].id)
    await desk.go_on()
    states = {item.approval_id: item.state for item in (await desk.get(group.id)).items}
    assert states[asked[1].id] == "acting", "what was begun is left to end"
    assert states[asked[3].id] == "superseded", "it had its turn, and had not begun"
    assert Counter(states.values())["superseded"] == 5


@pytest.mark.parametrize("how", ["mute", "take_over", "close"])
async def test_a_canary_that_leaves_passes_its_part_on(rows: Rows, desk: GroupDesk, how: str) -> None:
    asked = [await ask(rows, n) for n in range(1, 4)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    await getattr(rows.store, how)(asked[0].incident_id, by="ann")
    assert await desk.go_on() == 1
    now = await desk.get(group.id)
    assert now.decisions[0].canary == asked[1].id
    assert rows.jobs()[-1] == asked[1].incident_id


async def test_a_held_member_leaves_by_mute_and_acts_never(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 4)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    await rows.store.mute(asked[2].incident_id, by="ann")
    await verified(rows, asked[0].id)
    assert await desk.go_on() == 1
    await verified(rows, asked[1].id)
    await desk.go_on()
    done = await desk.get(group.id)
    assert done.decisions[0].phase == "done"
    assert standing(done) == {"good": 2, "superseded": 1}


async def test_a_broken_member_holds_up_nobody_for_ever(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 4)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    await rows.store.broken(asked[2].incident_id, "no access")
    await verified(rows, asked[0].id)
    await desk.go_on()
    await verified(rows, asked[1].id)
    await desk.go_on()
    assert (await desk.get(group.id)).decisions[0].phase == "done"
    assert await rows.store.holds_back(asked[2].id) == "", "mended, it goes on as it was approved"


async def test_several_rounds_at_once_give_each_turn_once(rows: Rows, desk: GroupDesk) -> None:
    asked = [await ask(rows, n) for n in range(1, 12)]
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    await verified(rows, asked[0].id)
    given = await asyncio.gather(*(desk.go_on() for _ in range(8)))
    assert sum(given) == 3
    assert len(rows.jobs()) == 4


async def test_one_that_comes_later_asks_again_or_follows_where_the_policy_says(
    rows: Rows, desk: GroupDesk
) -> None:
    for n in range(1, 4):
        await ask(rows, n)
    group = await group_of(desk)
    await desk.decide(group.id, said(group), ADMIN)
    asks = await ask(rows, 4)
    assert asks.status is ApprovalStatus.PENDING
    follows = await ask(rows, 5, grouping=grouping(follow=True))
    assert follows.status is ApprovalStatus.APPROVED
    assert ADMIN.name in (follows.decided_by or "") and follows.channel == "policy"
    assert await rows.store.holds_back(follows.id) == group.id, "behind the same canary"
    now = await desk.get(group.id)
    assert now.pending == 1 and standing(now)["waiting"] == 3
    assert rows.sql("SELECT count(*) FROM outbox WHERE kind = 'approval'") == [(2,)]


async def test_nobody_follows_a_rejection_or_what_was_stopped(rows: Rows, desk: GroupDesk) -> None:
    await ask(rows, 1)
    group = await group_of(desk)
    await desk.decide(group.id, said(group, "reject"), ADMIN)
    again = await ask(rows, 2, grouping=grouping(follow=True))
    assert again.status is ApprovalStatus.PENDING
    now = await desk.get(group.id)
    await desk.decide(group.id, said(now), ADMIN)
    await failed_again(rows, again.id)
    await desk.go_on()
    third = await ask(rows, 3, grouping=grouping(follow=True))
    assert third.status is ApprovalStatus.PENDING


async def test_what_a_rule_approves_goes_behind_a_canary_too(rows: Rows, desk: GroupDesk) -> None:
    rule = "policy: some_class x RETRY, granted by root@example.com"
    asked = [await ask(rows, n, decided_by_rule=rule) for n in range(1, 5)]
    assert [bool(await rows.store.holds_back(a.id)) for a in asked] == [False, True, True, True]
    await verified(rows, asked[0].id)
    assert await desk.go_on() == 3
    assert rows.sql("SELECT count(*) FROM outbox WHERE kind = 'approval'") == [(0,)]
