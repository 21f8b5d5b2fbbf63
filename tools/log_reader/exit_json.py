"""The JSON that a notebook left with, when it is all there is of a source."""

from __future__ import annotations

import json
from typing import Any

from tools.log_reader.blocks import Block

_MAX_BYTES = 1 << 20
_MAX_CHARS = 2000
_STATE_KEYS = ("status", "state", "result", "outcome", "exit_status", "run_status", "result_state")
_BAD_STATES = frozenset(
    {
        "failed",
        "failure",
        "error",
        "errored",
        "fail",
        "partial",
        "ko",
        "aborted",
        "timedout",
        "timed_out",
        "cancelled",
    }
)
_GOOD_KEYS = ("success", "ok", "succeeded", "passed")
_COUNT_KEYS = (
    "failed",
    "failures",
    "errors",
    "error_count",
    "failed_count",
    "num_failed",
    "rejected",
    "failed_tables",
    "failed_rows",
)
_SAID_KEYS = (
    "error",
    "error_message",
    "message",
    "reason",
    "exception",
    "detail",
    "details",
    "cause",
    *_COUNT_KEYS,
)


def exit_json_block(data: bytes, source: str) -> Block | None:
    """A block for a source that is one JSON object which says that something failed; None for any other source."""
    text = data.strip()
    if not text.startswith(b"{") or not text.endswith(b"}") or len(text) > _MAX_BYTES:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not says_failed(value):
        return None
    lines = data.rstrip().count(b"\n") + 1
    return Block(
        kind="exit_json",
        source=source,
        line_start=1,
        line_end=lines,
        text=text.decode("utf-8", "replace")[:4000],
        message=what_it_said(value) or text.decode("utf-8", "replace")[:_MAX_CHARS],
        decisive=(1, lines),
        weight=0.55,
    )


def says_failed(value: dict[str, Any]) -> bool:
    """Whether an exit value reports a failure: a bad state, `success: false`, or a count of failures above zero."""
    states = (str(value.get(key)).lower() for key in _STATE_KEYS if key in value)
    if any(state in _BAD_STATES for state in states) or any(value.get(key) is False for key in _GOOD_KEYS):
        return True
    return any(_counts(value.get(key)) for key in _COUNT_KEYS)


def what_it_said(value: dict[str, Any]) -> str:
    """The words of an exit value about what went wrong; empty when it has none."""
    for key in _SAID_KEYS:
        said = value.get(key)
        if said:
            return (
                said[:_MAX_CHARS]
                if isinstance(said, str)
                else f"{key}: {json.dumps(said, ensure_ascii=False)}"[:_MAX_CHARS]
            )
    return ""


def _counts(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return (isinstance(value, int | float) and value > 0) or (isinstance(value, list) and bool(value))
