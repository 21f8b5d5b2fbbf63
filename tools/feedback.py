"""What reviewers thought of a proposal, sent to the LangSmith run that made it."""

from __future__ import annotations

import asyncio
import uuid

import requests
from langsmith import Client
from langsmith.utils import LangSmithError, get_tracer_project

from core.errors import DeliveryFailed, DeliveryRefused
from core.incident import Approval, ApprovalStatus
from tools.redaction import redact

DECISION = "reviewer_decision"
#: 1 or 0: whether the reviewer said that the analysis was of use. Nothing is sent where they did not say.
USEFUL = "analysis_useful"
TIMEOUT_MS = 20_000
MAX_COMMENT = 1000
#: How good a decision says the proposal was; a hint says only that something was missing.
SCORES: dict[ApprovalStatus, float | None] = {
    ApprovalStatus.APPROVED: 1.0,
    ApprovalStatus.EDITED: 0.5,
    ApprovalStatus.REJECTED: 0.0,
    ApprovalStatus.RESPONDED: None,
}
_NAMESPACE = uuid.UUID("1f0a5f1e-9f0c-4c1b-9a53-3c2c5e1f8f0d")


class Feedback:
    """Sends decisions to LangSmith, which is found by its usual environment variables.

    Args:
        client: Another client than the usual one.
        project: The name of the project that the traces go to; without one, the environment's.
    """

    def __init__(self, client: Client | None = None, *, project: str | None = None) -> None:
        self._client = client
        self._project = project
        self._project_id: uuid.UUID | None = None

    async def send(self, trace_run_id: str, approval: Approval) -> None:
        """Send the decision on one approval, and its rating, to the traced run; a second time they replace themselves.

        Decisions that nobody made (expired, superseded) are not feedback and send nothing.

        Raises:
            DeliveryRefused: `trace_run_id` is no run id.
            DeliveryFailed: LangSmith is away or refuses; worth trying again.
        """
        if approval.status not in SCORES:
            return
        try:
            run_id = uuid.UUID(trace_run_id)
        except ValueError as error:
            raise DeliveryRefused(f"{trace_run_id!r} is not the id of a traced run.") from error
        await asyncio.to_thread(self._send, run_id, approval)

    def _send(self, run_id: uuid.UUID, approval: Approval) -> None:
        try:
            if self._client is None:
                self._client = Client(timeout_ms=TIMEOUT_MS)
            known = {
                "source_info": {"channel": approval.channel, "action": approval.proposal.action.value},
                "session_id": self._project_of(self._client),
                "stop_after_attempt": 1,
            }
            self._client.create_feedback(
                run_id,
                DECISION,
                score=SCORES[approval.status],
                value=approval.status.value,
                comment=redact(approval.comment).text[:MAX_COMMENT] or None,
                feedback_id=uuid.uuid5(_NAMESPACE, approval.id),
                **known,
            )
            if approval.useful is not None:
                own_id = uuid.uuid5(_NAMESPACE, f"{approval.id}/{USEFUL}")
                self._client.create_feedback(
                    run_id, USEFUL, score=float(approval.useful), feedback_id=own_id, **known
                )
        # The client says ValueError to an answer that it can't read.
        except (LangSmithError, requests.RequestException, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise DeliveryFailed(
                f"LangSmith did not take the feedback: {said}",
                hint="Check LANGSMITH_ENDPOINT and LANGSMITH_API_KEY.",
            ) from error

    def _project_of(self, client: Client) -> uuid.UUID:
        """The id of the project that holds the run, which LangSmith asks for; its first trace makes it.

        Raises:
            LangSmithError: There is no such project (yet).
        """
        if self._project_id is None:
            name = self._project or get_tracer_project()
            self._project_id = client.read_project(project_name=name).id
        return self._project_id
