"""An in-memory store with the rules that nodes rely on; `tests/integration` holds it to the real one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.actions import Action, check_params, payload_sha256
from core.approvals import Claim, ClaimRequest, NewApproval
from core.edits import edited
from core.errors import Conflict, Forbidden, Gone, InvalidInput, NotAuthorised, NotFound
from core.groups import Together
from core.incident import (
    AUTHORISES,
    Approval,
    ApprovalStatus,
    Decision,
    DecisionKind,
    Reviewer,
    Status,
)
from core.run import RunFacts
from core.second_look import SecondLook
from nodes.context import Clock
from store.decisions import STATUS_AFTER, may_decide
from store.duties import why_barred
from store.people import listed


@dataclass
class Row:
    """An incident row."""

    id: str
    run_id: int
    workspace: str
    latest_repair_id: int
    thread_id: str | None = None
    status: str = Status.NEW
    muted: bool = False
    taken_over_by: str | None = None
    outcome: str | None = None
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    second_look: SecondLook | None = None


class FakeStore:
    """Rows in dictionaries; see `nodes.rows.Store` for what each method promises."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rows: dict[str, Row] = {}
        self.events: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = defaultdict(dict)
        self.artifacts: dict[str, tuple[str, str, str]] = {}
        self.approvals: dict[str, Approval] = {}
        #: The hash that an approval was proposed with, before anybody edited it.
        self.originals: dict[str, str] = {}
        #: Approval ids, each with one whom a message asked.
        self.asked: list[tuple[str, str]] = []
        self._claims: dict[tuple[str, int, str], Claim] = {}
        self.messages: dict[str, tuple[str, str, str]] = {}
        #: With which news a message goes out.
        self.together: dict[str, Together] = {}
        self.stats: dict[tuple[str, str], tuple[int, int]] = {}
        #: Approvals that another member of their group stands for.
        self.spoken_for: set[str] = set()
        #: Approval id -> the group it waits in, and why that was stopped.
        self.held: dict[str, str] = {}
        self.stopped: dict[str, str] = {}
        self.attached: dict[str, dict[str, str]] = defaultdict(dict)

    async def open_incident(
        self, run: RunFacts, *, thread_id: str | None, incident_id: str | None = None, source: str = "graph"
    ) -> Row:
        if incident_id:
            row = await self.incident(incident_id)
        else:
            same = (run.workspace, run.run_id, run.latest_repair_id)
            found = [r for r in self.rows.values() if (r.workspace, r.run_id, r.latest_repair_id) == same]
            row = found[0] if found else Row(f"inc_{len(self.rows) + 1}", run.run_id, run.workspace, same[2])
            self.rows[row.id] = row
        if row.thread_id and thread_id and row.thread_id != thread_id:
            raise Conflict(f"Thread {row.thread_id} already works on incident {row.id}.")
        row.thread_id = row.thread_id or thread_id
        return row

    async def incident(self, incident_id: str) -> Row:
        if incident_id not in self.rows:
            raise NotFound(f"There is no incident {incident_id}.")
        return self.rows[incident_id]

    async def update_incident(self, incident_id: str, *, status: Status | None = None, **facts: Any) -> None:
        row = await self.incident(incident_id)
        row.status = status or row.status
        row.facts |= facts

    async def add_event(self, incident_id: str, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        self.events[incident_id].setdefault(key, (kind, data))

    def kinds(self, incident_id: str) -> list[str]:
        """The kinds of an incident's events, in order."""
        return [kind for kind, _ in self.events[incident_id].values()]

    async def put_artifact(self, incident_id: str, name: str, text: str, *, key: str) -> str:
        artifact = f"art_{incident_id}_{key}"
        self.artifacts[artifact] = (incident_id, key, text)
        return artifact

    async def get_artifact(self, artifact_id: str) -> str:
        if artifact_id not in self.artifacts:
            raise NotFound(f"There is no artifact {artifact_id}.")
        return self.artifacts[artifact_id][2]

    async def find_artifact(self, incident_id: str, key: str) -> str | None:
        return next((t for i, k, t in self.artifacts.values() if (i, k) == (incident_id, key)), None)

    async def attachments(self, incident_id: str) -> dict[str, str]:
        return self.attached[incident_id]

    async def propose(self, new: NewApproval) -> Approval:
        same = (new.incident_id, new.attempt, new.revision, new.payload_sha256)
        for row in self.approvals.values():
            if (row.incident_id, row.attempt, row.revision, self.originals[row.id]) == same:
                return row
        for row in list(self.approvals.values()):
            if row.incident_id == new.incident_id and row.status is ApprovalStatus.PENDING:
                self._put(row, status=ApprovalStatus.SUPERSEDED)
        now = self.clock.now()
        rule = new.decided_by_rule
        approval = Approval(
            id=f"apr_{len(self.approvals) + 1}",
            incident_id=new.incident_id,
            attempt=new.attempt,
            revision=new.revision,
            status=ApprovalStatus.APPROVED if rule else ApprovalStatus.PENDING,
            proposal=new.proposal,
            payload_sha256=new.payload_sha256,
            approvers=new.approvers,
            barred=new.barred,
            separate_duties=new.separate_duties,
            created_at=now.isoformat(),
            expires_at=(now + timedelta(seconds=new.ttl_seconds)).isoformat(),
            decided_at=now.isoformat() if rule else None,
            decided_by=rule,
            channel="policy" if rule else None,
        )
        self.approvals[approval.id] = approval
        self.originals[approval.id] = approval.payload_sha256
        self.asked += [(approval.id, person) for person in new.notify]
        for person in new.notify:
            self.messages[f"approval/{approval.id}/{person}"] = (new.incident_id, "approval", person)
        return approval

    async def approval(self, approval_id: str) -> Approval:
        if approval_id not in self.approvals:
            raise NotFound(f"There is no approval {approval_id}.")
        return self.approvals[approval_id]

    async def decide(self, approval_id: str, decision: Decision, reviewer: Reviewer) -> Approval:
        row = await self.approval(approval_id)
        if not may_decide(row.approvers, reviewer):
            raise Forbidden(f"{reviewer.name} may not decide on this.")
        _whole(decision)
        if row.status is not ApprovalStatus.PENDING:
            if self._same(row, decision, reviewer):
                return row
            raise Conflict(f"It was {row.status.value} by {row.decided_by} already.")
        if row.expires_at and datetime.fromisoformat(row.expires_at) <= self.clock.now():
            raise Gone("It has expired.")
        changes = _edited(row, decision, reviewer.name) if decision.kind is DecisionKind.EDIT else {}
        asks_another = bool(changes) and row.separate_duties
        asked_already = changes.get("payload_sha256") == row.payload_sha256 != self.originals[row.id]
        if asks_another and asked_already and listed(reviewer.name, row.barred):
            return row
        if decision.payload_sha256 not in (None, row.payload_sha256):
            raise Conflict("The proposal has changed since.")
        if decision.kind is DecisionKind.APPROVE and (why := why_barred(reviewer.name, row.barred)):
            raise Forbidden(why)
        if asks_another:
            return await self._ask_another(row, changes, reviewer)
        return self._put(
            row,
            status=STATUS_AFTER[decision.kind],
            decided_by=reviewer.name,
            channel=reviewer.channel,
            comment=decision.comment,
            then=decision.then,
            useful=decision.useful,
            decided_at=self.clock.now().isoformat(),
            **changes,
        )

    def _same(self, row: Approval, decision: Decision, reviewer: Reviewer) -> bool:
        """Whether the row holds exactly this decision of this person."""
        if (row.status, row.decided_by) != (STATUS_AFTER[decision.kind], reviewer.name):
            return False
        if decision.payload_sha256 not in (None, self.originals[row.id], row.payload_sha256):
            return False
        if decision.kind is DecisionKind.EDIT:
            return _edited(row, decision, reviewer.name)["payload_sha256"] == row.payload_sha256
        return decision.kind is not DecisionKind.RESPOND or decision.comment == row.comment

    async def _ask_another(self, row: Approval, changes: dict[str, Any], by: Reviewer) -> Approval:
        barred = row.barred if listed(by.name, row.barred) else [*row.barred, by.name]
        key = f"{row.id}/{changes['payload_sha256']}"
        await self.add_event(row.incident_id, "edited", {"by": by.name}, key=f"edited/{key}")
        asked = [person for which, person in self.asked if which == row.id]
        for person in [*(name for name in row.approvers if "@" in name), *asked]:
            if not listed(person, barred):
                told = (row.incident_id, "approval", person)
                self.messages[f"approval/{key}/{person.casefold()}"] = told
        return self._put(row, barred=barred, **changes)

    async def expire(self, approval_id: str, now: datetime) -> Approval:
        row = await self.approval(approval_id)
        over = row.expires_at and datetime.fromisoformat(row.expires_at) <= now
        if row.status is ApprovalStatus.PENDING and over:
            return self._put(row, status=ApprovalStatus.EXPIRED)
        return row

    async def supersede(self, approval_id: str) -> Approval:
        """What the service does when a run was repaired by hand meanwhile."""
        return self._put(await self.approval(approval_id), status=ApprovalStatus.SUPERSEDED)

    async def authorised(self, approval_id: str, thread_id: str) -> Approval:
        row = await self.approval(approval_id)
        if row.status not in AUTHORISES:
            raise NotAuthorised(f"Approval {row.id} is {row.status.value}.")
        if (await self.incident(row.incident_id)).thread_id != thread_id:
            raise NotAuthorised("The approval belongs to another thread.")
        sha = payload_sha256(row.incident_id, row.attempt, row.proposal.action, row.proposal.checked())
        if sha != row.payload_sha256:
            raise NotAuthorised("The proposal is not the one that was decided on.")
        return row

    async def claim(self, approval_id: str, thread_id: str, request: ClaimRequest) -> Claim:
        row = await self.authorised(approval_id, thread_id)
        key = (row.incident_id, row.attempt, request.step)
        if key in self._claims:
            return self._claims[key].model_copy(update={"fresh": False})
        claim = Claim(
            id=f"clm_{len(self._claims) + 1}",
            incident_id=row.incident_id,
            attempt=row.attempt,
            approval_id=row.id,
            created_at=self.clock.now().isoformat(),
            **request.model_dump(),
        )
        self._claims[key] = claim
        return claim.model_copy(update={"fresh": True})

    async def speaks(self, approval_id: str) -> bool:
        return approval_id not in self.spoken_for

    async def holds_back(self, approval_id: str) -> str:
        return self.held.get(approval_id, "")

    async def stopped_because(self, approval_id: str) -> str:
        return self.stopped.get(approval_id, "")

    async def record_claim(self, claim_id: str, status: str, result: Mapping[str, Any]) -> None:
        for key, claim in self._claims.items():
            if claim.id == claim_id:
                update = {"status": status, "result": dict(result)}
                self._claims[key] = claim.model_copy(update=update)

    async def claims(self, incident_id: str, attempt: int | None = None) -> list[Claim]:
        return [
            c for c in self._claims.values() if c.incident_id == incident_id and attempt in (None, c.attempt)
        ]

    async def notify(
        self,
        incident_id: str,
        event: str,
        recipients: Sequence[str],
        *,
        key: str,
        together: Together | None = None,
    ) -> None:
        for person in recipients:
            if together is not None:
                self.together[f"{key}/{person}"] = together
            self.messages.setdefault(f"{key}/{person}", (incident_id, event, person))

    async def class_stats(self, failure_class: str, action: str) -> tuple[int, int]:
        return self.stats.get((failure_class, action), (0, 0))

    async def finish(self, incident_id: str, outcome: str, *, note: str = "") -> None:
        row = await self.incident(incident_id)
        row.outcome, row.note, row.status = outcome, note, outcome

    def _put(self, row: Approval, **changes: Any) -> Approval:
        self.approvals[row.id] = row.model_copy(update=changes)
        return self.approvals[row.id]


def _whole(decision: Decision) -> None:
    if decision.then != "nothing" and decision.kind is not DecisionKind.REJECT:
        raise InvalidInput("Only a rejection can stop the run or take the incident over.")
    if decision.kind is DecisionKind.RESPOND and not decision.comment.strip():
        raise InvalidInput("A response needs a comment.")


def _edited(row: Approval, decision: Decision, by: str) -> dict[str, Any]:
    """What an edit changes of the row."""
    if decision.action and decision.action != row.proposal.action:
        raise Conflict("An edit may not change the action.")
    params = check_params(Action(row.proposal.action), decision.params)
    sha = payload_sha256(row.incident_id, row.attempt, row.proposal.action, params)
    return {"proposal": edited(row.proposal, params, by), "payload_sha256": sha}
