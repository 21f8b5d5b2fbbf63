"""Bad weather in the sandbox: tokens refused, faults on demand, and what becomes of webhooks."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InternalError, PermissionDenied, Unauthenticated
from databricks.sdk.service import jobs

from tests.contract.jobs_api_box import FAILS, Box, notebook, result, script

pytestmark = pytest.mark.usefixtures("fair_weather")


class Inbox(ThreadingHTTPServer):
    """A webhook receiver that keeps what it gets: path, authorization header, body."""

    def __init__(self, status: int = 202) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.status = status
        self.got: list[tuple[str, str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/webhooks/databricks"

    def wait(self, count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 10
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [body for _, _, body in self.got]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        inbox: Any = self.server
        inbox.got.append((self.path, self.headers.get("authorization"), body))
        self.send_response(inbox.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    server = Inbox()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def send(
    sandbox: Box, method: str = "GET", path: str = "/api/2.2/jobs/list", **kwargs: Any
) -> requests.Response:
    """One request without the SDK's patience."""
    kwargs.setdefault("headers", {"Authorization": f"Bearer {sandbox.token}"})
    return requests.request(method, sandbox.url + path, timeout=10, **kwargs)


def test_without_the_token_nothing(sandbox: Box) -> None:
    answer = send(sandbox, headers={})
    assert answer.status_code == 401 and answer.json()["error_code"] == "UNAUTHENTICATED"
    answer = send(sandbox, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 403 and answer.json()["message"] == "Invalid access token."
    assert send(sandbox, path="/_sandbox/record", headers={}).status_code == 401
    with pytest.raises(PermissionDenied):
        WorkspaceClient(host=sandbox.url, token="wrong").current_user.me()
    me = sandbox.client.current_user.me()
    assert me.user_name and sandbox.client.get_workspace_id() > 0


def test_a_body_that_is_no_json(sandbox: Box) -> None:
    answer = send(sandbox, "POST", "/api/2.2/jobs/run-now", data="{")
    assert answer.status_code == 400 and answer.json()["error_code"] == "MALFORMED_REQUEST"
    answer = send(sandbox, "POST", "/api/2.2/jobs/run-now", data="{}")
    assert answer.status_code == 400 and "job_id" in answer.json()["message"]


def test_faults_that_the_sdk_retries(sandbox: Box) -> None:
    sandbox.control.fault("429", path="/jobs/list", count=2, retry_after=0)
    sandbox.control.fault("503", path="/jobs/list", retry_after=0)
    assert list(sandbox.client.jobs.list(limit=1)) is not None
    statuses = [r["status"] for r in sandbox.control.requests("/jobs/list")]
    assert statuses[-4:] == [429, 429, 503, 200]
    sandbox.control.fault("429", retry_after=7)
    assert send(sandbox).headers["retry-after"] == "7"


def test_faults_that_it_does_not(sandbox: Box) -> None:
    sandbox.control.fault("500", path="/scim/")
    with pytest.raises(InternalError):
        sandbox.client.current_user.me()
    sandbox.control.fault("garbage", path="/scim/")
    with pytest.raises(ValueError):
        sandbox.client.current_user.me()
    sandbox.control.fault("401", path="/scim/")
    with pytest.raises(Unauthenticated):
        sandbox.client.current_user.me()
    assert sandbox.client.current_user.me().user_name


def test_faults_match_skip_count_and_end(sandbox: Box) -> None:
    sandbox.control.fault("500", path="/jobs/list", method="GET", skip=1, count=1)
    assert [send(sandbox).status_code for _ in range(3)] == [200, 500, 200]
    sandbox.control.fault("500", path="/jobs/list", method="POST")
    assert send(sandbox).status_code == 200
    sandbox.control.clear_faults()
    sandbox.control.fault("503", count=None)
    assert [send(sandbox).status_code for _ in range(5)] == [503] * 5
    sandbox.control.clear_faults()
    assert send(sandbox).status_code == 200


def test_slow_answers_come_late(sandbox: Box) -> None:
    sandbox.control.fault("slow", path="/jobs/list", seconds=0.4)
    with pytest.raises(requests.Timeout):
        requests.get(
            f"{sandbox.url}/api/2.2/jobs/list",
            headers={"Authorization": f"Bearer {sandbox.token}"},
            timeout=0.2,
        )
    assert send(sandbox).status_code == 200


def test_a_connection_dropped_before_and_after(sandbox: Box) -> None:
    body = {"name": "dropped", "tasks": [script("a")]}
    sandbox.control.fault("drop_before", path="/jobs/create")
    with pytest.raises(requests.ConnectionError):
        send(sandbox, "POST", "/api/2.2/jobs/create", json=body)
    assert list(sandbox.client.jobs.list(name="dropped")) == []
    sandbox.control.fault("drop_after", path="/jobs/create")
    with pytest.raises(requests.ConnectionError):
        send(sandbox, "POST", "/api/2.2/jobs/create", json=body)
    (job,) = sandbox.client.jobs.list(name="dropped")
    assert job.job_id
    sandbox.control.fault("drop_after", path="/jobs/run-now")
    run = sandbox.client.jobs.run_now(job.job_id, idempotency_token="dropped-1")
    assert [r["status"] for r in sandbox.control.requests("/jobs/run-now")][-2:] == [None, 200], (
        "the SDK sent it twice"
    )
    (action,) = sandbox.control.actions(kind="run_now", job_id=job.job_id)
    assert action["run_id"] == run.run_id, "and it ran once"


def test_a_failure_is_notified_as_a_destination_does_it(sandbox: Box, inbox: Inbox) -> None:
    sandbox.control.webhook(inbox.url, user="databricks", password="s3cret")
    job_id, run_id = sandbox.failed(script("a"), scripts={"a": FAILS})
    assert inbox.wait(1) == [
        {
            "event_type": "jobs.on_failure",
            "workspace_id": str(sandbox.client.get_workspace_id()),
            "run": {"run_id": str(run_id)},
            "job": {"job_id": str(job_id), "name": sandbox.client.jobs.get_run(run_id).run_name},
        }
    ]
    path, authorization, _ = inbox.got[0]
    assert path == "/webhooks/databricks"
    assert base64.b64decode((authorization or "").removeprefix("Basic ")) == b"databricks:s3cret"
    sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    sandbox.ended(run_id)
    assert len(inbox.wait(2)) == 2, "a repair that fails is notified again"


def test_no_failure_no_notification(sandbox: Box, inbox: Inbox) -> None:
    sandbox.control.webhook(inbox.url)
    clean_up = notebook("clean_up", "work", run_if="ALL_DONE")
    _, partly = sandbox.failed(notebook("work"), clean_up, scripts={"work": FAILS})
    assert result(sandbox.client.jobs.get_run(partly)) == "SUCCESS_WITH_FAILURES"
    sandbox.failed(script("a"), scripts={})
    quiet = {"webhook_notifications": {}}
    sandbox.failed(script("a"), scripts={"a": FAILS}, job=quiet)
    _, loud = sandbox.failed(script("a"), scripts={"a": FAILS})
    assert [body["run"]["run_id"] for body in inbox.wait(1)] == [str(loud)]


def test_success_is_notified_where_it_is_asked_for(sandbox: Box, inbox: Inbox) -> None:
    sandbox.control.webhook(inbox.url)
    wanted = {"webhook_notifications": {"on_success": [{"id": "d"}], "on_start": [{"id": "d"}]}}
    clean_up = notebook("clean_up", "work", run_if="ALL_DONE")
    sandbox.failed(notebook("work"), clean_up, scripts={"work": FAILS}, job=wanted)
    assert [body["event_type"] for body in inbox.wait(2)] == ["jobs.on_start", "jobs.on_success"]


def test_a_task_can_be_notified_of_as_well(sandbox: Box, inbox: Inbox) -> None:
    sandbox.control.webhook(inbox.url)
    task = script("a", max_retries=1, webhook_notifications={"on_failure": [{"id": "d"}]})
    _, run_id = sandbox.failed(task, scripts={"a": FAILS}, job={"webhook_notifications": {}})
    (body,) = inbox.wait(1)
    last = max(sandbox.client.jobs.get_run(run_id).tasks or [], key=lambda t: t.attempt_number or 0)
    assert body["task"] == {"task_key": "a"}, "once, after the last retry"
    assert body["run"] == {"run_id": str(last.run_id), "parent_run_id": str(run_id)}


def test_lost_and_doubled(sandbox: Box, inbox: Inbox) -> None:
    sandbox.control.webhook(inbox.url, mode="lost")
    sandbox.failed(script("a"), scripts={"a": FAILS})
    sandbox.control.webhook(inbox.url)
    _, run_id = sandbox.failed(script("a"), scripts={"a": FAILS}, webhook="doubled")
    assert [body["run"]["run_id"] for body in inbox.wait(2)] == [str(run_id)] * 2


def test_late_and_out_of_order(sandbox: Box, inbox: Inbox) -> None:
    sandbox.control.webhook(inbox.url, mode="late", late_seconds=600)
    _, late = sandbox.failed(script("a"), scripts={"a": FAILS})
    sandbox.control.webhook(inbox.url, mode="out_of_order", late_seconds=600)
    _, first = sandbox.failed(script("a"), scripts={"a": FAILS})
    assert inbox.wait(0) == []
    _, second = sandbox.failed(script("a"), scripts={"a": FAILS})
    assert [body["run"]["run_id"] for body in inbox.wait(2)] == [str(second), str(first)]
    sandbox.control.advance(601)
    assert [body["run"]["run_id"] for body in inbox.wait(3)] == [str(second), str(first), str(late)]


def test_a_receiver_that_fails_is_not_asked_again(sandbox: Box, inbox: Inbox) -> None:
    inbox.status = 500
    sandbox.control.webhook(inbox.url)
    sandbox.failed(script("a"), scripts={"a": FAILS})
    inbox.wait(1)
    sandbox.control.webhook("http://127.0.0.1:9/nobody")
    sandbox.failed(script("a"), scripts={"a": FAILS})
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not sandbox.control.deliveries()[-1]["error"]:
        time.sleep(0.01)
    failed, refused = sandbox.control.deliveries()[-2:]
    assert failed["status"] == 500 and "ConnectError" in refused["error"]
    assert len(inbox.got) == 1


def test_a_job_made_through_the_api_notifies_when_it_asks(sandbox: Box, inbox: Inbox) -> None:
    sandbox.control.webhook(inbox.url)
    job_id = sandbox.client.jobs.create(
        name="own",
        timeout_seconds=1,
        tasks=[jobs.Task.from_dict(script("a"))],
        webhook_notifications=jobs.WebhookNotifications(on_failure=[jobs.Webhook(id="d")]),
    ).job_id
    assert job_id
    run_id = sandbox.client.jobs.run_now(job_id).run_id
    sandbox.ended(run_id)
    assert [body["run"]["run_id"] for body in inbox.wait(1)] == [str(run_id)]
