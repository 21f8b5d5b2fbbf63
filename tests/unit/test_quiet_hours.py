"""Quiet hours: which times they are, across midnight and changes of the clock, and the time that runs beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.policy import Policy, QuietHours, Rules, load_policy

BERLIN = QuietHours(start="22:00", end="07:00", timezone="Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "named"),
    [
        ('{start: "22:00", end: "24:00"}', "defaults.quiet_hours.end"),
        ('{start: "7"}', "defaults.quiet_hours.start"),
        ("{start: abc}", "defaults.quiet_hours.start"),
        ("{start: 22:00}", "1320 is no time of day; write two digits each and quotes"),
        ('{start: "22:00:30"}', "defaults.quiet_hours.start"),
        ("{timezone: Mars/X}", "'Mars/X' is no time zone of the IANA database"),
        ("{timezone: ../../etc/passwd}", "is no time zone"),
        ('{timezone: ""}', "is no time zone"),
    ],
)
def test_a_mistake_is_named_when_the_policy_is_read(tmp_path: Path, quiet: str, named: str) -> None:
    path = tmp_path / "policy.yaml"
    for text, where in (
        (f"defaults: {{quiet_hours: {quiet}}}", named),
        (f"jobs: [{{match: {{name: x}}, rules: {{quiet_hours: {quiet}}}}}]", named.removeprefix("defaults.")),
    ):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match="PITSTOP_POLICY") as caught:
            load_policy(path)
        assert where in str(caught.value)


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ("2026-11-20T20:59", None),
        ("2026-11-20T21:00", "2026-11-21T06:00"),
        ("2026-11-21T05:59", "2026-11-21T06:00"),
        ("2026-11-21T06:00", None),
        ("2026-03-28T22:30", "2026-03-29T05:00"),  # the night that has an hour less
        ("2026-10-24T22:30", "2026-10-25T06:00"),  # and the one that has an hour more
    ],
)
def test_they_span_midnight_and_follow_the_local_clock(now: str, ends: str | None) -> None:
    assert BERLIN.until(utc(now)) == (utc(ends) if ends else None)


def test_they_may_lie_within_a_day() -> None:
    quiet = QuietHours(start="12:00", end="14:00", timezone="Asia/Tokyo")
    assert quiet.until(utc("2026-11-21T03:30")) == utc("2026-11-21T05:00")
    assert quiet.until(utc("2026-11-21T12:30")) is None


def test_the_same_start_and_end_are_none_at_all() -> None:
    never = QuietHours(start="07:00", end="07:00")
    assert never.until(utc("2026-11-20T07:00")) is None
    assert never.open_until(utc("2026-11-20T03:00"), timedelta(days=90)) == utc(
        "2026-11-20T03:00"
    ) + timedelta(90)


@pytest.mark.parametrize(
    ("asked", "ends"),
    [
        ("2026-11-20T22:00", "2026-11-21T10:00"),  # at night: all of it in the morning
        ("2026-11-20T18:00", "2026-11-21T07:00"),  # three hours before the night, one after it
        ("2026-11-20T17:00", "2026-11-20T21:00"),  # just before the night
        ("2026-11-20T10:00", "2026-11-20T14:00"),
        ("2026-03-28T22:30", "2026-03-29T09:00"),
    ],
)
def test_a_question_s_time_does_not_run_while_nobody_is_told(asked: str, ends: str) -> None:
    rules = Rules(approval_ttl_seconds=4 * 3600, quiet_hours=BERLIN)
    begin, end = utc(asked), utc(ends)
    assert begin + timedelta(seconds=rules.seconds_to_decide(begin)) == end
    assert BERLIN.open_between(begin, end) == timedelta(hours=4)
    urgent = rules.model_copy(update={"critical": True})
    assert urgent.seconds_to_decide(begin) == 4 * 3600


def test_hours_that_leave_hardly_a_minute_of_the_day_don_t_keep_a_question_for_ever() -> None:
    policy = Policy.model_validate({"defaults": {"quiet_hours": {"start": "00:00", "end": "23:59"}}})
    assert policy.defaults.seconds_to_decide(utc("2026-11-20T12:00")) < 61 * 86400


def test_of_a_night_within_nothing_is_counted() -> None:
    assert BERLIN.open_between(utc("2026-11-20T22:00"), utc("2026-11-21T05:00")) == timedelta()
    assert BERLIN.open_between(utc("2026-11-20T20:00"), utc("2026-11-20T23:00")) == timedelta(hours=1)
