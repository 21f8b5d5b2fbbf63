"""One suite over two servers: our sandbox, and minilake, which others wrote without knowing of it.

Through the real SDK, in terms that hold for the real service as well. Where minilake is known to differ from the
service (a failed run's legacy life cycle state, output of a parent run, error texts), nothing is asserted here;
those are in the sandbox's own tests.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service import jobs, workspace

from sandbox.process import running_sandbox
from tests.contract.minilake_server import running_minilake

SCENARIOS = Path(__file__).parent / "jobs_api_scenarios"
FIRST, SECOND = "/Shared/contract/first.py", "/Shared/contract/second.py"
ENDED = {
    jobs.RunLifeCycleState.TERMINATED,
    jobs.RunLifeCycleState.INTERNAL_ERROR,
    jobs.RunLifeCycleState.SKIPPED,
}


@dataclass(frozen=True)
class Server:
    """A server and its client."""

    name: str
    client: WorkspaceClient


@pytest.fixture(scope="module", params=["sandbox", "minilake"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if request.param == "sandbox":
        with running_sandbox(clock_speed=20, scenarios=SCENARIOS) as box:
            yield Server("sandbox", _prepared(WorkspaceClient(host=box.url, token=box.token)))
    else:
        with running_minilake(tmp_path_factory.mktemp("minilake")) as url:
            yield Server("minilake", _prepared(WorkspaceClient(host=url, token="any")))


def _prepared(client: WorkspaceClient) -> WorkspaceClient:
    for path, source in (
        (FIRST, "print('first says 42')\n"),
        (SECOND, "import sys\nprint(undefined_name)\n"),
    ):
        content = base64.b64encode(source.encode()).decode()
        client.workspace.import_(
            path, content=content, format=workspace.ImportFormat.SOURCE, language=workspace.Language.PYTHON
        )
    return client


def _task(key: str, path: str, *upstream: str) -> jobs.Task:
    return jobs.Task(
        task_key=key,
        spark_python_task=jobs.SparkPythonTask(python_file=path),
        depends_on=[jobs.TaskDependency(task_key=name) for name in upstream] or None,
    )


def _create(server: Server, *tasks: jobs.Task) -> int:
    # The tag makes the sandbox play what minilake finds out by running the scripts.
    created = server.client.jobs.create(
        name=f"contract-{uuid.uuid4().hex[:8]}",
        tasks=list(tasks),
        tags={"sandbox_scenario": "contract_chain"},
    )
    assert created.job_id is not None
    return created.job_id


def _wait(server: Server, run_id: int) -> jobs.Run:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        run = server.client.jobs.get_run(run_id)
        assert run.state is not None
        if run.state.life_cycle_state in ENDED:
            return run
        time.sleep(0.05)
    raise AssertionError(f"run {run_id} did not end on {server.name}")


def _result(state: jobs.RunState | None) -> str | None:
    return state.result_state.value if state and state.result_state else None


def test_a_job_is_given_back_as_it_was_created(server: Server) -> None:
    job_id = _create(server, _task("first", FIRST), _task("second", FIRST, "first"))
    job = server.client.jobs.get(job_id)
    assert job.job_id == job_id and job.settings is not None
    assert [task.task_key for task in job.settings.tasks or []] == ["first", "second"]
    assert (job.settings.tasks or [])[1].depends_on == [jobs.TaskDependency(task_key="first")]
    assert job.settings.tags == {"sandbox_scenario": "contract_chain"}
    assert job_id in {listed.job_id for listed in server.client.jobs.list()}


def test_update_reset_and_delete(server: Server) -> None:
    job_id = _create(server, _task("first", FIRST))
    server.client.jobs.update(job_id, new_settings=jobs.JobSettings(name="renamed", max_concurrent_runs=4))
    settings = server.client.jobs.get(job_id).settings
    assert settings and settings.name == "renamed" and settings.max_concurrent_runs == 4
    assert settings.tasks and settings.tasks[0].task_key == "first", "update keeps what it does not name"
    server.client.jobs.update(job_id, fields_to_remove=["tags"])
    settings = server.client.jobs.get(job_id).settings
    assert settings and not settings.tags
    server.client.jobs.reset(job_id, jobs.JobSettings(name="reset", tasks=[_task("only", FIRST)]))
    settings = server.client.jobs.get(job_id).settings
    assert settings and settings.name == "reset" and [t.task_key for t in settings.tasks or []] == ["only"]
    server.client.jobs.delete(job_id)
    with pytest.raises(NotFound):
        server.client.jobs.get(job_id)


def test_create_run_now_get_output(server: Server) -> None:
    job_id = _create(server, _task("first", FIRST))
    run_id = server.client.jobs.run_now(job_id).run_id
    run = _wait(server, run_id)
    assert run.job_id == job_id and _result(run.state) == "SUCCESS"
    assert run.start_time and run.end_time and run.end_time >= run.start_time
    assert run.run_page_url and str(run_id) in run.run_page_url
    (task,) = run.tasks or []
    assert task.run_id not in (None, run_id), "a task has a run id of its own"
    output = server.client.jobs.get_run_output(task.run_id or 0)
    assert "first says 42" in (output.logs or "") and not output.error and not output.logs_truncated


def test_a_failing_task_fails_its_run_and_stops_what_depends_on_it(server: Server) -> None:
    job_id = _create(
        server, _task("first", FIRST), _task("second", SECOND, "first"), _task("third", FIRST, "second")
    )
    run = _wait(server, server.client.jobs.run_now(job_id).run_id)
    assert _result(run.state) == "FAILED"
    tasks = {task.task_key: task for task in run.tasks or []}
    assert {key: _result(tasks[key].state) for key in ("first", "second")} == {
        "first": "SUCCESS",
        "second": "FAILED",
    }
    assert _result(tasks["third"].state) != "SUCCESS", "it must not have run"
    output = server.client.jobs.get_run_output(tasks["second"].run_id or 0)
    assert "NameError" in (output.logs or "")


def test_runs_are_listed_and_filtered(server: Server) -> None:
    job_id = _create(server, _task("first", FIRST))
    run_id = server.client.jobs.run_now(job_id).run_id
    _wait(server, run_id)
    api = server.client.jobs
    assert [run.run_id for run in api.list_runs(job_id=job_id)] == [run_id]
    assert [run.run_id for run in api.list_runs(job_id=job_id, completed_only=True)] == [run_id]
    assert list(api.list_runs(job_id=job_id, active_only=True)) == []


def test_submitting_twice_with_one_token_is_one_run(server: Server) -> None:
    token = uuid.uuid4().hex
    task = jobs.SubmitTask(task_key="first", spark_python_task=jobs.SparkPythonTask(python_file=FIRST))
    first = server.client.jobs.submit(tasks=[task], idempotency_token=token, run_name="once").run_id
    again = server.client.jobs.submit(tasks=[task], idempotency_token=token, run_name="once").run_id
    assert first == again
    assert _result(_wait(server, first).state) == "SUCCESS"


def test_what_is_not_there(server: Server) -> None:
    with pytest.raises(NotFound):
        server.client.jobs.get_run(987654321)
    with pytest.raises(NotFound):
        server.client.jobs.get(987654321)
    with pytest.raises(NotFound):
        server.client.jobs.get_run_output(987654321)
    with pytest.raises(NotFound):
        server.client.workspace.export("/Shared/contract/nowhere.py")


def test_workspace_files_and_dbfs_give_back_what_was_written(server: Server) -> None:
    exported = server.client.workspace.export(FIRST, format=workspace.ExportFormat.SOURCE)
    assert base64.b64decode(exported.content or "") == b"print('first says 42')\n"
    assert server.client.workspace.get_status(FIRST).path == FIRST
    content = bytes(range(256)) * 40
    server.client.dbfs.put("/tmp/contract.bin", contents=base64.b64encode(content).decode(), overwrite=True)
    status = server.client.dbfs.get_status("/tmp/contract.bin")
    assert status.file_size == len(content) and not status.is_dir
    part = server.client.dbfs.read("/tmp/contract.bin", offset=100, length=50)
    assert base64.b64decode(part.data or "") == content[100:150] and part.bytes_read == 50
    assert "/tmp/contract.bin" in {entry.path for entry in server.client.dbfs.list("/tmp")}


def test_who_am_i(server: Server) -> None:
    assert server.client.current_user.me().user_name
