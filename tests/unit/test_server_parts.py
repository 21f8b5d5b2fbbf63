"""The service's small parts: signing, holding back guesses, quiet hours, patience, names of files."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from procrastinate.jobs import Job

from core.errors import Forbidden, InvalidInput, StoreUnavailable, WorkspaceUnavailable
from core.policy import Policy
from core.settings import Settings
from server.attachments import read_attachment, safe_name
from server.metrics import Metrics
from server.poller import shortest_limit
from server.problems import ProblemError
from server.sessions import Sessions, signing_key
from store.views import Counts
from tools.ocr import PictureReader, Vocabulary
from wiring.queue import BUG_ATTEMPTS, LONGEST_WAIT_SECONDS, WAITING_PRIORITY, Patience


def settings(folder: Path, **more: object) -> Settings:
    return Settings(_env_file=None, data_dir=folder, **more)  # type: ignore[arg-type,call-arg]


def test_the_signing_key_is_made_once_and_for_this_user_alone(tmp_path: Path) -> None:
    keys: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: keys.append(signing_key(settings(tmp_path)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1
    assert len(keys[0]) > 40
    assert stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["session.key"]


def test_a_key_that_is_set_is_used(tmp_path: Path) -> None:
    assert signing_key(settings(tmp_path, session_secret="s3cret")) == b"s3cret"
    assert not list(tmp_path.iterdir())


def test_a_form_is_good_for_one_visitor_only() -> None:
    sessions = Sessions(b"key")
    sessions.check_csrf("vis_a", sessions.csrf("vis_a"))
    for given in (sessions.csrf("vis_b"), Sessions(b"other").csrf("vis_a"), ""):
        with pytest.raises(Forbidden):
            sessions.check_csrf("vis_a", given)


def a_job(attempts: int) -> Job:
    return Job(
        id=1, queue="pitstop", lock="inc_1", queueing_lock=None, task_name="advance", attempts=attempts
    )


@pytest.mark.parametrize("error", [WorkspaceUnavailable("500"), StoreUnavailable("away"), ConnectionError()])
def test_weather_is_waited_out_for_ever_and_never_blocks_a_decision(error: Exception) -> None:
    now = datetime.now(UTC)
    for attempts in (0, 5, 5000):
        decision = Patience().get_retry_decision(exception=error, job=a_job(attempts))
        assert decision is not None
        assert decision.retry_at is not None
        assert 0 < (decision.retry_at - now).total_seconds() <= LONGEST_WAIT_SECONDS + 5
        assert decision.priority == WAITING_PRIORITY < 0


def test_a_bug_is_tried_a_few_times_only() -> None:
    tries = [
        Patience().get_retry_decision(exception=KeyError("x"), job=a_job(n)) for n in range(BUG_ATTEMPTS)
    ]
    assert [t is not None for t in tries] == [True] * (BUG_ATTEMPTS - 1) + [False]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("driver.log", "driver.log"),
        ("../../etc/passwd", "passwd"),
        ("C:\\logs\\a.txt", "a.txt"),
        ("a\u202egnp.txt\n", "agnp.txt"),
        ("", "attachment"),
    ],
)
def test_names_of_files_are_only_names(given: str, kept: str) -> None:
    assert safe_name(given) == kept


NO_PICTURES = PictureReader(Vocabulary([]))


async def test_an_attachment_is_redacted() -> None:
    read = await read_attachment("a.log", b"line one\npassword=hunter2-hunter2\nlast \xff", NO_PICTURES)
    text = read.text
    assert read.name == "a.log"
    assert "hunter2" not in text
    assert text.startswith("line one\n")
    assert text.count("\n") == 2


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("a.png", b"GIF89a..", 415),
        ("a.png", b"no picture", 415),
        ("a.gif", b"GIF89a..", 415),
        ("a.log", b"\x89PNG\r\n\x1a\n..", 415),
        ("a.txt", b"a\x00b", 415),
        ("a.exe", b"MZ", 415),
    ],
)
async def test_what_is_neither_text_nor_picture_is_refused(name: str, body: bytes, status: int) -> None:
    with pytest.raises(ProblemError) as refused:
        await read_attachment(name, body, NO_PICTURES)
    assert refused.value.status_code == status


@pytest.mark.parametrize(("name", "body"), [("a.log", b" \n"), ("a.png", b"\x89PNG\r\n\x1a\n..")])
async def test_an_attachment_that_is_empty_or_damaged_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        await read_attachment(name, body, NO_PICTURES)


def test_the_shortest_limit_of_any_job_counts() -> None:
    assert shortest_limit(Policy()) is None
    policy = Policy.model_validate(
        {
            "defaults": {"max_run_seconds": 900},
            "jobs": [{"match": {"name": "a"}, "rules": {"max_run_seconds": 60}}, {"match": {}, "rules": {}}],
        }
    )
    assert shortest_limit(policy) == 60


def test_numbers_that_are_gone_disappear_from_the_metrics() -> None:
    metrics = Metrics()
    metrics.render(
        Counts(by_status={"new": 2}, open_by_category={}),
        [{"task": "advance", "status": "todo", "count": 3}],
        [],
    )
    text = metrics.render(
        Counts(by_status={"closed": 1}, open_by_category={"": 1}), [], [("repair_run", "done", 4)]
    ).decode()
    assert 'pitstop_incidents{status="new"}' not in text
    assert 'pitstop_incidents{status="closed"} 1.0' in text
    assert 'pitstop_incidents_open{category="unknown"} 1.0' in text
    assert 'pitstop_actions{call="repair_run",status="done"} 4.0' in text
    assert "pitstop_queue_jobs{" not in text
