"""What a thread in Postgres shows of its question follows the question's row: an edit, more time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Command

from core.incident import Decision, DecisionKind, Reviewer
from core.settings import Settings
from graph.build import build
from graph.checkpointer import make_saver
from sandbox.process import SandboxProcess
from tests.graph.threads import ANNA, BEN, Caller
from tests.integration.test_what_is_seen import investigated
from tests.server_box import Box, opened

CAROL = Reviewer(name="carol@example.com", role="approver", channel="api")


@pytest.fixture
async def separated(box_settings: Settings, sandbox: SandboxProcess, tmp_path: Path) -> AsyncIterator[Box]:
    """The service under a policy that separates duties."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("defaults: {separate_duties: true}")
    async with opened(box_settings.model_copy(update={"policy": policy}), sandbox) as found:
        yield found


async def thread_of(box: Box, incident_id: str) -> tuple[Any, Any]:
    """The graph as LangGraph's server has it, over the service's checkpoints, and the incident's thread."""
    graph = build(checkpointer=make_saver(box.runtime.checkpoints), around=box.runtime.around)
    row = await box.runtime.store.incident(incident_id)
    return graph, {"configurable": {"thread_id": row.thread_id}}


async def shown(box: Box, incident_id: str) -> dict[str, Any]:
    graph, config = await thread_of(box, incident_id)
    (pending,) = (await graph.aget_state(config)).interrupts
    return pending.value


async def smaller(box: Box, asked: dict[str, Any], by: Reviewer, memory: str) -> None:
    """Edit the memory that is proposed."""
    params = asked["action_requests"][0]["args"]
    changed = [{**change, "proposed": memory} for change in params["settings"][:1]]
    edit = Decision(kind=DecisionKind.EDIT, params={**params, "settings": changed})
    await box.runtime.store.decide(asked["approval_id"], edit, by)


async def test_an_edit_wakes_the_thread_and_it_shows_the_edited_proposal(separated: Box) -> None:
    incident_id = await investigated(separated, "executor_oom")
    before = await shown(separated, incident_id)
    listed = (await separated.runtime.store.incident(incident_id)).updated_at
    await smaller(separated, before, ANNA, "3g")
    assert separated.jobs("advance")[-1] == incident_id, "the edit woke it"
    await separated.runtime.advance(incident_id)
    now = await shown(separated, incident_id)
    row = await separated.runtime.store.approval(before["approval_id"])
    assert now["payload_sha256"] == row.payload_sha256 != before["payload_sha256"]
    assert now["action_requests"][0]["args"]["settings"][0]["proposed"] == "3g"
    path = row.proposal.params["settings"][0]["path"]
    assert row.proposal.reason.startswith(f"Edited by {ANNA.name}: {path} is 3g, not ")
    assert "is 3g, not" in " ".join(now["description"].split()) and "error" not in now
    assert (await separated.runtime.store.incident(incident_id)).updated_at > listed, "for lists of threads"
    jobs = len(separated.jobs("advance"))
    await separated.runtime.advance(incident_id)
    assert await shown(separated, incident_id) == now and len(separated.jobs("advance")) == jobs


async def test_a_thread_that_shows_an_older_proposal_takes_no_plain_approval(separated: Box) -> None:
    incident_id = await investigated(separated, "executor_oom")
    before = await shown(separated, incident_id)
    await smaller(separated, before, ANNA, "3g")
    graph, config = await thread_of(separated, incident_id)
    signed_in = {"configurable": {**config["configurable"], "langgraph_auth_user": Caller(BEN)}}
    approve = Command(resume={"decisions": [{"type": "approve"}]})
    await graph.ainvoke(approve, signed_in)
    row = await separated.runtime.store.approval(before["approval_id"])
    assert row.status == "pending"
    now = await shown(separated, incident_id)
    assert now["payload_sha256"] == row.payload_sha256 and "proposal changed" in now["error"]
    await smaller(separated, now, CAROL, "5g")
    await graph.ainvoke(approve, signed_in)
    assert (await separated.runtime.store.approval(before["approval_id"])).status == "pending"
    await graph.ainvoke(approve, signed_in)
    row = await separated.runtime.store.approval(before["approval_id"])
    assert (row.status, row.decided_by, row.channel) == ("approved", BEN.name, "langgraph")
    assert row.proposal.params["settings"][0]["proposed"] == "5g"


async def test_more_time_is_shown_too(separated: Box) -> None:
    incident_id = await investigated(separated, "executor_oom")
    before = await shown(separated, incident_id)
    await separated.runtime.store.extend(before["approval_id"], ANNA, seconds=7200)
    await separated.runtime.advance(incident_id)
    now = await shown(separated, incident_id)
    assert datetime.fromisoformat(now["expires_at"]) - datetime.fromisoformat(
        before["expires_at"]
    ) == timedelta(hours=2)
    due = (await separated.runtime.store.incident(incident_id)).wake_at
    assert due and due > datetime.now(UTC)
