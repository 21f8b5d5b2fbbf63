"""fetch_task called by hand: what is asked for, and what is said of what could not be read."""

from typing import Any

from langgraph.runtime import Runtime

from core.errors import WorkspaceRefused
from nodes.fetch_task import FetchTask, fetch_task
from tests.fakes.parts import FakeOutput, failed_run
from tests.unit.nodes.desk import Desk


async def fetched(desk: Desk, **more: Any) -> dict[str, Any]:
    """The update of one branch, for the run's first failed task."""
    await desk.diagnosed()
    run = failed_run(7)
    key = run.failed_tasks[0].task_key
    state = FetchTask(
        incident_id=desk.state["incident_id"], attempt=1, run=run.model_dump(), task_key=key, **more
    )
    update = await fetch_task(state, Runtime(context=desk.world.context))
    return update["tasks"][f"1/{key}"]


async def test_the_good_run_is_handed_on():
    desk = Desk()
    await fetched(desk, good_run_id=5)
    await fetched(desk)
    assert desk.world.workspace.good_runs == [5, None]


async def test_what_could_not_be_read_is_on_the_timeline_in_short():
    desk = Desk()
    key = failed_run(7).failed_tasks[0].task_key
    desk.world.workspace.outputs[key] = FakeOutput({"error": "x"}, missing=["logs: " + "x" * 900] * 9)
    told = await fetched(desk)
    assert [len(m) for m in told["missing"]] == [200] * 5
    events = desk.world.store.events[desk.state["incident_id"]]
    assert [e for e in events if "not_read" in str(e)]


async def test_an_output_that_may_not_be_read_is_said_and_stops_nothing(monkeypatch):
    desk = Desk()

    async def refuses(*_: object, **__: object) -> FakeOutput:
        raise WorkspaceRefused("The workspace does not allow access to run 8.")

    monkeypatch.setattr(desk.world.workspace, "task_output", refuses)
    told = await fetched(desk)
    assert "does not allow access" in told["missing"][0]
    assert "not_read" in desk.kinds()


async def test_what_was_read_whole_is_no_event():
    desk = Desk()
    await fetched(desk)
    assert "not_read" not in desk.kinds()
