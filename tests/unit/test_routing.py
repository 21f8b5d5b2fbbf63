"""Edges and reducers, which are pure functions."""

from langgraph.graph import END
from langgraph.types import Send

from core.run import TaskFacts
from graph.build import build
from graph.routing import fan_out, follow, tasks_to_read
from nodes.fetch import MAX_FAILED, MAX_TASKS, bounded
from nodes.state import State, merge_tasks
from tests.fakes.parts import failed_run


def test_one_branch_for_each_failed_task():
    state: State = {"incident_id": "i", "attempt": 1, "route": "fetch_task", "run": bounded(failed_run())}
    sends = fan_out(state)
    assert [(s.node, s.arg["task_key"]) for s in sends if isinstance(s, Send)] == [("fetch_task", "load")]


def test_no_failed_task_goes_straight_on_rather_than_nowhere():
    state: State = {
        "incident_id": "i",
        "attempt": 1,
        "route": "fetch_task",
        "run": bounded(failed_run(tasks=[])),
    }
    assert fan_out(state) == "retrieve"


def test_a_good_run_has_its_notebooks_read():
    assert tasks_to_read(bounded(failed_run(result="SUCCESS"))) == ["load"]


def test_a_run_of_a_thousand_tasks_stays_small():
    tasks = [
        TaskFacts(task_key=f"t{n}", run_id=n, result_state="FAILED" if n % 2 else "SUCCESS")
        for n in range(1000)
    ]
    run = bounded(failed_run(tasks=tasks))
    assert len(run["tasks"]) == MAX_TASKS
    assert len(tasks_to_read(run)) == MAX_FAILED


def test_follow():
    assert follow({"route": "act"}) == "act"
    assert follow({"route": "end"}) == END == follow({})


def test_tasks_merge_by_attempt_and_key_and_do_not_pile_up():
    first = merge_tasks({}, {"1/a": 1})
    both = merge_tasks(first, {"1/b": 2})
    assert both == merge_tasks({"1/b": 2}, {"1/a": 1}) == {"1/a": 1, "1/b": 2}
    assert merge_tasks(both, {}) == both
    assert merge_tasks(both, {"2/a": 3}) == {"2/a": 3}
    assert merge_tasks({f"{n}/a": n for n in range(1, 12)}, {}) == {"11/a": 11}


def test_the_picture_has_every_step():
    nodes = set(build().get_graph().nodes)
    wanted = "fetch fetch_task retrieve analyze evaluate predict decide review act verify learn"
    assert set(wanted.split()) <= nodes
