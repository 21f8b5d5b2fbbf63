"""What passes between the nodes, the store and the action client about approvals and claims."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.actions import Proposal
from core.groups import Grouping

Step = Literal["apply", "start", "restore", "upstream", "stop"]


class Piece(BaseModel):
    """Base: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewApproval(Piece):
    """A proposal on its way to becoming an approval row.

    `decided_by_rule` names the rule (and who granted it) that approves it at once, so that no person is asked.
    """

    incident_id: str
    attempt: int
    revision: int
    proposal: Proposal
    payload_sha256: str
    approvers: list[str] = Field(default_factory=list)
    ttl_seconds: float
    decided_by_rule: str | None = None
    notify: list[str] = Field(default_factory=list)
    #: The cause it shares with other incidents, and how the policy groups them; None: it is asked about alone.
    grouping: Grouping | None = None
    #: Who may not approve it, and whether somebody else must approve what a person has edited.
    barred: list[str] = Field(default_factory=list)
    separate_duties: bool = False


class ClaimRequest(Piece):
    """One step of an action: what was seen before it, and exactly what will be sent."""

    step: Step
    #: The call: `repair_run`, `run_now`, `cancel_run`, `update_job`, `pause_job`.
    call: str
    before: dict[str, Any] = Field(default_factory=dict)
    request: dict[str, Any] = Field(default_factory=dict)


class Claim(ClaimRequest):
    """A claim as the store holds it: unique by (incident, attempt, step). Times are ISO 8601 in UTC."""

    id: str
    incident_id: str
    attempt: int
    approval_id: str
    status: Literal["claimed", "sending", "done", "failed", "unknown", "restored"] = "claimed"
    result: dict[str, Any] = Field(default_factory=dict)
    created_at: str
    #: Whether this call made the row; False when it stood already.
    fresh: bool = False


class Sent(Piece):
    """What a claim led to.

    `state`: `done` (it took effect, by us), `failed` (the workspace refused; nothing changed), `unknown`
    (only a person can tell). Ids are Databricks' own.
    """

    state: Literal["done", "failed", "unknown"]
    run_id: int | None = None
    repair_id: int | None = None
    detail: str = ""
