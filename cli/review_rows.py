"""A line of the queue as a row of the terminal's table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from cli.plain import line

Json = Mapping[str, Any]

#: Columns by their width in characters; the last takes what is left of 80 and more.
COLUMNS = (("", 1), ("Job", 19), ("Failure", 18), ("Proposal", 12), ("Left", 6), ("Why now", None))
ACTIONS = {
    "RETRY": "run again",
    "RETRY_WITH_NEW_PARAMS": "new settings",
    "RUN_UPSTREAM": "run upstream",
    "NOTIFY_OWNER": "tell owner",
    "ESCALATE": "escalate",
    "TERMINATE": "stop run",
    "PROPOSE_FIX": "patch",
}


def key_of(item: Json) -> str:
    """What stays the same between two looks: a group's oldest member may have been decided apart."""
    return str(item["group"]["id"] if is_group(item) else item["approval_id"])


def is_group(item: Json) -> bool:
    """Whether one decision answers for more than one."""
    return bool(item.get("group")) and item["group"]["pending"] > 1


def cells_of(item: Json) -> list[Text]:
    """The row: every cell is text, cut where it is too long."""
    job = line(item["job_name"]) or f"run {item['run_id']}"
    if is_group(item):
        job = f"{item['group']['pending']}x {job}"
    failure = line(item["failure_class"] or item["category"] or item["summary"]).replace("_", " ")
    reasons = [line(reason["text"]) for reason in item["reasons"]]
    why = ", ".join([*(["not yours"] if why_not(item, "approve") else []), *reasons])
    cells = (
        " ",
        job,
        failure,
        ACTIONS.get(item["action"], line(item["action"])),
        _left(item["expires_at"]),
        why,
    )
    return [Text(cell, no_wrap=True, overflow="ellipsis", end="") for cell in cells]


def why_not(item: Json, kind: str) -> str:
    """Why the reviewer may not do this to the question; empty where they may."""
    right = item.get("may_approve" if kind == "approve" else "may_decide") or {}
    return "" if right.get("allowed", True) else line(right.get("why") or "This is for somebody else.")


def _left(expires_at: str | None) -> str:
    """The time that is left to decide, in one unit."""
    if not expires_at:
        return "-"
    minutes = max(0, (datetime.fromisoformat(expires_at) - datetime.now(UTC)).total_seconds() / 60)
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
