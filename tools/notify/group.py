"""What people are told of a group: that many failures have one cause, and that one decision answers for all."""

from __future__ import annotations

from collections.abc import Mapping
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
