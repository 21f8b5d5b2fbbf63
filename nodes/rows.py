"""The rows as the nodes see them: what they read and write of an incident, its approvals and its claims."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from core.approvals import Claim, ClaimRequest, NewApproval
from core.groups import Together
from core.incident import Approval, Decision, Reviewer, Status
from core.run import RunFacts
from core.second_look import SecondLook


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
    @property
    def second_look(self) -> SecondLook | None: ...


class Store(Protocol):
    """Rows. Everything here is idempotent by the keys it takes, since nodes run again on replay."""

    async def open_incident(
        self, run: RunFacts, *, thread_id: str | None, incident_id: str | None = None, source: str = "graph"
    ) -> IncidentRow:
        """Open or find the incident of (workspace, run_id, latest repair id); bind `thread_id` to it.

        Raises:
            Conflict: Another thread already works on it.
        """
        ...

    async def incident(self, incident_id: str) -> IncidentRow:
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

    async def notify(
        self,
        incident_id: str,
        event: str,
        recipients: Sequence[str],
        *,
        key: str,
        together: Together | None = None,
    ) -> None:
        """Put a message about this incident into the outbox, once for each key and recipient.

        With `together` it goes out with others of its kind that share the same: one message to each recipient.
        """
        ...

    async def class_stats(self, failure_class: str, action: str) -> tuple[int, int]:
        """(verified successes, trials) of this action on this class, over all finished incidents."""
        ...

    async def finish(self, incident_id: str, outcome: str, *, note: str = "") -> None:
        """Record how it ended and when. Idempotent."""
        ...
