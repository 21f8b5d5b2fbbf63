"""Webhook bodies: ids in every shape that has been seen, and nothing else believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from server.notice import MAX_ID, read_notice


def read(body: object) -> tuple[int | None, int | None]:
    notice = read_notice(json.dumps(body).encode())
    return notice.run_id, notice.job_id


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"run": {"run_id": "455"}, "job": {"job_id": "11", "name": "nightly"}}, (455, 11)),
        ({"run": {"run_id": 455}, "job": {"job_id": 11}}, (455, 11)),
        ({"run_id": "455", "job_id": "11"}, (455, 11)),
        ({"run_id": 455}, (455, None)),
        ({"job": {"job_id": 11}}, (None, 11)),
        ({"run": {"run_id": 9, "parent_run_id": "455"}, "task": {"task_key": "a"}}, (455, None)),
        ({"run": "455", "run_id": 7}, (7, None)),
        ({"run": {"run_id": True}, "job_id": 11}, (None, 11)),
        ({"run": {"run_id": -5}, "run_id": "6"}, (6, None)),
        ({"run": {"run_id": "٤٥"}, "job_id": 11}, (None, 11)),
        ({"run": {"run_id": MAX_ID + 1}, "job_id": MAX_ID}, (None, MAX_ID)),
    ],
)
def test_ids_are_found_wherever_they_stand(body: object, ids: tuple[int | None, int | None]) -> None:
    assert read(body) == ids


def test_a_task_announced_twice_has_one_key_and_two_tasks_have_two() -> None:
    def of(task: str) -> str:
        body = {"event_type": "jobs.on_failure", "run": {"run_id": 4}, "task": {"task_key": task}}
        return read_notice(json.dumps(body).encode()).key

    assert of("load") == of("load") != of("clean")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"run": {}}', b'{"event_type": "x"}', b"[" * 100_000]
)
def test_what_names_no_run_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_notice(body)


def test_texts_are_cut_and_cleaned() -> None:
    notice = read_notice(json.dumps({"run_id": 1, "event_type": "jobs\u0000.on\n" + "x" * 999}).encode())
    assert notice.event_type.startswith("jobs.onx")
    assert len(notice.event_type) <= 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["run", "job", "run_id", "job_id", "task", "parent_run_id"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@given(_JSON)
def test_no_body_breaks_it(body: object) -> None:
    try:
        notice = read_notice(json.dumps(body).encode())
    except InvalidInput:
        return
    assert all(value is None or 0 < value <= MAX_ID for value in (notice.run_id, notice.job_id))
