"""What the console says: numbers and times, proposals as differences, forms read back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.actions import Action, Proposal
from core.errors import InvalidInput
from core.incident import Reviewer
from server.console import proposals, words
from server.console.incident_page import build
from server.console.visitors import safe_next
from server.story import Incident
from tests.incident_stories import a_proposal, a_run, facts

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
ANNA = Reviewer(name="anna@example.com", role="approver")
VERA = Reviewer(name="vera@example.com", role="viewer")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (42, "42 s ago"),
        (600, "10 min ago"),
        (7200, "2 h ago"),
        (3 * 86400, "3 d ago"),
        (-300, "in 5 min"),
    ],
)
def test_ago(seconds: float, said: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.834, "83%"), (0.999, "> 99%"), (1.0, "100%"), (0.001, "< 1%"), (0.0, "0%"), (None, "–")],
)
def test_a_chance_is_never_said_to_be_certain(value: float | None, said: str) -> None:
    assert words.percent(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), (0.4, "1 s"), (48, "48 s"), (185, "3 min 5 s"), (7800, "2 h 10 min"), (3600, "1 h")],
)
def test_duration(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://w.example.com/run/1", True),
        ("http://localhost:1/", True),
        ("javascript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example.com", False),
        (None, False),
    ],
)
def test_only_web_addresses_become_links(url: str | None, kept: bool) -> None:
    assert bool(words.link(url)) is kept


@pytest.mark.parametrize(
    ("address", "goes"),
    [
        ("/console/incidents/inc_1", "/console/incidents/inc_1"),
        ("/console?show=all", "/console?show=all"),
        ("https://evil.example.com/console/", "/console"),
        ("//evil.example.com", "/console"),
        ("/console/\\evil.example.com", "/console"),
        ("/consolefake", "/console"),
        ("/console/sign-in?code=x", "/console"),
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(address: str, goes: str) -> None:
    assert safe_next(address) == goes


def test_changed_settings_are_shown_current_against_proposed() -> None:
    run = a_run().model_dump(mode="json")
    settings, task = proposals.changes(a_proposal(), run)
    assert (settings.what, settings.current, settings.proposed) == ("spark.executor.memory", "8g", "16g")
    assert settings.where.startswith("job_clusters[main]")
    assert (task.what, task.current, task.proposed) == ("task aggregate", "failed", "run again")


@pytest.mark.parametrize(
    ("action", "params", "first"),
    [
        (Action.RETRY, {}, ("all failed tasks", "failed", "run again")),
        (Action.TERMINATE, {"pause_schedule": True}, ("this run", "terminated", "cancelled")),
        (Action.NOTIFY_OWNER, {"recipients": ["a@x.org"]}, ("message to", "nobody told", "a@x.org")),
        (
            Action.RUN_UPSTREAM,
            {"job_id": 9, "produces": "a.b.c"},
            ("a.b.c", "missing", "made by a run of job 9, first"),
        ),
        (
            Action.RETRY_WITH_NEW_PARAMS,
            {"job_parameters": {"date": "2026-01-01"}},
            ("parameter date", "not set", "2026-01-01"),
        ),
    ],
)
def test_every_action_says_what_it_changes(action: Action, params: dict, first: tuple[str, str, str]) -> None:
    change = proposals.changes(Proposal(action=action, params=params), a_run().model_dump(mode="json"))[0]
    assert (change.what, change.current, change.proposed) == first


@pytest.mark.parametrize(
    "proposal",
    [
        a_proposal(),
        Proposal(action=Action.RETRY, params={"task_keys": ["a", "b"]}),
        Proposal(action=Action.TERMINATE, params={"cancel_run": True, "pause_schedule": False}),
        Proposal(
            action=Action.NOTIFY_OWNER, params={"recipients": ["a@x.org", "b@x.org"], "message": "Two\nlines"}
        ),
        Proposal(action=Action.ESCALATE, params={"reason": "why"}),
        Proposal(
            action=Action.RUN_UPSTREAM, params={"job_id": 9, "produces": "t", "job_parameters": {"d": "1"}}
        ),
        Proposal(action=Action.PROPOSE_FIX, params={"path": "a.py", "diff": "-a\n+b"}),
    ],
)
def test_a_form_sent_back_untouched_changes_nothing(proposal: Proposal) -> None:
    form = {
        f.name: "true" if f.value is True else str(f.value).replace("\n", "\r\n")
        for f in proposals.fields(proposal)
        if f.value is not False
    }
    assert proposals.read_form(proposal, form) == proposal.checked()


def test_an_edit_changes_the_value_and_keeps_its_kind() -> None:
    settings = [{"path": "job_clusters[m].new_cluster.num_workers", "current": 2, "proposed": 4}]
    proposal = Proposal(action=Action.RETRY_WITH_NEW_PARAMS, params={"settings": settings})
    edited = proposals.read_form(proposal, {"setting.0": " 6 ", "task_keys": "a\r\n\r\n b "}).model_dump()
    assert edited["settings"][0]["proposed"] == 6
    assert edited["settings"][0]["current"] == 2
    assert edited["task_keys"] == ["a", "b"]
    with pytest.raises(InvalidInput, match="must be a number"):
        proposals.read_form(proposal, {"setting.0": "many"})


def test_a_parameter_of_several_lines_keeps_its_line_ends() -> None:
    query = "\nSELECT 1\r\nFROM t\n"
    params = {
        "job_id": 7,
        "produces": "main.sales.orders",
        "job_parameters": {"sql": query, "day": "2026-11-21"},
    }
    proposal = Proposal(action=Action.RUN_UPSTREAM, params={**params, "task_keys": ["a"]})
    shown = {f.name: f for f in proposals.fields(proposal)}
    assert shown["parameter.sql"].kind == "lines"
    form = {name: str(f.value).replace("\r\n", "\n") for name, f in shown.items()}
    form["parameter.sql"] = form["parameter.sql"].removeprefix("\n").replace("\n", "\r\n")
    assert proposals.read_form(proposal, form).model_dump()["job_parameters"]["sql"] == query
    edited = proposals.read_form(proposal, {**form, "parameter.sql": "SELECT 2\r\nFROM t"}).model_dump()
    assert edited["job_parameters"] == {"sql": "SELECT 2\nFROM t", "day": "2026-11-21"}


def test_an_unticked_box_says_no() -> None:
    proposal = Proposal(action=Action.TERMINATE, params={"cancel_run": True, "pause_schedule": True})
    assert proposals.read_form(proposal, {"pause_schedule": "true"}).model_dump() == {
        "cancel_run": False,
        "pause_schedule": True,
    }


def a_story(**more: object) -> Incident:
    run = a_run()
    known = facts(run)
    return Incident.model_validate(
        {
            **known,
            "id": "inc_1",
            "status": "investigating",
            "workspace": run.workspace,
            "run_id": run.run_id,
            "evidence": known["diagnosis"]["evidence"],
            "opened_at": NOW,
            "updated_at": NOW,
            **more,
        }
    )


def test_the_root_failure_is_marked_and_what_was_skipped_is_not() -> None:
    tasks = build(a_story(), reader=ANNA, triad_threshold=0.75).tasks
    assert (tasks[0]["key"], tasks[0]["root"]) == ("aggregate", True)
    assert not any(t["root"] for t in tasks[1:])


def test_an_incident_of_which_nothing_is_known_yet_has_a_page() -> None:
    empty = {name: {} for name in ("run", "diagnosis", "prediction", "proposal", "tasks", "triad")}
    view = build(a_story(**empty, history=[], evidence=[], similar=[]), reader=VERA, triad_threshold=0.75)
    assert (view.tasks, view.history, view.changes, view.prediction) == ([], [], [], None)
