"""What the console draws and works out: places, paths, axes, excerpts, supports, stakes, the queue's order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from core.errors import NotFound
from core.incident import Reviewer, Similar
from core.policy import Policy
from core.stakes import stakes
from server.console import queue, task_graph
from server.console.charts import Axis, lines, nice, stacked
from server.console.fleet import days
from server.console.run_plot import plot
from server.console.settings_view import plain, shown_settings
from server.console.support import support
from server.console.surroundings import Excerpt, Line, Surroundings
from store.fleet import Count
from store.texts import Line as TextLine
from store.texts import Passage
from store.views import GroupMark
from store.waiting import Waiting
from tests.incident_stories import a_proposal, a_run

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
ANNA = Reviewer(name="anna@example.com", role="approver")


@dataclass
class Kept:
    id: str
    name: str


class Texts:
    """Texts by id, counting how often one is opened."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.opened = 0

    async def passage(self, artifact_id: str, first: int, count: int) -> Passage:
        self.opened += 1
        if artifact_id not in self.texts:
            raise NotFound("None.")
        every = [TextLine(n, text) for n, text in enumerate(self.texts[artifact_id].split("\n"), 1)]
        return Passage(every[first - 1 : first - 1 + count], len(every))


LOG = "\n".join(f"line {n}" for n in range(1, 31))


async def excerpt(text: str, start: int, end: int, *kept: Kept, **texts: str) -> Excerpt:
    evidence = {"source": "stderr", "line_start": start, "line_end": end, "text": text}
    return (await Surroundings().of(Texts(**texts), [evidence], kept))[0]


async def test_lines_stand_in_their_place() -> None:
    found = await excerpt("line 10\nline 11", 10, 11, Kept("a", "load/stderr"), a=LOG)
    assert found.artifact_id == "a"
    assert [line.number for line in found.lines] == list(range(5, 16))
    assert [line.number for line in found.lines if line.proves] == [10, 11]


@pytest.mark.parametrize(
    ("kept", "start"),
    [
        (Kept("a", "stderr"), 12),  # the text has other words there
        (Kept("a", "stderr"), 99),  # the text is shorter
        (Kept("a", "stdout"), 10),  # another text
        (Kept("gone", "stderr"), 10),
    ],
)
async def test_lines_that_are_not_found_stand_alone(kept: Kept, start: int) -> None:
    found = await excerpt("line 10", start, start, kept, a=LOG)
    assert found.artifact_id is None
    assert [(line.number, line.text) for line in found.lines] == [(start, "line 10")]


async def test_the_newest_text_counts_and_is_opened_once() -> None:
    there, places = Texts(old=LOG, new=f"first\n{LOG}"), Surroundings()
    kept = [Kept("old", "stderr"), Kept("new", "stderr")]
    evidence = [{"source": "stderr", "line_start": 11, "line_end": 11, "text": "line 10"}]
    found = [(await places.of(there, evidence, kept))[0].artifact_id for _ in range(3)]
    assert (found, there.opened) == (["new"] * 3, 1)


def test_a_claim_is_held_against_lines_and_passages() -> None:
    near = Excerpt("stderr", 7, 7, [Line(7, "Container killed by YARN for exceeding memory limits.")])
    found = support("The container was killed by YARN for exceeding memory limits.", [near], [])
    assert (found[0].where, found[0].anchor) == ("stderr, line 7", "evidence-1")
    (nothing,) = support("The moon is made of green cheese.", [near], [])
    assert nothing.where == ""
    runbook = Similar(id="x", kind="runbook", title="Cheese", text="The moon is made of green cheese.")
    assert support("The moon is made of green cheese.", [near], [runbook])[0].where == "runbook: Cheese"


def task(key: str, *after: str, root: bool = False) -> dict[str, Any]:
    return {"key": key, "state": "FAILED" if root else "SUCCESS", "root": root, "depends_on": list(after)}


def test_tasks_lie_behind_what_they_depend_on() -> None:
    drawing = task_graph.draw([task("c", "b", "a"), task("b", "a", root=True), task("a"), task("d")])
    assert drawing is not None
    x = {box.key: box.x for box in drawing.boxes}
    assert x["a"] == x["d"] < x["b"] < x["c"]
    assert [bad for _, bad in drawing.arrows].count(True) == 1
    assert all(0 < box.x + task_graph.WIDTH < drawing.width for box in drawing.boxes)
    assert len({(box.x, box.y) for box in drawing.boxes}) == 4


def test_odd_graphs_are_drawn_too() -> None:
    assert task_graph.draw([task("a")]) is None
    loop = task_graph.draw([task("a", "b"), task("b", "a"), task("c", "missing", "c")])
    assert loop is not None and len(loop.boxes) == 3
    many = [task(f"t{n}", *([f"t{n - 1}"] if n else []), root=n == 50) for n in range(100)]
    drawing = task_graph.draw(many)
    assert drawing is not None
    assert {box.key for box in drawing.boxes} == {"t49", "t50", "t51"}
    assert drawing.left_out == 97


def test_runs_are_drawn_oldest_first_with_this_one_last() -> None:
    history = [
        {"run_id": 2, "result_state": "SUCCESS", "duration_seconds": 50},
        {"run_id": 1, "result_state": "TIMEDOUT", "duration_seconds": 100},
    ]
    drawn = plot(history, {"run_id": 3, "result_state": "FAILED", "duration_seconds": 25})
    assert drawn is not None
    assert [(bar.ending, bar.this) for bar in drawn.bars] == [("bad", False), ("good", False), ("bad", True)]
    assert drawn.bars[0].height > drawn.bars[1].height > drawn.bars[2].height
    assert "1 of the 2 runs" in drawn.says
    assert plot([], {"run_id": 3}) is None


def test_bars_are_stacked_to_the_total() -> None:
    axis = Axis.over(NOW - timedelta(days=3), NOW, "day")
    assert len(axis.at) == 4
    counts = [Count(at=axis.at[1], name=f"class_{n}", count=n) for n in range(1, 10)]
    chart = stacked("x", "X", axis, counts)
    assert [name for _, name, _ in chart.legend] == [
        "class_9",
        "class_8",
        "class_7",
        "class_6",
        "class_5",
        "other",
    ]
    heights = sum(bar.height for bar in chart.bars)
    top = float(chart.y_ticks[-1][1])
    assert heights == pytest.approx((190 - 10 - 26) * 45 / top)
    assert chart.rows == [["Nov 19", "9", "8", "7", "6", "5", "10"]]
    assert stacked("x", "X", axis, []).empty


def test_lines_say_their_units() -> None:
    axis = Axis.over(NOW - timedelta(days=2), NOW, "day")
    chart = lines("x", "X", axis, {"median": {axis.at[0]: 7200.0, axis.at[2]: 3600.0}})
    assert [label for _, label in chart.y_ticks][-1] == "2 h"
    assert chart.rows == [["Nov 19", "2 h"], ["Nov 21", "1 h"]]
    assert lines("x", "X", axis, {"median": {}}).empty


@pytest.mark.parametrize("value", [0.0004, 0.9, 1, 3, 19, 45, 100, 4711])
def test_the_top_of_an_axis_is_near_above(value: float) -> None:
    assert value <= nice(value) <= 2 * value * 1.01


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("", "", (date(2026, 10, 23), date(2026, 11, 21))),
        ("2026-11-01", "2026-11-07", (date(2026, 11, 1), date(2026, 11, 7))),
        ("2026-11-07", "2026-11-01", (date(2026, 11, 1), date(2026, 11, 7))),
        ("<script>", "99999", (date(2026, 10, 23), date(2026, 11, 21))),
        ("2030-01-01", "2031-01-01", (date(2026, 11, 21), date(2026, 11, 21))),
        ("0001-01-01", "0001-01-02", (date(2000, 1, 1), date(2000, 1, 1))),
    ],
)
def test_any_range_of_days_is_one(since: str, until: str, expected: tuple[date, date]) -> None:
    assert days(since, until, NOW.date()) == expected


def waits(name: str, **more: Any) -> Waiting:
    known = {
        "approval_id": name, "incident_id": name, "job_name": name, "run_id": 1, "action": "RETRY",
        "created_at": NOW - timedelta(hours=1), "opened_at": NOW,
    }  # fmt: skip
    return Waiting(**{**known, **more})


def test_the_queue_is_by_what_presses() -> None:
    policy = Policy.model_validate({"jobs": [{"match": {"name": "critical"}, "rules": {"critical": True}}]})
    found = [
        waits("plain"),
        waits("older", created_at=NOW - timedelta(hours=2)),
        waits("skipped", skipped=3),
        waits("soon", expires_at=NOW + timedelta(minutes=10)),
        waits("downstream", downstream=2),
        waits("many", group=GroupMark(id="g", pending=300)),
        waits("running", running=True),
        waits("critical"),
    ]
    order = [line.waiting.job_name for line in queue.lines(found, policy, NOW, ANNA)]
    assert order == ["critical", "running", "many", "downstream", "soon", "skipped", "older", "plain"]


def test_what_the_reader_may_not_approve_stands_last() -> None:
    found = [waits("mine", running=True, barred=[ANNA.name]), waits("open"), waits("bens", approvers=["ben"])]
    by_name = {line.waiting.job_name: line for line in queue.lines(found, Policy(), NOW, ANNA)}
    assert list(by_name) == ["bens", "open", "mine"]
    assert [line.barred for line in by_name.values()] == [False, False, True]
    assert "somebody else" in by_name["mine"].rights.may_approve.why
    assert not by_name["bens"].rights.may_decide.allowed, "it is not for her, so nobody bars her"


def test_what_a_proposal_costs() -> None:
    said = dict(stakes(a_proposal(), a_run().model_dump(mode="json")))
    assert (
        said["Costs"] == "1 task runs again, which failed after 7 min 40 s; 1 that waits for it can follow."
    )
    assert "put back" in said["Afterwards"]


def test_settings_show_no_secret() -> None:
    from core.settings import Settings

    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url="postgresql://pit:hunter2@db.example.com:5432/pitstop",
        databricks_token="dapi-hunter2",
        teams_webhooks={"oncall": "https://hooks.example.com/hunter2"},
    )
    shown = dict(shown_settings(settings))
    assert "hunter2" not in str(shown)
    assert shown["DATABASE_URL"] == "postgresql://db.example.com:5432/pitstop"
    assert shown["DATABRICKS_TOKEN"] == "set, not shown"
    assert plain([]) == "none"
