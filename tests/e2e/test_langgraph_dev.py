"""The same agent through LangGraph's own server: Studio's API, both shapes of answer, and no way around."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.e2e.processes import ROOT, Service, make_token, service, until

CLI = Path(sys.executable).parent / "langgraph"
NODES = "fetch fetch_task retrieve analyze evaluate predict decide review act verify learn"


@pytest.fixture(scope="module")
def studio_database(postgres_url) -> Iterator[str]:
    """One database for the module, since the server takes a while to start."""
    from tests.postgres import fresh_database

    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def pitstop(studio_database) -> Iterator[Service]:
    """Pitstop on LangGraph's development server, its worker in the same process."""
    # Polling would open an incident of its own for a run before Studio does.
    with service(studio_database, PITSTOP_POLL_SECONDS="3600") as running:
        command = [
            str(CLI),
            "dev",
            "--no-browser",
            "--no-reload",
            "--port",
            str(running.port),
            "--n-jobs-per-worker",
            "10",
        ]
        log = (running.folder / "langgraph.log").open("wb")
        environment = {**running.environment, "PATH": os.environ["PATH"], "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            until(running.ready, seconds=120, saying=f"readiness (see {log.name})")
            yield running
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.close()


def client(pitstop: Service, token: str) -> SyncLangGraphClient:
    return get_sync_client(url=pitstop.url, api_key=None, headers=pitstop.bearer(token))


def failed(pitstop: Service) -> int:
    """A run that has failed, of which nobody but Studio has been told."""
    run_id = pitstop.control.start("connection_reset", webhook="lost")["run_id"]
    pitstop.control.finish(run_id)
    return run_id


def investigate(lg: SyncLangGraphClient, run_id: int) -> str:
    """Run a thread in Studio until it waits for a reviewer."""
    thread = lg.threads.create()["thread_id"]
    lg.runs.wait(thread, "pitstop", input={"run_id": run_id})
    assert lg.threads.get_state(thread)["next"] == ["review"]
    return thread


def test_the_graph_and_its_schemas_are_shown(pitstop):
    lg = client(pitstop, pitstop.token)
    (assistant,) = lg.assistants.search(graph_id="pitstop")
    nodes = {n["id"] for n in lg.assistants.get_graph(assistant["assistant_id"])["nodes"]}
    assert set(NODES.split()) <= nodes
    schemas = lg.assistants.get_schemas(assistant["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"incident_id", "run_id"}  # type: ignore[index]


@pytest.mark.parametrize(
    "answer",
    [{"decisions": [{"type": "approve"}]}, [{"type": "accept", "args": None}]],
    ids=["human-in-the-loop request", "agent inbox"],
)
def test_an_approval_in_either_shape_repairs_the_run(pitstop, answer):
    lg = client(pitstop, pitstop.token)
    run_id = failed(pitstop)
    thread = investigate(lg, run_id)
    lg.runs.wait(thread, "pitstop", command={"resume": answer})
    pitstop.at(run_id, "resolved", seconds=60)
    story = pitstop.incident_of(run_id)
    assert story and story["approvals"][0]["channel"] == "langgraph"
    assert story["approvals"][0]["decided_by"] == "root@example.com"
    assert len(pitstop.repairs(run_id)) == 1


def test_nobody_gets_in_without_a_token_and_viewers_only_look(pitstop):
    assert httpx.post(f"{pitstop.url}/threads/search", json={}).status_code in (401, 403)
    approver = client(pitstop, pitstop.token)
    thread = investigate(approver, failed(pitstop))
    viewer = client(pitstop, make_token(pitstop.database_url, "eve@example.com", "viewer"))
    assert viewer.threads.get_state(thread)["next"] == ["review"]
    with pytest.raises(httpx.HTTPStatusError):
        viewer.runs.wait(thread, "pitstop", command={"resume": {"decisions": [{"type": "approve"}]}})
    assert approver.threads.get_state(thread)["next"] == ["review"]


def test_an_approver_whom_the_policy_does_not_name_is_refused_with_the_reason(pitstop):
    lg = client(pitstop, make_token(pitstop.database_url, "mallory@example.com", "approver"))
    run_id = failed(pitstop)
    thread = investigate(lg, run_id)
    lg.runs.wait(thread, "pitstop", command={"resume": {"decisions": [{"type": "approve"}]}})
    state = lg.threads.get_state(thread)
    assert state["next"] == ["review"]
    assert "mallory@example.com" in state["values"]["review_error"]  # type: ignore[call-overload]
    assert pitstop.repairs(run_id) == []


@pytest.mark.parametrize("nonsense", ["yes", {"decisions": []}, {"decisions": [{"type": "launch"}]}, None])
def test_a_malformed_answer_leaves_the_thread_waiting(pitstop, nonsense):
    lg = client(pitstop, pitstop.token)
    run_id = failed(pitstop)
    thread = investigate(lg, run_id)
    lg.runs.wait(thread, "pitstop", command={"resume": nonsense or {"nothing": True}})
    assert lg.threads.get_state(thread)["next"] == ["review"]
    assert pitstop.repairs(run_id) == []


def test_an_admin_who_rewrites_the_state_still_sends_nothing(pitstop):
    lg = client(pitstop, pitstop.token)
    run_id = failed(pitstop)
    thread = investigate(lg, run_id)
    lg.threads.update_state(thread, {"route": "act"}, as_node="review")
    lg.runs.wait(thread, "pitstop", input=None)
    lg.runs.wait(thread, "pitstop", command={"goto": "act"})
    assert pitstop.repairs(run_id) == []
    assert lg.threads.get_state(thread)["next"] == ["review"]
