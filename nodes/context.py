"""What the nodes are given: protocols only, so that a test hands in fakes and the wiring hands in the real parts.

The context is bound at build time and never checkpointed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from core.actions import Proposal
from core.approvals import Claim, ClaimRequest, Sent
from core.incident import (
    Diagnosis,
    Prediction,
    Similar,
    Triad,
)
from core.policy import Policy, Rules
from core.run import PastRun, RunFacts, TaskFacts, TaskOutput
from nodes.rows import Store


class Workspace(Protocol):
    """Reads from Databricks. Every method raises a branch of `core.errors.WorkspaceError`."""

    @property
    def name(self) -> str:
        """The workspace's host, part of an incident's identity."""
        ...

    async def run(self, run_id: int) -> RunFacts:
        """One run with all its tasks (pages followed), repair history and the job's current settings."""
        ...

    async def task_output(
        self, run: RunFacts, task: TaskFacts, *, good_run_id: int | None = None
    ) -> "RawOutput":
        """Everything a failed task left behind, unredacted and whole up to the API's own limits.

        With it, as `good_log`, the lines of the same task's log in a good run, where both left a log.
        """
        ...

    async def exit_value(self, task: TaskFacts) -> str:
        """What a notebook task handed to `dbutils.notebook.exit`; empty when nothing."""
        ...

    async def history(self, job_id: int, limit: int = 25) -> list[PastRun]:
        """The job's last completed runs, newest first."""
        ...

    async def find_job(self, name: str) -> int | None:
        """The id of the job of exactly this name."""
        ...


class RawOutput(Protocol):
    """A task's output before redaction: texts by name, and what could not be read."""

    texts: dict[str, str]
    cluster_events: list[dict[str, Any]]
    missing: list[str]
    logs_truncated: bool
    notebook_truncated: bool


class Actions(Protocol):
    """Changes Databricks: each sends once, under a claim, and reconciles instead of re-sending blindly."""

    async def prepare(self, proposal: Proposal, run: RunFacts) -> list[ClaimRequest]:
        """The steps (apply, start) the proposal needs, each with what was seen before and what will be sent."""
        ...

    async def send(self, claim: Claim) -> Sent:
        """Send one claim, or find out what became of it when it was sent before.

        Raises:
            WorkspaceRefused: The workspace said no; nothing changed.
            WorkspaceUnavailable: Not known yet whether it took effect; call again with the same claim.
        """
        ...

    async def upstream_state(self, claim: Claim) -> str:
        """What became of the run that an `upstream` claim started: `running`, `succeeded` or `failed`."""
        ...

    async def restore(self, claim: Claim) -> Sent:
        """Put back settings that `claim` (step apply) changed, only if they still are what it left."""
        ...


class Investigator(Protocol):
    """Reads evidence and names causes (catalogue, and a model where one is configured)."""

    def clean(self, run: RunFacts) -> RunFacts:
        """The run with every text in it redacted."""
        ...

    def redact(self, output: RawOutput, task: TaskFacts, run: RunFacts) -> tuple[TaskOutput, dict[str, str]]:
        """The bounded, redacted output, and the redacted whole texts to keep as artifacts (name -> text)."""
        ...

    async def query(
        self, run: RunFacts, outputs: Sequence[TaskOutput], *, widen: int = 0
    ) -> tuple[str, dict[str, str]]:
        """What to search the knowledge with, built from evidence, and the exact keys beside it.

        `widen` counts the tries before: each says less, and so finds more.
        """
        ...

    async def diagnose(
        self,
        run: RunFacts,
        outputs: Sequence[TaskOutput],
        similar: Sequence[Similar],
        *,
        hint: str = "",
        incident_id: str = "",
    ) -> Diagnosis:
        """Category, class, root cause and evidence. Never raises for want of a model."""
        ...

    async def evaluate(
        self,
        diagnosis: Diagnosis,
        similar: Sequence[Similar],
        *,
        incident_id: str = "",
        run: RunFacts | None = None,
    ) -> Triad:
        """The RAG triad of a diagnosis over what it was made from. Never raises for want of a model."""
        ...

    def propose(
        self,
        diagnosis: Diagnosis,
        run: RunFacts,
        rules: Rules,
        *,
        attempt: int,
        low_support: bool,
        tried: Sequence[dict[str, Any]] = (),
        jobs: Mapping[str, int] = MappingProxyType({}),
    ) -> Proposal:
        """The one action to propose, its parameters derived from the run's own settings, clamped by the rules.

        `jobs` has the ids of producers that the policy knows by name only.
        """
        ...

    def answer(self, diagnosis: Diagnosis) -> str:
        """The diagnosis as the sentences that the triad scores and the reviewer reads."""
        ...


class Retriever(Protocol):
    """Finds runbooks and past incidents."""

    async def search(self, query: str, *, keys: Mapping[str, str], limit: int = 5) -> list[Similar]:
        """The best matches for a query and exact keys (`fingerprint`, `failure_class`, `job`), best first.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened.
        """
        ...

    async def remember(self, incident_id: str) -> None:
        """Put one finished incident, as the store holds it, into what `search` finds. Idempotent."""
        ...


class Predictor(Protocol):
    """Estimates whether a rerun will hold."""

    def predict(
        self, proposal_transient: bool, history: Sequence[PastRun], stats: tuple[int, int], attempt: int
    ) -> Prediction:
        """A small-sample estimate with its interval, from the job's runs and this class's verified outcomes."""
        ...


class Clock(Protocol):
    """The only source of time in nodes."""

    def now(self) -> datetime:
        """Now, in UTC, with its timezone."""
        ...


@dataclass(frozen=True)
class Context:
    """Everything a node may use."""

    workspace: Workspace
    actions: Actions
    investigator: Investigator
    retriever: Retriever
    predictor: Predictor
    store: Store
    clock: Clock
    policy: Policy
