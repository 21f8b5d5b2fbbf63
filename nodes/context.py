"""What the nodes are given: protocols only, so that a test hands in fakes and the wiring hands in the real parts.

The context is bound at build time and never checkpointed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from core.actions import Proposal
from core.approvals import Claim, ClaimRequest, NewApproval, Sent
from core.incident import (
    Approval,
    Decision,
    Diagnosis,
    Prediction,
    Reviewer,
    Similar,
    Status,
    Triad,
)
from core.policy import Policy, Rules
from core.run import PastRun, RunFacts, TaskFacts, TaskOutput


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


class Store(Protocol):
    """Rows. Everything here is idempotent by the keys it takes, since nodes run again on replay."""

    async def open_incident(
        self, run: RunFacts, *, thread_id: str | None, incident_id: str | None = None, source: str = "graph"
    ) -> "IncidentRow":
        """Open or find the incident of (workspace, run_id, latest repair id); bind `thread_id` to it.

        Raises:
            Conflict: Another thread already works on it.
        """
        ...

    async def incident(self, incident_id: str) -> "IncidentRow":
        """One incident. Raises: NotFound."""
        ...

    async def update_incident(self, incident_id: str, *, status: Status | None = None, **facts: Any) -> None:
        """Record the newest facts (run, diagnosis, triad, prediction, proposal, similar, ...; JSON) and status."""
        ...

    async def add_event(self, incident_id: str, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        """Append to the audit trail; a second event with the same `key` is the first."""
        ...

    async def put_artifact(self, incident_id: str, name: str, text: str, *, key: str) -> str:
        """Keep a redacted text whole (compressed); the id of the artifact. Idempotent by `key`."""
        ...

    async def get_artifact(self, artifact_id: str) -> str:
        """The text of an artifact. Raises: NotFound."""
        ...

    async def find_artifact(self, incident_id: str, key: str) -> str | None:
        """The text of the artifact put under this key, None when there is none."""
        ...

    async def attachments(self, incident_id: str) -> dict[str, str]:
        """Texts that people attached (file name -> redacted text)."""
        ...

    async def propose(self, new: NewApproval) -> Approval:
        """Write the approval row and its notices by (incident, attempt, revision, payload hash).

        Earlier unclaimed rows of the incident that still pend are superseded in the same transaction.
        """
        ...

    async def approval(self, approval_id: str) -> Approval:
        """One approval row. Raises: NotFound."""
        ...

    async def decide(self, approval_id: str, decision: Decision, reviewer: Reviewer) -> Approval:
        """Record a decision and queue the wake-up, in one transaction.

        Raises:
            Conflict: Decided before (differently), superseded, or for another payload.
            Gone: Too late.
            Forbidden: This person may not.
            InvalidInput: The edited parameters don't fit the action or the policy.
        """
        ...

    async def expire(self, approval_id: str, now: datetime) -> Approval:
        """Mark a pending row whose time is over as expired; any other row is returned as it is."""
        ...

    async def authorised(self, approval_id: str, thread_id: str) -> Approval:
        """The row, if it is approved or edited, belongs to this thread's incident, and still has the hash
        (computed again over its proposal) that was decided on.

        Raises:
            NotAuthorised: It isn't; the message says which check failed.
        """
        ...

    async def claim(self, approval_id: str, thread_id: str, request: ClaimRequest) -> Claim:
        """In one transaction: lock the approval, check it as `authorised` does, insert the claim.

        The claim that stands for the same (incident, attempt, step) is returned instead of a second one.

        Raises:
            NotAuthorised: As `authorised`.
            LeaseLost: Another worker holds the incident.
        """
        ...

    async def speaks(self, approval_id: str) -> bool:
        """Whether people are told of this one: False where an older pending one of its group stands for it."""
        ...

    async def holds_back(self, approval_id: str) -> str:
        """The id of the group under whose decision this approval waits for its turn; empty when it need not."""
        ...

    async def stopped_because(self, approval_id: str) -> str:
        """Why the group's approval that covered this one was stopped before it could act; empty otherwise."""
        ...

    async def record_claim(self, claim_id: str, status: str, result: Mapping[str, Any]) -> None:
        """Record what became of a claim: `sending`, `done`, `failed`, `unknown` or `restored`."""
        ...

    async def claims(self, incident_id: str, attempt: int | None = None) -> list[Claim]:
        """The claims of an incident, oldest first."""
        ...

    async def notify(self, incident_id: str, event: str, recipients: Sequence[str], *, key: str) -> None:
        """Put a message about this incident into the outbox, once for each key and recipient."""
        ...

    async def class_stats(self, failure_class: str, action: str) -> tuple[int, int]:
        """(verified successes, trials) of this action on this class, over all finished incidents."""
        ...

    async def finish(self, incident_id: str, outcome: str, *, note: str = "") -> None:
        """Record how it ended and when. Idempotent."""
        ...


class IncidentRow(Protocol):
    """An incident as the nodes see it."""

    @property
    def id(self) -> str: ...
    @property
    def thread_id(self) -> str | None: ...
    @property
    def status(self) -> str: ...
    @property
    def run_id(self) -> int: ...
    @property
    def latest_repair_id(self) -> int: ...
    @property
    def muted(self) -> bool: ...
    @property
    def taken_over_by(self) -> str | None: ...


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
