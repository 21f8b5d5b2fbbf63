"""What the nodes read and write: plain JSON, small enough to checkpoint at every step.

Logs, traces and screenshots are artifacts in the store; the state holds references and bounded excerpts.
Nothing in it has authority: a node that acts believes rows, never this.
"""

from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

#: Bumped whenever nodes or edges change what an in-flight thread would resume into.
GRAPH_VERSION = "1"

Outcome = Literal[
    "resolved",
    "resolved_elsewhere",
    "terminated",
    "notified",
    "escalated",
    "rejected",
    "taken_over",
    "muted",
    "observed",
    "closed",
    "refused",
]


def merge_tasks(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """Merge task outputs by `attempt/task_key`, keeping the newest attempt only.

    Parallel `fetch_task` branches each add one key; a later attempt replaces all of an earlier one, so the
    state does not pile up over attempts.
    """
    merged = {**(old or {}), **(new or {})}
    newest = max((int(key.split("/", 1)[0]) for key in merged), default=0)
    return {key: merged[key] for key in sorted(merged) if int(key.split("/", 1)[0]) == newest}


class Input(TypedDict, total=False):
    """What starts a thread: an incident that the service opened, or the id of a failed run."""

    incident_id: str
    run_id: int


class State(TypedDict, total=False):
    """The agent's whole memory of one incident."""

    incident_id: str
    run_id: int
    graph_version: str
    #: Counts from 1; the next attempt begins when a repair failed.
    attempt: int
    #: Counts from 1 within an attempt; a hint or an edit makes the next.
    revision: int
    #: `core.run.RunFacts` as JSON, without the settings (those are an artifact).
    run: dict[str, Any]
    #: The key of the artifact that has them.
    settings: str
    #: `attempt/task_key` -> bounded `core.run.TaskOutput` as JSON.
    tasks: Annotated[dict[str, Any], merge_tasks]
    #: The last runs of the job, newest first, as `core.run.PastRun` JSON.
    history: list[dict[str, Any]]
    #: What the run's evidence was searched with, and how often.
    query: str
    retrievals: int
    #: `core.incident.Similar` as JSON, best first.
    similar: list[dict[str, Any]]
    #: `core.incident.Diagnosis` as JSON.
    diagnosis: dict[str, Any]
    #: `core.incident.Triad` as JSON.
    triad: dict[str, float]
    low_support: bool
    #: `core.incident.Prediction` as JSON.
    prediction: dict[str, Any]
    #: `core.actions.Proposal` as JSON, for showing only: the approval row is what counts.
    proposal: dict[str, Any]
    approval_id: str
    #: The incident as a conversation, for clients that show nothing else; LangChain messages as JSON.
    messages: list[dict[str, str]]
    #: What the reviewer added as evidence when responding with a hint.
    hint: str
    #: What the reviewer must know beside the proposal: the same was tried elsewhere and did not help.
    warning: str
    #: The hash of the proposal that the pending review shows: an answer is about that one and no other.
    shown_sha256: str
    #: Why the last answer to the review was not accepted.
    review_error: str
    #: ISO time before which `act` waits.
    not_before: str
    #: What the last action started: ids of claims, runs and repairs.
    started: dict[str, Any]
    #: What the workspace said when it refused the last action.
    refusal: str
    #: Nobody decided in time: the next are told, whether or not telling needs approval.
    unanswered: bool
    #: Earlier attempts: action, params, result.
    tried: list[dict[str, Any]]
    #: Where the conditional edges go next; written by the node before them.
    route: str
    outcome: Outcome
