"""The same agent through LangGraph's own server: Studio's API, both shapes of answer, and no way around."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.e2e.processes import POLICY, ROOT, Service, make_token, service, until

CLI = Path(sys.executable).parent / "langgraph"
NODES = "fetch fetch_task retrieve analyze evaluate predict decide review act verify learn"


@pytest.fixture(scope="module")
def studio_database(postgres_url) -> Iterator[str]:
    """One database for the module, since the server takes a while to start."""
    from tests.postgres import fresh_database

    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def pitstop(studio_database, tmp_path_factory) -> Iterator[Service]:
    """Pitstop on LangGraph's development server, its worker in the same process."""
    policy = yaml.safe_load(POLICY.read_text())
    separated = {"match": {"failure_class": "executor_oom"}, "rules": {"separate_duties": True}}
    policy["jobs"].append(separated)
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(yaml.safe_dump(policy))
    # Polling would open an incident of its own for a run before Studio does.
    with service(studio_database, PITSTOP_POLL_SECONDS="3600", PITSTOP_POLICY=str(path)) as running:
        command = [
            str(CLI),
            "dev",
            "--config",
            str(ROOT / "langgraph.json"),
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
            cwd=running.folder,  # the server keeps its list of threads in the folder that it runs in
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            until(running.ready, seconds=120, saying=f"readiness (see {log.name})")
            running.control.webhook(
                f"{running.url}/webhooks/databricks", user="databricks", password="hook-secret"
            )
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


def opened(pitstop: Service, scenario: str = "connection_reset") -> dict[str, Any]:
    """An incident that a webhook opened and Pitstop's worker brought to its question."""
    run_id = pitstop.control.start(scenario)["run_id"]
    pitstop.control.finish(run_id)
    return pitstop.at(run_id, "awaiting_approval", seconds=300)


def waiting(lg: SyncLangGraphClient, incident: dict[str, Any]) -> dict[str, Any] | None:
    """What Agent Inbox shows of an incident: the request in its thread's row, if that is interrupted."""
    found = lg.threads.search(metadata={"graph_id": "pitstop"}, status="interrupted", limit=100)
    for thread in found:
        if thread["metadata"]["incident_id"] == incident["id"]:  # type: ignore[index]
            ((asked,),) = thread["interrupts"].values()
            return asked["value"]  # type: ignore[return-value]
    return None


def test_what_a_webhook_opened_is_listed_with_its_question_and_approved_there(pitstop):
    incident = opened(pitstop)
    # As Agent Inbox and Agent Chat UI send the token.
    lg = get_sync_client(url=pitstop.url, api_key=pitstop.token)
    asked = until(lambda: waiting(lg, incident), saying="the thread in the list")
    assert asked["action_request"]["action"] == "RETRY" and asked["config"]["allow_accept"]
    assert incident["diagnosis"]["root_cause"][:40] in asked["description"]
    thread, proposed = incident["thread_id"], asked["action_request"]
    stale = {"action": "RETRY", "args": {"task_keys": ["another"]}}
    for answer, why in (
        ("yes", "not understood"),
        ({"decisions": [{"type": "approve"}], "payload_sha256": "0" * 64}, "hash"),
        ([{"type": "accept", "args": stale}], "changed since it was shown"),
    ):
        lg.runs.wait(thread, "pitstop", command={"resume": answer})
        refused = waiting(lg, incident)
        assert refused and why in refused["error"] and why in refused["description"]
    assert pitstop.repairs(incident["run"]["run_id"]) == []
    lg.runs.wait(thread, "pitstop", command={"resume": [{"type": "accept", "args": proposed}]})
    story = pitstop.at(incident["run"]["run_id"], "resolved", seconds=120)
    assert story["approvals"][0]["channel"] == "langgraph"
    assert len(pitstop.repairs(incident["run"]["run_id"])) == 1
    assert waiting(lg, incident) is None and lg.threads.get(thread)["status"] == "idle"


def test_what_was_edited_elsewhere_is_shown_edited_and_approved_so(pitstop):
    incident = opened(pitstop, "executor_oom")
    lg, run_id = client(pitstop, pitstop.token), incident["run"]["run_id"]
    asked = until(lambda: waiting(lg, incident), saying="the thread in the list")
    params = asked["action_request"]["args"]
    (memory,) = (s for s in params["settings"] if "executor.memory" in s["path"])
    memory["proposed"] = "3g"
    ben = make_token(pitstop.database_url, "ben@example.com", "admin")
    edited = httpx.post(
        f"{pitstop.url}/api/v1/approvals/{asked['approval_id']}/decision",
        headers=pitstop.bearer(ben),
        json={"decision": "edit", "params": params},
    )
    assert edited.json()["status"] == "pending"
    sha256 = edited.json()["payload_sha256"]
    now = until(
        lambda: (w := waiting(lg, incident)) and w["payload_sha256"] == sha256 and w, saying="the edited one"
    )
    assert now["action_request"]["args"] == params
    assert "Edited by ben@example.com" in " ".join(now["description"].split())
    state = lg.threads.get_state(incident["thread_id"])
    assert state["tasks"][0]["interrupts"][0]["value"]["payload_sha256"] == sha256  # type: ignore[index]
    lg.runs.wait(incident["thread_id"], "pitstop", command={"resume": {"decisions": [{"type": "approve"}]}})
    story = pitstop.at(run_id, "resolved", seconds=120)
    (approval,) = story["approvals"]
    assert (approval["decided_by"], approval["channel"]) == ("root@example.com", "langgraph")
    assert approval["proposal"]["params"] == params


def test_what_was_decided_elsewhere_waits_no_more_and_is_decided_once(pitstop):
    lg = client(pitstop, pitstop.token)
    incident = opened(pitstop)
    thread, run_id = incident["thread_id"], incident["run"]["run_id"]
    # Opened by its id, as by a link, before any list was asked for.
    state = until(lambda: lg.threads.get_state(thread)["tasks"], saying="the thread")
    assert state[0]["interrupts"][0]["value"]["kind"] == "review"  # type: ignore[index]
    assert waiting(lg, incident)
    assert pitstop.decide(incident, "approve").status_code == 200
    pitstop.at(run_id, "resolved", seconds=120)
    assert waiting(lg, incident) is None
    lg.runs.wait(
        thread,
        "pitstop",
        command={"resume": {"decisions": [{"type": "reject"}]}},
        raise_error=False,
    )
    story = pitstop.at(run_id, "resolved", seconds=120)
    assert [(a["status"], a["channel"]) for a in story["approvals"]] == [("approved", "api")]
    assert len(pitstop.repairs(run_id)) == 1


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
    pitstop.at(run_id, "resolved", seconds=120)
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


@pytest.mark.parametrize("begun", ["in Studio", "by a webhook"])
def test_not_even_an_admin_moves_an_incident_s_thread(pitstop, begun):
    lg = client(pitstop, pitstop.token)
    if begun == "in Studio":
        run_id = failed(pitstop)
        thread = investigate(lg, run_id)
    else:
        incident = opened(pitstop)
        thread, run_id = incident["thread_id"], incident["run"]["run_id"]
        until(lambda: lg.threads.get_state(thread)["next"] == ["review"], saying="the question")
    for attempt in (
        lambda: lg.threads.update_state(thread, {"route": "act"}, as_node="review"),
        lambda: lg.threads.update_state(thread, None, as_node="__end__"),
        lambda: lg.runs.wait(thread, "pitstop", command={"goto": "act"}),
        lambda: lg.runs.wait(thread, "pitstop", command={"update": {"route": "act"}}),
        lambda: lg.runs.wait(thread, "pitstop", input={"run_id": run_id}),
        lambda: lg.threads.delete(thread),
    ):
        with pytest.raises(httpx.HTTPStatusError) as refused:
            attempt()
        assert refused.value.response.status_code == 403
        assert "not moved" in refused.value.response.text
    lg.runs.wait(thread, "pitstop", input=None)
    assert pitstop.repairs(run_id) == []
    assert lg.threads.get_state(thread)["next"] == ["review"]
