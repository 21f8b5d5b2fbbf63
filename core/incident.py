"""The domain's words: an incident, what is known of it, and how it ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.actions import Proposal

Score = float  # 0..1


class Category(StrEnum):
    """What kind of failure it is."""

    TIMEOUT = "timeout"
    RESOURCE = "resource"
    PERMISSION = "permission"
    SYNTAX = "syntax"
    NETWORK = "network"
    DATA = "data"
    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """Where an incident stands. Open ones are in `OPEN`."""

    NEW = "new"
    INVESTIGATING = "investigating"
    AWAITING_APPROVAL = "awaiting_approval"
    ACTING = "acting"
    VERIFYING = "verifying"
    NOTIFIED = "notified"
    ESCALATED = "escalated"
    MUTED = "muted"
    TAKEN_OVER = "taken_over"
    OBSERVED = "observed"
    RESOLVED = "resolved"
    RESOLVED_ELSEWHERE = "resolved_elsewhere"
    TERMINATED = "terminated"
    REJECTED = "rejected"
    CLOSED = "closed"
    BROKEN = "broken"


#: An incident in one of these is finished: nothing wakes it again.
FINISHED = frozenset(
    {
        Status.OBSERVED,
        Status.RESOLVED,
        Status.RESOLVED_ELSEWHERE,
        Status.TERMINATED,
        Status.REJECTED,
        Status.CLOSED,
    }
)
#: The graph has come to its end, but a person (or a good run) still has to close the incident.
LEFT_TO_PEOPLE = frozenset(
    {Status.NOTIFIED, Status.ESCALATED, Status.MUTED, Status.TAKEN_OVER, Status.BROKEN}
)


class Words(BaseModel):
    """Base of the domain types: immutable, tolerant of newer writers."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Evidence(Words):
    """A range of lines that proves something, redacted. Lines count from 1 within `source`."""

    source: str
    line_start: int = Field(ge=1)
    line_end: int = Field(ge=1)
    text: str


class Similar(Words):
    """A runbook or a past incident that looks like this one."""

    id: str
    kind: Literal["runbook", "incident"]
    title: str
    text: str = ""
    score: Score = 0.0
    outcome: str | None = None
    action: str | None = None
    #: How many incidents with the same fingerprint it stands for, itself included.
    times: int = 1


class Triad(Words):
    """The RAG triad, each 0..1: is the answer supported, does it answer, was what was retrieved to the point."""

    faithfulness: Score
    answer_relevance: Score
    context_precision: Score
    #: What a model said of it, when one judged: the scores and reasons it gave, the local ones, the cost. Not dumped.
    judge: dict[str, Any] = Field(default_factory=dict, exclude=True)

    def weakest(self) -> Score:
        """The lowest of the three: what the threshold is held against."""
        return min(self.faithfulness, self.answer_relevance, self.context_precision)


class Diagnosis(Words):
    """What failed and why, with the lines that prove it."""

    category: Category
    failure_class: str
    transient: bool
    root_cause: str
    evidence: list[Evidence] = Field(default_factory=list)
    confidence: Score = 0.0
    fingerprint: str = ""
    secrets_redacted: int = 0
    injection_suspected: bool = False
    #: Which tasks this explains.
    task_keys: list[str] = Field(default_factory=list)
    #: Values read from the evidence that a proposal can be derived from (table, memory, module, ...).
    facts: dict[str, str] = Field(default_factory=dict)
    origin: Literal["catalogue", "model", "catalogue+model"] = "catalogue"
    #: Hash of the prompt file and model name, tokens and cost in US dollars, when a model was asked.
    model: dict[str, Any] = Field(default_factory=dict)
    disagreement: str = ""


class Prediction(Words):
    """The chance that the proposed action ends in success, with a 90% credible interval."""

    probability: Score
    low: Score
    high: Score
    successes: int = 0
    trials: int = 0
    basis: str = ""


class ApprovalStatus(StrEnum):
    """The life of an approval row."""

    PENDING = "pending"
    APPROVED = "approved"
    EDITED = "edited"
    REJECTED = "rejected"
    RESPONDED = "responded"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


#: The only two states of a row that let `act` act.
AUTHORISES = frozenset({ApprovalStatus.APPROVED, ApprovalStatus.EDITED})


class DecisionKind(StrEnum):
    """What a reviewer can say."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"


class Decision(Words):
    """One reviewer's answer to one approval.

    `then` goes with a rejection: stop the run that still burns money, or take the incident over by hand.
    `payload_sha256` is the proposal the reviewer saw; None accepts the current one. `useful` is what the reviewer
    thought of the analysis, if they said.
    """

    kind: DecisionKind
    comment: str = Field(default="", max_length=4000)
    params: dict[str, Any] | None = None
    action: str | None = None
    payload_sha256: str | None = None
    then: Literal["nothing", "terminate", "take_over"] = "nothing"
    useful: bool | None = None


class Reviewer(Words):
    """Who decides: a person behind a token, or a rule that a person granted."""

    name: str
    role: Literal["viewer", "approver", "admin", "rule"]
    channel: str = "api"


class Approval(Words):
    """The approval row as everyone but the store sees it. Times are ISO 8601 in UTC."""

    id: str
    incident_id: str
    attempt: int
    revision: int
    status: ApprovalStatus
    proposal: Proposal
    payload_sha256: str
    approvers: list[str] = Field(default_factory=list)
    #: Who may not approve it: they started the run by hand, or edited the proposal.
    barred: list[str] = Field(default_factory=list)
    #: Whether an edit asks somebody else instead of approving.
    separate_duties: bool = False
    created_at: str
    expires_at: str | None = None
    decided_at: str | None = None
    decided_by: str | None = None
    channel: str | None = None
    comment: str = ""
    then: str = "nothing"
    #: Whether the reviewer found the analysis useful; None: they did not say.
    useful: bool | None = None
    #: When its time was extended, which happens once.
    extended_at: str | None = None
    claimed: bool = False
