"""What people are told of a group: that many failures have one cause, and that one decision answers for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def group_words(group: Mapping[str, Any]) -> tuple[str, str]:
    """The head of the subject, and the first sentence, of a message about a group.

    Args:
        group: `pending` (members that wait for a decision), `jobs` (of all members), `cause` with `kind` and
            `value`: as `GET /api/v1/groups/{id}` gives them.
    """
    pending, jobs = int(group.get("pending") or 0), int(group.get("jobs") or 0)
    cause = group.get("cause") or {}
    kind = str(cause.get("kind") or "cause").replace("_", " ")
    what = "the same error" if kind == "fingerprint" else f"one {kind}, {cause.get('value', '')}"
    head = f"Your approval is needed for {pending} failed runs"
    sentence = (
        f"{pending} runs of {jobs} {'job' if jobs == 1 else 'jobs'} failed by {what}. One decision answers for all "
        f"of them: one repair goes first, and the others follow when it has held. The first of them is shown here."
    )
    return head, sentence


def news_words(
    kind: str, begins: str, sentence: str, members: Sequence[Mapping[str, Any]]
) -> tuple[str, str]:
    """The head of the subject, and the first sentence, of news that tell of several incidents of one cause.

    Args:
        kind: Why it is sent; `begins` and `sentence` are what a message of this kind about one incident says.
        members: All that it tells of, each with `job` and `job_id`.
    """
    jobs = len({member.get("job_id") or member.get("job") for member in members})
    head = _HEADS.get(kind, begins)
    of = f"{len(members)} runs of {jobs} {'job' if jobs == 1 else 'jobs'}"
    return (
        f"{head}: {len(members)} failed runs",
        f"{of} failed by the same cause. {sentence} The first of them is shown here, all are listed below.",
    )


_HEADS = {"notification": "Your jobs failed", "broken": "Pitstop is stuck"}


def member_lines(shown: Mapping[str, Any], most: int = 10) -> list[str]:
    """Those that a message is about, a line each, for channels with little room; `shown` as in `Message`."""
    members = shown["members"]
    lines = [f"• {one['job']}, run {one['run_id']}" for one in members[:most]]
    left = len(members) - len(lines) + shown["more_members"]
    return [*lines, f"and {left} more"] if left else lines
