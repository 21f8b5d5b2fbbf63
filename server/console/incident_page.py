"""One incident as its page shows it: the API's story, worked out into what the templates print."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.actions import Proposal
from core.incident import FINISHED, Approval, ApprovalStatus, Prediction, Reviewer, Similar, Status
from core.stakes import stakes
from server.console import proposals, run_plot, task_graph
from server.console.support import Support, support
from server.console.surroundings import Excerpt
from server.console.words import deed
from server.rights import Rights, rights
from server.story import ArtifactOut, EventOut, Incident
from store.people import listed
from wiring.position import NODES, Position

#: Endings of keys that say nothing to a person.
HIDDEN = ("sha256", "approval_id", "claim_id", "artifact_id")
MAX_TASKS_SHOWN = 40
#: What each score of the triad asks.
ASKS = {
    "faithfulness": "does the evidence say so?",
    "answer_relevance": "does it explain this failure?",
    "context_precision": "was what was looked up to the point?",
}
BAD = frozenset({"FAILED", "TIMEDOUT", "INTERNAL_ERROR", "SUCCESS_WITH_FAILURES"})


@dataclass
class View:
    """What `incident.html` and its parts read; field names are those of `server.story.Incident`."""

    story: Incident
    reader: Reviewer
    triad_threshold: float
    url: str = ""
    job: str = ""
    pending: Approval | None = None
    approval: Approval | None = None
    proposal: Proposal | None = None
    changes: list[proposals.Change] = field(default_factory=list)
    fields: list[proposals.Field] = field(default_factory=list)
    patch: list[tuple[str, str]] = field(default_factory=list)
    stakes: list[tuple[str, str]] = field(default_factory=list)
    excerpts: list[Excerpt] = field(default_factory=list)
    supports: list[Support] = field(default_factory=list)
    position: Position | None = None
    #: Who may be asked instead of the reader.
    people: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.story, name)

    @property
    def may_decide(self) -> bool:
        """Whether the reader's role lets them decide on anything at all."""
        return self.reader.role in ("approver", "admin")

    @property
    def rights(self) -> Rights:
        """What the reader may do with the open question, or might with one that names nobody."""
        asked = self.pending
        return rights(asked.approvers if asked else (), asked.barred if asked else (), self.reader)

    @property
    def finished(self) -> bool:
        """Whether nothing wakes it again."""
        return self.story.status in FINISHED

    @property
    def version(self) -> str:
        """Changes with anything that the page shows."""
        return version(self.story)

    @property
    def decision_version(self) -> str:
        """Changes with the proposal or its status only."""
        return decision_version(self.story)

    @property
    def may_look_again(self) -> bool:
        """Whether Pitstop may be asked to look again."""
        return may_look_again(self.story)

    @property
    def unread(self) -> list[str]:
        """The names of what was attached after the newest proposal was made, so is not in it."""
        if self.approval is None:
            return []
        made = datetime.fromisoformat(self.approval.created_at)
        return [a.name for a in self.story.attachments if a.created_at > made]

    @property
    def root_cause(self) -> str:
        """The cause in one sentence."""
        return self.story.diagnosis.get("root_cause") or self.story.summary

    @property
    def run_page_url(self) -> str | None:
        """The run's page in the workspace."""
        return self.story.run.get("run_page_url")

    @property
    def confidence(self) -> float | None:
        """How sure the diagnosis is."""
        return self.story.diagnosis.get("confidence")

    @property
    def injection_suspected(self) -> bool:
        """Whether the log gave orders."""
        return bool(self.story.diagnosis.get("injection_suspected"))

    @property
    def disagreement(self) -> str:
        """Where a model and the catalogue see it differently."""
        return self.story.diagnosis.get("disagreement") or ""

    @property
    def run_duration(self) -> float | None:
        """Seconds."""
        return self.story.run.get("duration_seconds")

    @property
    def triad(self) -> list[tuple[str, float, str]]:
        """The three scores, each with a readable name and what it asks."""
        scores = self.story.triad.items()
        return [(name.replace("_", " ").capitalize(), value, ASKS.get(name, "")) for name, value in scores]

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """Failed tasks first, the root failures marked."""
        rows = sorted(_tasks(self.story), key=lambda row: (not row["root"], row["state"] not in BAD))
        return rows[:MAX_TASKS_SHOWN]

    @property
    def tasks_summary(self) -> str:
        """How many, and how many of them failed."""
        every = self.story.run.get("tasks") or []
        failed = sum(1 for t in every if t.get("result_state") in BAD)
        return f"{failed} of {len(every)} failed"

    @property
    def similar(self) -> list[Similar]:
        """Runbooks and past incidents, best first."""
        return [Similar.model_validate(found) for found in self.story.similar]

    @property
    def prediction(self) -> Prediction | None:
        """The chance that the action holds; None where nothing was predicted."""
        found = self.story.prediction
        return Prediction.model_validate(found) if found else None

    @property
    def runs(self) -> run_plot.RunPlot | None:
        """The job's last runs, to be drawn."""
        return run_plot.plot(self.story.history, self.story.run)

    @property
    def drawing(self) -> task_graph.Drawing | None:
        """The run's tasks, to be drawn."""
        return task_graph.draw(_tasks(self.story))

    @property
    def steps(self) -> list[tuple[str, bool]]:
        """The graph's nodes in order, each with whether the thread stands there."""
        at = self.position.at if self.position else []
        return [(node, node in at) for node in NODES]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The trail, newest first."""
        return [{"at": e.at, "kind": e.kind, "summary": _summary(e)} for e in reversed(self.story.events)]

    @property
    def artifacts(self) -> list[ArtifactOut]:
        """Texts kept whole."""
        return self.story.artifacts


def version(story: Incident) -> str:
    """Changes with anything that the page shows, so that an unchanged page is not sent again."""
    newest = story.events[-1].id if story.events else 0
    text = f"{story.updated_at}/{newest}/{len(story.artifacts)}/{story.group}"
    return f"{_short(text)}.{decision_version(story)}"


def decision_version(story: Incident) -> str:
    """Changes with the proposal, its status or who may decide only: a form that is being filled in stays."""
    shown = story.approvals[-1] if story.approvals else None
    text = f"{story.proposal}"
    if shown:
        text = f"{shown.id}/{shown.status}/{shown.payload_sha256}/{shown.approvers}/{shown.barred}"
    return _short(text)


def may_look_again(story: Incident) -> bool:
    """Whether the incident waits for a person, so that Pitstop may be asked to look again."""
    if story.status == Status.AWAITING_APPROVAL:
        return bool(story.approvals) and story.approvals[-1].status is ApprovalStatus.PENDING
    return story.status in (Status.NOTIFIED, Status.ESCALATED)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def build(
    story: Incident,
    *,
    reader: Reviewer,
    triad_threshold: float,
    excerpts: list[Excerpt] | None = None,
    position: Position | None = None,
    people: Iterable[str] = (),
) -> View:
    """The page of one incident."""
    view = View(story=story, reader=reader, triad_threshold=triad_threshold, position=position)
    view.excerpts = excerpts or []
    view.people = sorted({name for name in people if not listed(reader.name, [name])})
    view.url = f"/console/incidents/{story.id}"
    view.job = story.job_name or f"job {story.job_id or '?'}"
    view.approval = story.approvals[-1] if story.approvals else None
    if view.approval and view.approval.status is ApprovalStatus.PENDING and not view.finished:
        view.pending = view.approval
    if view.pending:
        view.proposal = view.pending.proposal
    elif story.proposal:
        view.proposal = Proposal.model_validate(story.proposal)
    elif view.approval:
        view.proposal = view.approval.proposal
    view.supports = support(view.root_cause, view.excerpts, view.similar)
    if view.proposal:
        view.stakes = stakes(view.proposal, story.run)
        view.changes = proposals.changes(view.proposal, story.run)
        view.patch = proposals.patch(view.proposal)
        view.fields = proposals.fields(view.proposal) if view.pending else []
    return view


def _tasks(story: Incident) -> list[dict[str, Any]]:
    every = story.run.get("tasks") or []
    state = {t["task_key"]: _state(t) for t in every}
    errors = {key.split("/", 1)[-1]: value.get("error", "") for key, value in story.tasks.items()}
    return [
        {
            "key": t["task_key"],
            "state": _state(t),
            "root": _state(t) in BAD and not any(state.get(d) in BAD for d in t.get("depends_on") or []),
            "depends_on": t.get("depends_on") or [],
            "seconds": _seconds(t),
            "said": _first_line(errors.get(t["task_key"]) or t.get("state_message") or ""),
            "url": t.get("run_page_url"),
        }
        for t in every
    ]


def _state(task: dict[str, Any]) -> str:
    return task.get("result_state") or task.get("life_cycle_state") or "unknown"


def _seconds(task: dict[str, Any]) -> float | None:
    start, end = task.get("start_time"), task.get("end_time")
    return (end - start) / 1000 if start and end else None


def _first_line(text: str) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "")
    return line[:200] + ("…" if len(line) > 200 else "")


def _summary(event: EventOut) -> str:
    """The event's own facts in one line; ids, hashes, and long and nested values are left to the API."""
    parts = []
    for key, value in event.data.items():
        plain = isinstance(value, str | int | float) and value not in ("", "nothing", False, 0)
        if key.endswith(HIDDEN) or not (plain or (isinstance(value, list) and value)):
            continue
        shown = ", ".join(map(str, value[:10])) if isinstance(value, list) else str(value)
        parts.append(f"{key.replace('_', ' ')}: {deed(value) if key == 'action' else shown}")
    return "; ".join(parts)[:300]
