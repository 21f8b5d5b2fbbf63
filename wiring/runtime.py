"""All the real parts of one process, opened in order and closed in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg
import structlog
from procrastinate import App

from core.errors import KnowledgeUnavailable, StoreUnavailable
from core.incident import Reviewer
from core.policy import Policy, load_policy
from core.roster import Roster, roster_of
from core.settings import Settings
from graph.checkpointer import Pool, make_pool, make_saver
from knowledge.memory import Memory
from nodes.context import Context
from nodes.state import GRAPH_VERSION, State
from store.clock import SystemClock
from store.engine import Database
from store.group_desk import GroupDesk
from store.leases import Lease, Leases
from store.local import database_url
from store.migrate import check_schema, migrate
from store.model_calls import ModelCalls
from store.outbox import Outbox
from store.people import People
from store.queries import Queries
from store.runs import Runs
from store.signals import Signals
from store.store import Store
from store.sweeps import Sweeps
from store.tokens import Tokens
from store.tries import Tries
from tools.actions import DatabricksActions
from tools.databricks import Connection, Workspace
from tools.investigator import Investigator
from tools.ocr import PictureReader
from tools.redaction import redact
from tools.reliability import Reliability
from wiring.advance import Advancer, Pace
from wiring.holding import holding
from wiring.investigation import edit_checker, make_investigator, make_pictures
from wiring.knowledge import make_embedder, make_index, make_memory, make_team
from wiring.queue import build_queue, defer_intake, waker
from wiring.restock import Restock

log = structlog.get_logger(__name__)

#: Nodes that change the world, or decide that it may be changed, hold the incident's lease.
_LEASED = frozenset({"review", "act", "verify"})


@dataclass(frozen=True)
class Runtime:
    """The parts, built from the settings; nothing in here is made anew for a request."""

    settings: Settings
    policy: Policy
    clock: SystemClock
    db: Database
    queue: App
    store: Store
    groups: GroupDesk
    queries: Queries
    signals: Signals
    runs: Runs
    outbox: Outbox
    tokens: Tokens
    people: People
    tries: Tries
    roster: Roster
    sweeps: Sweeps
    leases: Leases
    model_calls: ModelCalls
    workspace: Workspace
    actions: DatabricksActions
    investigator: Investigator
    pictures: PictureReader
    memory: Memory
    restock: Restock
    checkpoints: Pool
    #: This process, as lease rows name it.
    holder: str

    @property
    def approvers(self) -> list[str]:
        """Everyone who is named as an approver of anything: by the policy, or by the settings."""
        return [*self.policy.approvers(), *self.roster.named()]

    @property
    def advance(self) -> Advancer:
        """`await advance(incident_id)`: take an incident as far as it can go. One object a process."""
        return self._advance

    def context(self, lease: Lease | None = None) -> Context:
        """What the nodes are given; with a lease, everything they write is fenced by it."""
        return self._context(self.store.under(lease) if lease else self.store)

    @contextlib.asynccontextmanager
    async def around(self, name: str, state: State) -> AsyncIterator[Context]:
        """The context of one node where no worker took the lease (LangGraph's own server): taken for the node.

        Raises:
            LeaseLost: A worker is advancing this incident just now.
        """
        if name not in _LEASED or not state.get("incident_id"):
            yield self.context()
            return
        seconds, heartbeat = self.settings.lease_seconds, self.settings.heartbeat_seconds
        # A decision made here wakes a worker too, which may be a step ahead: then its claim stands already.
        async with holding(
            self.leases,
            state["incident_id"],
            self.holder,
            seconds=seconds,
            heartbeat=heartbeat,
            patience=seconds,
        ) as lease:
            yield self.context(lease)

    async def authenticate(self, token: str) -> Reviewer:
        """Who is behind an API token.

        Raises:
            Unauthenticated: Nobody, or not any more.
        """
        found = await self.tokens.verify(token)
        return Reviewer(name=found.name, role=found.role)

    async def warm_up(self) -> None:
        """Load the embedder, bring the index's runbooks up to date and fill an empty index from the store.

        So the first incident need not wait.
        """
        try:
            await self.memory.search("a run failed", keys={}, limit=1)
        except KnowledgeUnavailable as error:  # each search says so itself
            log.warning("knowledge.unavailable", error=str(error))
        try:
            await self.restock.if_needed()
        except (KnowledgeUnavailable, StoreUnavailable, psycopg.OperationalError) as error:
            log.warning("knowledge.not_restocked", error=str(error))

    def _context(self, store: Store) -> Context:
        return Context(
            workspace=self.workspace,
            actions=self.actions,
            investigator=self.investigator,
            retriever=self.memory,
            predictor=Reliability(),
            store=store,
            clock=self.clock,
            policy=self.policy,
        )

    def __post_init__(self) -> None:
        settings = self.settings
        pace = Pace(
            lease=settings.lease_seconds,
            heartbeat=settings.heartbeat_seconds,
            watch=settings.watch_seconds,
            fetch_concurrency=settings.fetch_concurrency,
        )
        savers = [make_saver(self.checkpoints) for _ in range(settings.worker_concurrency)]
        advancer = Advancer(self.store, self._context, savers, self.leases, pace, self.clock, self.holder)
        object.__setattr__(self, "_advance", advancer)

    _advance: Advancer = None  # type: ignore[assignment]


@contextlib.asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open everything: the embedded database where none is named, pools, the queue, the workspace.

    Raises:
        ConfigurationError: A setting, the policy or the catalogue is wrong.
        SchemaMismatch: The named database was not migrated; the embedded one is migrated here.
        StoreUnavailable: The named database does not answer.
    """
    policy = load_policy(settings.policy)
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        db, queue, checkpoints = await _on_postgres(stack, settings)
        connection = Connection(settings)
        model_calls = ModelCalls(db, clock)
        embedder = make_embedder(settings)
        investigator = make_investigator(settings, policy, embedder, model_calls, connection)
        index = make_index(settings, embedder)
        stack.push_async_callback(asyncio.to_thread, index.close)
        roster = roster_of(settings)
        queries, sweeps = Queries(db, clock), Sweeps(db, clock)
        check_edit = edit_checker(policy, investigator)
        store = Store(
            db,
            clock,
            waker(queue),
            check_edit=check_edit,
            clean=_without_secrets,
            graph_version=GRAPH_VERSION,
        )
        yield Runtime(
            settings=settings,
            policy=policy,
            clock=clock,
            db=db,
            queue=queue,
            store=store,
            groups=GroupDesk(db, clock, waker(queue), check_edit=check_edit, clean=_without_secrets),
            queries=queries,
            signals=Signals(db, clock, lambda raw, signal_id: defer_intake(queue, signal_id, connection=raw)),
            runs=Runs(db, clock),
            outbox=Outbox(db, clock),
            tokens=Tokens(db, clock),
            people=People(db, clock, roster, policy.approvers()),
            tries=Tries(db, clock),
            roster=roster,
            sweeps=sweeps,
            leases=Leases(db),
            model_calls=model_calls,
            workspace=Workspace(connection),
            actions=DatabricksActions(connection),
            investigator=investigator,
            pictures=make_pictures(settings),
            memory=make_memory(index, queries),
            restock=Restock(index, queries, sweeps, make_team(settings), db.libpq_url),
            checkpoints=checkpoints,
            holder=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}",
        )


async def _on_postgres(stack: contextlib.AsyncExitStack, settings: Settings) -> tuple[Database, App, Pool]:
    """The rows, the queue and the checkpoints, each with connections of its own; `stack` closes them."""
    url = await stack.enter_async_context(database_url(settings))
    await _prepared(settings, url)
    db = Database(url, pool_size=settings.worker_concurrency + 6)
    stack.push_async_callback(db.close)
    queue = build_queue(db.libpq_url)
    await stack.enter_async_context(queue.open_async())
    checkpoints = make_pool(db.libpq_url, size=settings.worker_concurrency + 2)
    await checkpoints.open()
    stack.push_async_callback(checkpoints.close)
    return db, queue, checkpoints


def _without_secrets(text: str) -> str:
    return redact(text).text


async def _prepared(settings: Settings, url: str) -> None:
    """A named database must have been migrated by its owner; the embedded one is ours."""
    if settings.database_url:
        await asyncio.to_thread(check_schema, url)
    else:
        await asyncio.to_thread(migrate, url)
