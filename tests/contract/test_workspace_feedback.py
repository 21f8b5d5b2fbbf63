"""A reviewer's decision on its way to LangSmith, over the wire."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from langsmith import Client

from core.actions import Action, Proposal
from core.errors import DeliveryFailed, DeliveryRefused
from core.incident import Approval, ApprovalStatus
from tests.fakes.langsmith import TENANT, LangSmith, running_langsmith
from tools.feedback import Feedback

RUN = str(uuid.uuid4())
SECRET = "dapi" + "0123456789abcdef" * 2


@pytest.fixture
def server() -> Any:
    with running_langsmith() as started:
        yield started


def approval(status: ApprovalStatus, **more: Any) -> Approval:
    fields = {
        "id": "apr_1",
        "incident_id": "inc_1",
        "attempt": 1,
        "revision": 1,
        "status": status,
        "proposal": Proposal(action=Action.RETRY, params={}),
        "payload_sha256": "0" * 64,
        "created_at": "2026-01-31T12:00:00+00:00",
        "channel": "console",
        **more,
    }
    return Approval(**fields)


def feedback(server: LangSmith, *, project: bool = True) -> Feedback:
    client = Client(api_url=server.url, api_key="lsv2_test", auto_batch_tracing=False)
    if project:
        row = {"id": str(uuid.uuid4()), "tenant_id": TENANT, "name": "pitstop", "reference_dataset_id": None}
        server.sessions[row["id"] or ""] = {**row, "start_time": "2026-01-31T12:00:00+00:00"}
    return Feedback(client, project="pitstop")


@pytest.mark.parametrize(
    ("status", "score"),
    [
        (ApprovalStatus.APPROVED, 1.0),
        (ApprovalStatus.EDITED, 0.5),
        (ApprovalStatus.REJECTED, 0.0),
        (ApprovalStatus.RESPONDED, None),
    ],
)
async def test_a_decision_arrives(server: LangSmith, status: ApprovalStatus, score: float | None) -> None:
    await feedback(server).send(RUN, approval(status, comment=f"looks right, key {SECRET}"))
    (sent,) = server.feedback
    assert (sent["run_id"], sent["key"], sent["value"]) == (RUN, "reviewer_decision", status.value)
    assert sent.get("score") == score
    assert sent["session_id"] in server.sessions
    assert sent["feedback_source"]["metadata"] == {"channel": "console", "action": "RETRY"}
    assert "looks right" in sent["comment"] and SECRET not in sent["comment"]


async def test_a_second_try_is_the_same_feedback(server: LangSmith) -> None:
    sender = feedback(server)
    for _ in range(2):
        await sender.send(RUN, approval(ApprovalStatus.APPROVED))
    await sender.send(RUN, approval(ApprovalStatus.APPROVED, id="apr_2"))
    first, second, other = [entry["id"] for entry in server.feedback]
    assert first == second != other
    assert len([path for _, path in server.requests if path == "/feedback"]) == 3


@pytest.mark.parametrize(("useful", "score"), [(True, 1.0), (False, 0.0)])
async def test_the_rating_goes_to_the_same_run(server: LangSmith, useful: bool, score: float) -> None:
    sender = feedback(server)
    for _ in range(2):
        await sender.send(RUN, approval(ApprovalStatus.RESPONDED, useful=useful, comment="look at the skew"))
    assert [entry["key"] for entry in server.feedback] == ["reviewer_decision", "analysis_useful"] * 2
    rated = server.feedback[1::2]
    assert [(r["run_id"], r["score"], r["session_id"] in server.sessions) for r in rated] == [
        (RUN, score, True)
    ] * 2
    assert rated[0]["id"] == rated[1]["id"] != server.feedback[0]["id"]
    assert rated[0]["feedback_source"]["metadata"] == {"channel": "console", "action": "RETRY"}


@pytest.mark.parametrize(
    "status", [ApprovalStatus.EXPIRED, ApprovalStatus.SUPERSEDED, ApprovalStatus.PENDING]
)
async def test_what_nobody_decided_is_no_feedback(server: LangSmith, status: ApprovalStatus) -> None:
    await feedback(server).send(RUN, approval(status, useful=True))
    assert server.feedback == []


async def test_no_project_no_run_no_server(server: LangSmith) -> None:
    with pytest.raises(DeliveryFailed, match="LANGSMITH_ENDPOINT"):
        await feedback(server, project=False).send(RUN, approval(ApprovalStatus.APPROVED))
    with pytest.raises(DeliveryRefused, match="not the id"):
        await feedback(server).send("17", approval(ApprovalStatus.APPROVED))
    away = Client(api_url="http://127.0.0.1:9", api_key="x", auto_batch_tracing=False)
    with pytest.raises(DeliveryFailed):
        await Feedback(away, project="pitstop").send(RUN, approval(ApprovalStatus.APPROVED))
    assert server.feedback == []
