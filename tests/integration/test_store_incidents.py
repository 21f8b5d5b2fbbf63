"""An incident: one for each run and repair, one thread, facts that grow, an end that stands."""

import asyncio

import psycopg
import pytest

from core.actions import Action, Proposal
from core.errors import Conflict, InvalidInput, NotFound
from core.incident import ApprovalStatus, Status
from store.models import RunState
from store.runs import Runs
from tests.store_rows import ANNA, Rows, proposed, run_facts


async def test_twenty_notices_of_one_failure_make_one_incident(rows: Rows) -> None:
    opened = await asyncio.gather(
        *(rows.store.open_incident(run_facts(), thread_id=None, source="webhook") for _ in range(20))
    )
    assert len({row.id for row in opened}) == 1
    assert rows.events(opened[0].id) == ["opened"]
    assert opened[0].status is Status.NEW and opened[0].job_name == "nightly load"


async def test_a_later_repair_another_run_and_another_workspace_are_others(rows: Rows) -> None:
    runs = [
        run_facts(),
        run_facts(repair_id=5),
        run_facts(8),
        run_facts(workspace="https://other.example.com"),
    ]
    opened = [await rows.store.open_incident(run, thread_id=None) for run in runs]
    assert len({row.id for row in opened}) == 4


async def test_an_incident_has_one_thread_and_a_thread_one_incident(rows: Rows) -> None:
    first = await rows.store.open_incident(run_facts(), thread_id=None, source="api")
    bound = await rows.store.open_incident(run_facts(), thread_id="a", incident_id=first.id)
    assert (bound.thread_id, bound.graph_version) == ("a", "1")
    assert (await rows.store.open_incident(run_facts(), thread_id="a")).thread_id == "a"
    with pytest.raises(Conflict, match="Thread a"):
        await rows.store.open_incident(run_facts(), thread_id="b")
    with pytest.raises(Conflict, match="Thread a"):
        await rows.store.open_incident(run_facts(8), thread_id="a")
    assert (await rows.store.incident(first.id)).thread_id == "a"


async def test_an_incident_cannot_be_lent_to_another_run(rows: Rows) -> None:
    incident_id = await rows.incident()
    with pytest.raises(Conflict, match="about run 7"):
        await rows.store.open_incident(run_facts(8), thread_id="thread-7", incident_id=incident_id)
    with pytest.raises(NotFound):
        await rows.store.open_incident(run_facts(), thread_id=None, incident_id="inc_none")


async def test_a_run_once_found_fine_can_still_become_an_incident(rows: Rows) -> None:
    runs = Runs(rows.db, rows.clock)
    workspace = run_facts().workspace
    await runs.fine(workspace, 7)
    assert await runs.known(workspace, [(7, 0), (7, 1), (8, 0)]) == {(7, 0)}
    incident_id = await rows.incident()
    await runs.fine(workspace, 7)
    assert await runs.seen(workspace, 7) == (RunState.INCIDENT, incident_id)


async def test_facts_grow_and_lists_can_filter_by_them(rows: Rows) -> None:
    incident_id = await rows.incident()
    diagnosis = {
        "category": "network",
        "failure_class": "connection_reset",
        "root_cause": "x" * 1000,
        "confidence": 0.8,
        "fingerprint": "f1",
    }
    await rows.store.update_incident(incident_id, status=Status.INVESTIGATING, diagnosis=diagnosis)
    await rows.store.update_incident(
        incident_id, proposal={"action": "RETRY"}, tried=[{"attempt": 1}], attempt=2, note="n"
    )
    row = await rows.store.incident(incident_id)
    assert (row.status, row.category, row.failure_class) == ("investigating", "network", "connection_reset")
    assert (row.action, row.attempt, row.confidence, row.note) == ("RETRY", 2, 0.8, "n")
    assert len(row.summary) == 300
    assert row.facts == {"diagnosis": diagnosis, "proposal": {"action": "RETRY"}, "tried": [{"attempt": 1}]}


async def test_hostile_text_does_not_break_a_row(rows: Rows) -> None:
    hostile = "a\x00b\ud800c"
    incident_id = await rows.incident(9, job_name=hostile)
    await rows.store.update_incident(incident_id, tasks={hostile: [hostile, float("nan"), float("inf")]})
    await rows.store.add_event(incident_id, "k", {"text": hostile}, key=hostile)
    artifact = await rows.store.put_artifact(incident_id, hostile, hostile, key="k")
    row = await rows.store.incident(incident_id)
    assert row.job_name == "a�b�c"
    assert row.facts["tasks"] == {"a�b�c": ["a�b�c", None, None]}
    assert (await rows.store.get_artifact(artifact)).startswith("a\x00b")
    proposal = Proposal(action=Action.ESCALATE, params={"reason": "a\x00b"})
    asked = await rows.store.propose(proposed(incident_id, proposal))
    assert (await rows.store.approval(asked.id)).proposal.params["reason"] == "a\x00b"


@pytest.mark.parametrize(
    ("outcome", "finished"),
    [
        ("resolved", True),
        ("resolved_elsewhere", True),
        ("terminated", True),
        ("rejected", True),
        ("closed", True),
        ("observed", True),
        ("notified", False),
        ("escalated", False),
        ("taken_over", False),
        ("muted", False),
    ],
)
async def test_an_ending_finishes_an_incident_or_leaves_it_to_people(
    rows: Rows, outcome: str, finished: bool
) -> None:
    incident_id = await rows.incident()
    for _ in range(2):
        await rows.store.finish(incident_id, outcome, note="why")
    row = await rows.store.incident(incident_id)
    assert (row.outcome, row.status, row.note, row.wake_at) == (outcome, outcome, "why", None)
    assert (row.finished_at is not None) == finished
    assert rows.events(incident_id) == ["opened", "finished"]
    await rows.store.finish(incident_id, "resolved_elsewhere")
    assert (await rows.store.incident(incident_id)).outcome == (outcome if finished else "resolved_elsewhere")


async def test_an_unknown_ending_is_a_bug(rows: Rows) -> None:
    with pytest.raises(KeyError):
        await rows.store.finish(await rows.incident(), "sorted")


async def test_an_old_checkpoint_does_not_reopen_what_is_finished(rows: Rows) -> None:
    incident_id = await rows.incident()
    await rows.store.close(incident_id, by=ANNA.name, note="done by hand")
    await rows.store.update_incident(incident_id, status=Status.VERIFYING, tried=[1])
    row = await rows.store.incident(incident_id)
    assert (row.status, row.outcome, row.wake_at) == ("closed", "closed", None)
    with pytest.raises(Conflict):
        await rows.store.close(incident_id, by=ANNA.name)


@pytest.mark.parametrize(("how", "status"), [("mute", Status.MUTED), ("take_over", Status.TAKEN_OVER)])
async def test_stepping_in_withdraws_what_is_open_and_wakes_the_graph(
    rows: Rows, how: str, status: Status
) -> None:
    asked = await rows.store.propose(proposed(await rows.incident()))
    for _ in range(2):
        row = await getattr(rows.store, how)(asked.incident_id, by=ANNA.name)
        assert row.status is status
    assert (await rows.store.approval(asked.id)).status is ApprovalStatus.SUPERSEDED
    assert rows.jobs() == [asked.incident_id], "once"
    await rows.store.update_incident(asked.incident_id, status=Status.AWAITING_APPROVAL)
    assert (await rows.store.incident(asked.incident_id)).status is status
    late = await rows.store.propose(proposed(asked.incident_id, revision=2, decided_by_rule="policy: any"))
    assert late.status is ApprovalStatus.SUPERSEDED


async def test_what_breaks_while_muted_is_said_to_be_broken(rows: Rows) -> None:
    incident_id = await rows.incident()
    await rows.store.mute(incident_id, by=ANNA.name)
    await rows.store.update_incident(incident_id, status=Status.BROKEN, note="the token was refused")
    row = await rows.store.incident(incident_id)
    assert (row.status, row.note, row.wake_at) == ("broken", "the token was refused", None)
    assert (await rows.store.retry_broken(incident_id, by=ANNA.name)).muted


async def test_a_muted_incident_can_be_heard_again_while_its_graph_goes_on(rows: Rows) -> None:
    incident_id = await rows.incident()
    await rows.store.mute(incident_id, by=ANNA.name)
    row = await rows.store.mute(incident_id, by=ANNA.name, on=False)
    assert (row.muted, row.status) == (False, "investigating")
    await rows.store.mute(incident_id, by=ANNA.name)
    await rows.store.finish(incident_id, "muted")
    with pytest.raises(Conflict, match="let go"):
        await rows.store.mute(incident_id, by=ANNA.name, on=False)


async def test_two_people_do_not_take_over_the_same_incident(rows: Rows) -> None:
    incident_id = await rows.incident()
    await rows.store.take_over(incident_id, by=ANNA.name)
    with pytest.raises(Conflict, match=ANNA.name):
        await rows.store.take_over(incident_id, by="ben@example.com")


async def test_what_broke_waits_for_a_person_and_goes_on_when_told(rows: Rows) -> None:
    incident_id = await rows.incident()
    await rows.store.broken(incident_id, "KeyError: 'x'")
    row = await rows.store.incident(incident_id)
    assert (row.status, row.note, row.wake_at) == ("broken", "KeyError: 'x'", None)
    row = await rows.store.retry_broken(incident_id, by=ANNA.name)
    assert (row.status, row.note) == ("investigating", "")
    assert rows.jobs() == [incident_id]
    with pytest.raises(Conflict):
        await rows.store.retry_broken(incident_id, by=ANNA.name)


async def test_artifacts_are_kept_whole_under_their_key(rows: Rows) -> None:
    incident_id = await rows.incident()
    text = "línea\n" * 50_000
    first = await rows.store.put_artifact(incident_id, "log", text, key="1/load/log")
    assert await rows.store.put_artifact(incident_id, "log", "other", key="1/load/log") == first
    assert await rows.store.get_artifact(first) == text
    assert await rows.store.find_artifact(incident_id, "1/load/log") == text
    assert await rows.store.find_artifact(incident_id, "2/load/log") is None
    ((size, stored),) = rows.sql("SELECT size, octet_length(body) FROM artifacts")
    assert size == len(text.encode()) and stored < size / 100
    with pytest.raises(NotFound):
        await rows.store.get_artifact("art_none")
    with pytest.raises(NotFound):
        await rows.store.put_artifact("inc_none", "log", "x", key="k")


async def test_attachments_are_told_apart_from_artifacts_and_from_each_other(rows: Rows) -> None:
    incident_id = await rows.incident()
    await rows.store.put_artifact(incident_id, "log", "ours", key="k")
    first = await rows.store.attach(incident_id, "shot.png", "first", by=ANNA.name)
    assert await rows.store.attach(incident_id, "again.png", "first", by=ANNA.name) == first
    rows.clock.turn(seconds=1)
    await rows.store.attach(incident_id, "shot.png", "second", by=ANNA.name)
    assert await rows.store.attachments(incident_id) == {"shot.png": "first", "shot.png (2)": "second"}
    with pytest.raises(InvalidInput):
        await rows.store.attach(incident_id, "big", "x" * (64 * 1024 * 1024 + 1), by=ANNA.name)


async def test_events_are_appended_once_a_key_and_never_changed(rows: Rows) -> None:
    incident_id = await rows.incident()
    for data in ({"n": 1}, {"n": 2}):
        await rows.store.add_event(incident_id, "fetched", data, key="fetched/1")
    assert rows.sql("SELECT data FROM events WHERE kind = 'fetched'") == [({"n": 1},)]
    for statement in ("UPDATE events SET kind = 'x'", "DELETE FROM events", "TRUNCATE events"):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="append-only"):
            rows.sql(statement)
    assert rows.events(incident_id) == ["opened", "fetched"]
    with pytest.raises(NotFound):
        await rows.store.add_event("inc_none", "fetched", {}, key="k")


async def test_an_event_is_announced_when_it_is_committed(rows: Rows) -> None:
    incident_id = await rows.incident()
    with psycopg.connect(rows.db.libpq_url, autocommit=True) as listening:
        listening.execute("LISTEN pitstop_events")
        await rows.store.add_event(incident_id, "fetched", {}, key="fetched/1")
        (notice,) = listening.notifies(timeout=10, stop_after=1)
    event_id, about = notice.payload.split(" ")
    assert about == incident_id
    assert rows.sql("SELECT kind FROM events WHERE id = %s", int(event_id)) == [("fetched",)]


async def test_events_of_an_incident_are_committed_in_the_order_of_their_ids(rows: Rows) -> None:
    """A reader that asks for all behind the last id it saw, while others write, misses none."""
    incident_id = await rows.incident()
    seen: list[int] = []
    writing = True

    async def read() -> None:
        async with await psycopg.AsyncConnection.connect(rows.db.libpq_url, autocommit=True) as connection:
            last_round = False
            while not last_round:
                last_round = not writing
                cursor = await connection.execute(
                    "SELECT id FROM events WHERE id > %s ORDER BY id", [max(seen, default=0)]
                )
                seen.extend(row[0] for row in await cursor.fetchall())

    reading = asyncio.create_task(read())
    await asyncio.gather(*(rows.store.add_event(incident_id, "k", {}, key=f"k/{n}") for n in range(80)))
    writing = False
    await reading
    assert len(seen) == 81
