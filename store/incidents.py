"""The incident's row: opened once, changed under its lock, finished."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict, NotFound
from core.incident import FINISHED, Status
from core.run import RunFacts
from store import events, runs
from store.leases import Lease, fence
from store.models import IncidentModel, RunState, new_id
from store.views import Incident, IncidentSummary

#: How long a wake-up may take before the watcher looks for itself.
LOOK_AFTER = timedelta(seconds=60)
#: How the graph may end, and where that leaves the incident.
OUTCOMES: Mapping[str, Status] = {
    "resolved": Status.RESOLVED,
    "resolved_elsewhere": Status.RESOLVED_ELSEWHERE,
    "terminated": Status.TERMINATED,
    "rejected": Status.REJECTED,
    "closed": Status.CLOSED,
    "observed": Status.OBSERVED,
    "notified": Status.NOTIFIED,
    "escalated": Status.ESCALATED,
    "taken_over": Status.TAKEN_OVER,
    "muted": Status.MUTED,
}
#: Facts that have a column of their own.
COLUMNS = frozenset({"attempt", "graph_version", "trace_run_id", "note"})
SUMMARY_CHARS = 300


async def lock(session: AsyncSession, incident_id: str, lease: Lease | None = None) -> IncidentModel:
    """The incident's row, locked: the first thing that a changing transaction does.

    `FOR NO KEY UPDATE`, so that rows which only refer to the incident can be inserted meanwhile.

    Raises:
        NotFound: No such incident.
        LeaseLost: `lease` is no longer the current one.
    """
    row = await session.scalar(
        select(IncidentModel)
        .where(IncidentModel.id == incident_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound(f"There is no incident {incident_id}.")
    fence(row, lease)
    return row


async def open_row(
    session: AsyncSession,
    run: RunFacts,
    *,
    incident_id: str | None,
    source: str,
    at: datetime,
    lease: Lease | None,
) -> IncidentModel:
    """The incident named, or that of this run and repair, opened now if there is none; locked.

    Raises:
        NotFound: No incident of this id.
        Conflict: The incident of this id is about another run.
    """
    if incident_id is None:
        incident_id = await _find_or_insert(session, run, source, at)
        return await lock(session, incident_id, lease)
    row = await lock(session, incident_id, lease)
    if (row.workspace, row.run_id) != (run.workspace, run.run_id):
        raise Conflict(
            f"Incident {row.id} is about run {row.run_id} of {row.workspace}, "
            f"not about run {run.run_id} of {run.workspace}."
        )
    return row


async def _find_or_insert(session: AsyncSession, run: RunFacts, source: str, at: datetime) -> str:
    """The id of the incident of (workspace, run, latest repair), made by exactly one of all who ask."""
    repair_id = run.latest_repair_id
    owned = await runs.owner(session, run.workspace, run.run_id, repair_id)
    if owned is not None:
        return owned
    fresh = new_id("inc")
    identity = ["workspace", "run_id", "latest_repair_id"]
    inserted = await session.scalar(
        insert(IncidentModel)
        .values(
            id=fresh,
            workspace=run.workspace,
            run_id=run.run_id,
            latest_repair_id=repair_id,
            source=source,
            status=Status.NEW,
            opened_at=at,
            updated_at=at,
            wake_at=at + LOOK_AFTER,
            **_of_run(run.model_dump(mode="json", include={"job_id", "job_name", "tags"})),
        )
        .on_conflict_do_nothing(index_elements=identity)
        .returning(IncidentModel.id)
    )
    if inserted is None:
        found = await session.scalar(
            select(IncidentModel.id).where(
                IncidentModel.workspace == run.workspace,
                IncidentModel.run_id == run.run_id,
                IncidentModel.latest_repair_id == repair_id,
            )
        )
        if found is None:
            raise NotFound(f"The incident of run {run.run_id} vanished.")
        return found
    await runs.mark(
        session, run.workspace, run.run_id, repair_id, state=RunState.INCIDENT, incident_id=fresh, at=at
    )
    opened = {"source": source, "run_id": run.run_id, "repair_id": repair_id, "job_name": run.job_name}
    await events.append(session, fresh, "opened", opened, key="opened", at=at)
    return fresh


async def bind_thread(
    session: AsyncSession, row: IncidentModel, thread_id: str | None, graph_version: str
) -> None:
    """Give the incident its one thread.

    Raises:
        Conflict: It has another, or the thread has another incident.
    """
    if thread_id is None or row.thread_id == thread_id:
        return
    if row.thread_id is not None:
        raise Conflict(f"Thread {row.thread_id} works on incident {row.id} already.")
    row.thread_id = thread_id
    row.graph_version = graph_version or row.graph_version
    try:
        await session.flush()
    except IntegrityError as error:
        raise Conflict(f"Thread {thread_id} works on another incident.") from error


def update(row: IncidentModel, status: Status | None, facts: Mapping[str, Any], at: datetime) -> None:
    """Lay the newest facts over the old ones, and move to `status` where that is still the nodes' to say.

    A finished incident stays finished, and one that a person muted or took over keeps saying so, whatever an
    old checkpoint that is resumed believes.
    """
    for name in COLUMNS & facts.keys():
        setattr(row, name, facts[name])
    rest = {name: value for name, value in facts.items() if name not in COLUMNS}
    if rest:
        row.facts = {**row.facts, **rest}
    derived = {**_of_run(facts.get("run")), **_of_diagnosis(facts.get("diagnosis"))}
    if proposal := facts.get("proposal"):
        derived["action"] = proposal.get("action")
    for name, value in derived.items():
        setattr(row, name, value)
    held = (row.muted or row.taken_over_by is not None) and status is not Status.BROKEN
    if status is not None and not held and row.status not in FINISHED:
        row.status = status
    if status is Status.VERIFYING and row.outcome is None:
        row.wake_at = at
    elif status is Status.BROKEN:
        row.wake_at = None  # what is broken waits for a person
    row.updated_at = at


def finish(row: IncidentModel, outcome: str, note: str, at: datetime) -> bool:
    """Record how it ended; False when it had ended before, which stands."""
    status = OUTCOMES[outcome]
    if row.status in FINISHED or row.outcome == outcome:
        return False
    row.outcome, row.status, row.note = outcome, status, note
    row.wake_at, row.updated_at = None, at
    row.finished_at = at if status in FINISHED else None
    return True


def summary(row: IncidentModel) -> IncidentSummary:
    """The row as one line of a list."""
    return IncidentSummary.model_validate(row, from_attributes=True)


def view(row: IncidentModel) -> Incident:
    """The whole row as everyone else sees it."""
    return Incident.model_validate(row, from_attributes=True)


def _of_run(run: Mapping[str, Any] | None) -> dict[str, Any]:
    if not run:
        return {}
    return {"job_id": run.get("job_id"), "job_name": run.get("job_name") or "", "tags": run.get("tags") or {}}


def _of_diagnosis(diagnosis: Mapping[str, Any] | None) -> dict[str, Any]:
    if not diagnosis:
        return {}
    return {
        "category": diagnosis.get("category"),
        "failure_class": diagnosis.get("failure_class"),
        "fingerprint": diagnosis.get("fingerprint"),
        "confidence": diagnosis.get("confidence"),
        "summary": (diagnosis.get("root_cause") or "")[:SUMMARY_CHARS],
    }
