"""What a workspace's webhook says: ids, in any of the shapes that have been seen. Never facts.

Shapes: `{"event_type", "workspace_id", "run": {"run_id", "parent_run_id"}, "job": {"job_id", "name"},
"task": {"task_key"}}`, the same flat, ids as numbers or as strings.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.errors import InvalidInput

MAX_ID = 2**63 - 1
#: Only what names something is kept of a body; the rest of it is nobody's word.
MAX_TEXT = 200


class Notice(BaseModel):
    """The ids of one webhook. `run_id` is the job's run, also where a task's run was announced."""

    model_config = ConfigDict(frozen=True)

    run_id: int | None = None
    job_id: int | None = None
    event_type: str = ""
    task_key: str = ""
    workspace_id: str = ""

    @property
    def key(self) -> str:
        """The same for each delivery of the same announcement."""
        return f"{self.event_type}/{self.job_id or 0}/{self.run_id or 0}/{self.task_key}"


def read_notice(body: bytes) -> Notice:
    """Read a webhook's body.

    Raises:
        InvalidInput: It is not a JSON object, or names neither a run nor a job.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("The body is not JSON.") from error
    if not isinstance(data, dict):
        raise InvalidInput("The body must be a JSON object.")
    run, job, task = _part(data, "run"), _part(data, "job"), _part(data, "task")
    notice = Notice(
        run_id=_first_id(
            run.get("parent_run_id"), data.get("parent_run_id"), run.get("run_id"), data.get("run_id")
        ),
        job_id=_first_id(job.get("job_id"), data.get("job_id"), run.get("job_id")),
        event_type=_text(data.get("event_type")),
        task_key=_text(task.get("task_key") or data.get("task_key")),
        workspace_id=_text(data.get("workspace_id")),
    )
    if notice.run_id is None and notice.job_id is None:
        raise InvalidInput(
            "The body names neither a run nor a job.",
            hint="Expected run.run_id or job.job_id, as Databricks' job notifications send them.",
        )
    return notice


def _part(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _first_id(*values: Any) -> int | None:
    """The first value that is an id: a positive 63-bit integer, as a number or as its digits."""
    for value in values:
        if isinstance(value, bool):
            continue
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, int) and 0 < value <= MAX_ID:
            return value
    return None


def _text(value: Any) -> str:
    """A short printable text: Postgres stores no NUL."""
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return "".join(c for c in text if c.isprintable())[:MAX_TEXT]
