"""Take one incident as far as it can go: start its thread, wake it when what it waits for has come, or let it be.

Resuming is a wake-up, not an order: what the thread does next it reads from rows and from the workspace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid4, uuid5

import structlog
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt, StateSnapshot
from langsmith.utils import tracing_is_enabled

from core.errors import RunNotFound, WorkspaceRefused
from core.groups import Together
from core.incident import FINISHED, ApprovalStatus, Status
from graph.build import build
from nodes.context import Clock, Context
from nodes.state import GRAPH_VERSION
from store.leases import Leases
from store.store import Store
from store.views import Incident
from wiring.holding import holding

log = structlog.get_logger(__name__)

RECURSION_LIMIT = 200
#: What of an approval's row may change while it waits, as the thread's interrupt shows it.
_SHOWN = ("payload_sha256", "expires_at")
Graph = CompiledStateGraph[Any, Any, Any, Any]


def thread_for(incident_id: str) -> str:
    """The id of the thread that is to work on an incident: always the same, and a UUID, since LangGraph's own
    API takes no other."""
    return str(uuid5(NAMESPACE_URL, f"pitstop:{incident_id}"))


class MakeContext(Protocol):
    """Builds the nodes' context around a store."""

    def __call__(self, store: Store) -> Context: ...


@dataclass(frozen=True)
class Pace:
    """Seconds: how long a lease lasts, how often it is renewed, and how often a waiting run is looked at."""

    lease: float
    heartbeat: float
    watch: float
    fetch_concurrency: int


class Advancer:
    """Advances incidents, one saver a slot, each under its lease.

    Args:
        store: Rows; each incident is advanced over it fenced by the lease.
        make_context: Builds the nodes' context around that.
        savers: As many checkpoint savers as incidents may advance at once.
        leases: Where leases are kept.
        pace: The times.
        clock: What time it is.
        holder: This process, as the lease rows name it.
    """

    def __init__(
        self,
        store: Store,
        make_context: MakeContext,
        savers: Sequence[BaseCheckpointSaver],
        leases: Leases,
        pace: Pace,
        clock: Clock,
        holder: str,
    ) -> None:
        self._store = store
        self._make_context = make_context
        self._leases = leases
        self._pace = pace
        self._clock = clock
        self._holder = holder
        # Compiled once: that takes milliseconds, and an incident is looked at often. Each run gets its context.
        self._slots: asyncio.Queue[Graph] = asyncio.Queue()
        for saver in savers:
            self._slots.put_nowait(build(checkpointer=saver))

    async def __call__(self, incident_id: str) -> None:
        """Advance one incident.

        Raises:
            LeaseLost: Another worker has it; nothing was done.
            WorkspaceUnavailable, StoreUnavailable: Weather; call again later.
        """
        graph = await self._slots.get()
        try:
            async with holding(
                self._leases,
                incident_id,
                self._holder,
                seconds=self._pace.lease,
                heartbeat=self._pace.heartbeat,
            ) as lease:
                await self._advance(incident_id, graph, self._store.under(lease))
        finally:
            self._slots.put_nowait(graph)

    async def _advance(self, incident_id: str, graph: Graph, store: Store) -> None:
        ctx = self._make_context(store)
        row = await store.incident(incident_id)
        if row.status in FINISHED:
            return
        thread_id = row.thread_id or thread_for(incident_id)
        config: Any = {
            "configurable": {"thread_id": thread_id},
            "recursion_limit": RECURSION_LIMIT,
            "max_concurrency": self._pace.fetch_concurrency,
            "run_name": "incident",
            "metadata": {"incident_id": incident_id, "graph_version": GRAPH_VERSION},
        }
        if tracing_is_enabled() is True:  # it may also be "local", which sends nothing
            config["run_id"] = uuid4()
        snapshot = await graph.aget_state(config)
        version = snapshot.values.get("graph_version") if snapshot.values else None
        if version not in (None, GRAPH_VERSION):
            await _begun_by_another_version(ctx, incident_id, str(version))
            return
        try:
            moved = await self._step(graph, config, snapshot, ctx, store, incident_id)
        except WorkspaceRefused as error:
            await _refused(ctx, incident_id, error)
            return
        before = snapshot.values
        if moved:
            snapshot = await graph.aget_state(config)
        await self._plan(config, snapshot, store, before, incident_id)

    async def _step(
        self,
        graph: Graph,
        config: Any,
        snapshot: StateSnapshot,
        ctx: Context,
        store: Store,
        incident_id: str,
    ) -> bool:
        """Start, resume or continue the thread; False where it waits for what has not come, or has ended."""
        row = await store.incident(incident_id)
        if not snapshot.next and (not snapshot.values or _goes_on(row)):
            start = {"incident_id": incident_id, "run_id": row.run_id}
            await graph.ainvoke(start, config, context=ctx, durability="sync")
        elif snapshot.interrupts:
            pending = snapshot.interrupts[0]
            if not await self._due(pending, snapshot, ctx, store, incident_id):
                return False
            resume = Command(resume={pending.id: {"wake": True}})
            await graph.ainvoke(resume, config, context=ctx, durability="sync")
        elif snapshot.next:
            await graph.ainvoke(None, config, context=ctx, durability="sync")
        else:
            await _look_after(ctx, incident_id)
            return False
        return True

    async def _due(
        self, pending: Interrupt, snapshot: StateSnapshot, ctx: Context, store: Store, incident_id: str
    ) -> bool:
        """Whether what the interrupt waits for has come."""
        waits_for = pending.value if isinstance(pending.value, dict) else {}
        kind = waits_for.get("kind")
        if kind == "backoff":
            return datetime.fromisoformat(waits_for["until"]) <= ctx.clock.now()
        if kind == "turn":
            return not await store.holds_back(snapshot.values.get("approval_id", ""))
        if kind != "review":
            return True
        approval = await ctx.store.approval(snapshot.values.get("approval_id", ""))
        if approval.status is not ApprovalStatus.PENDING:
            return not await store.holds_back(approval.id)
        if approval.expires_at and datetime.fromisoformat(approval.expires_at) <= ctx.clock.now():
            return True
        if any(waits_for.get(key) != getattr(approval, key) for key in _SHOWN):
            return True  # edited, or extended: the thread is to show it as it is
        row = await ctx.store.incident(incident_id)
        if row.muted or row.taken_over_by or await _repaired_meanwhile(ctx, incident_id):
            await store.supersede(approval.id)
            return True
        return False

    async def _plan(
        self, config: Any, snapshot: StateSnapshot, store: Store, before: dict[str, Any], incident_id: str
    ) -> None:
        """Note when the watcher should look again, and which trace a new proposal came from."""
        if snapshot.values.get("approval_id") != before.get("approval_id"):
            if "run_id" in config:
                await store.update_incident(incident_id, trace_run_id=str(config["run_id"]))
        elif snapshot.values.get("shown_sha256") != before.get("shown_sha256"):
            await store.update_incident(incident_id)  # lists of threads go by its time
        row = await store.incident(incident_id)
        if row.status in FINISHED:
            return
        due = self._clock.now() + timedelta(seconds=await self._wait(snapshot, store))
        for pending in snapshot.interrupts:
            value = pending.value if isinstance(pending.value, dict) else {}
            until = value.get("until") or value.get("expires_at")
            if until:
                due = (
                    min(due, datetime.fromisoformat(until))
                    if value.get("kind") == "review"
                    else datetime.fromisoformat(until)
                )
        await store.snooze(incident_id, due)

    async def _wait(self, snapshot: StateSnapshot, store: Store) -> float:
        """Seconds until the watcher looks again: soon at what runs, ever more rarely at what waits for people.

        A decision, a turn and a webhook wake the incident at once; only a repair by hand is found by looking.
        """
        watch = self._pace.watch
        kinds = {p.value.get("kind") for p in snapshot.interrupts if isinstance(p.value, dict)}
        approval_id = snapshot.values.get("approval_id", "")
        if not kinds:
            return 10 * watch
        if "turn" in kinds:
            return 40 * watch
        if "review" not in kinds or not approval_id:
            return watch
        approval = await store.approval(approval_id)
        if approval.status is not ApprovalStatus.PENDING:  # decided with its group, and not its turn yet
            return 40 * watch
        age = (self._clock.now() - datetime.fromisoformat(approval.created_at)).total_seconds()
        return min(40 * watch, max(8 * watch, age / 10))


def _goes_on(row: Incident) -> bool:
    """Whether a person asked for a second look after the graph had come to its end, which has not begun yet."""
    return row.second_look is not None and row.outcome is None and row.status == Status.INVESTIGATING


async def _repaired_meanwhile(ctx: Context, incident_id: str) -> bool:
    """Whether somebody else repaired the run while the approval pends."""
    row = await ctx.store.incident(incident_id)
    try:
        run = await ctx.workspace.run(row.run_id)
    except RunNotFound:
        return True
    ours = {claim.result.get("repair_id") for claim in await ctx.store.claims(incident_id)}
    return run.latest_repair_id not in {0, row.latest_repair_id, *ours}


async def _look_after(ctx: Context, incident_id: str) -> None:
    """An incident that was left to people is over when its run, or a later run of its job, is good."""
    row = await ctx.store.incident(incident_id)
    try:
        run = await ctx.workspace.run(row.run_id)
    except RunNotFound:
        await ctx.store.finish(incident_id, "closed", note="The run is no longer kept by the workspace.")
        return
    later = await ctx.workspace.history(run.job_id) if run.job_id else []
    good = run.result_state == "SUCCESS" and run.latest_repair_id != row.latest_repair_id
    if good or any(
        p.result_state == "SUCCESS" and (p.start_time or 0) > (run.end_time or 0) > 0 for p in later
    ):
        await ctx.store.finish(incident_id, "resolved_elsewhere", note="A later run of the job was good.")


async def _refused(ctx: Context, incident_id: str, error: WorkspaceRefused) -> None:
    """The workspace says no to us: a person has to mend the access, and the incident waits for it."""
    log.warning("incident.refused", incident_id=incident_id, error=str(error))
    await ctx.store.add_event(
        incident_id, "workspace_refused", {"reason": str(error)}, key=f"workspace_refused/{error.message}"
    )
    await ctx.store.update_incident(incident_id, status=Status.BROKEN, note=str(error))
    rules = ctx.policy.defaults
    people = rules.escalate_to or rules.approvers or rules.owners
    pace = rules.groups
    together = Together(
        about="the workspace refuses us",
        settle_seconds=pace.settle_seconds,
        update_seconds=pace.update_seconds,
    )
    await ctx.store.notify(incident_id, "broken", people, key="broken/workspace_refused", together=together)


async def _begun_by_another_version(ctx: Context, incident_id: str, version: str) -> None:
    why = f"This incident was begun by version {version} of the graph, and this is {GRAPH_VERSION}."
    await ctx.store.add_event(
        incident_id, "other_version", {"version": version}, key=f"other_version/{version}"
    )
    await ctx.store.update_incident(
        incident_id, status=Status.BROKEN, note=f"{why} Finish it by hand, then close it."
    )
