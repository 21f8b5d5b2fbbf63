"""What was asked of the sandbox, and what of it took effect. Both lists only grow."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal[
    "create", "update", "reset", "delete", "run_now", "submit", "repair", "cancel", "delete_run", "write_file"
]


@dataclass(frozen=True)
class Action:
    """A change that took effect. `by`: a caller of the API, a person in the workspace, or the schedule.
    `at` is in epoch milliseconds."""

    number: int
    at: int
    kind: Kind
    by: Literal["api", "person", "schedule"]
    job_id: int | None
    run_id: int | None
    repair_id: int | None
    body: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request to the API; `fault` names what was done to it, `status` is None when none was sent back."""

    number: int
    at: int
    method: str
    path: str
    query: str
    status: int | None
    fault: str | None


@dataclass
class Journal:
    """The two lists; with a `path`, actions are also appended there, one JSON object a line."""

    path: Path | None = None
    actions: list[Action] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def action(
        self,
        kind: Kind,
        at: int,
        body: dict[str, Any],
        *,
        by: Literal["api", "person", "schedule"] = "api",
        job_id: int | None = None,
        run_id: int | None = None,
        repair_id: int | None = None,
    ) -> None:
        """Note a change that took effect."""
        action = Action(len(self.actions) + 1, at, kind, by, job_id, run_id, repair_id, body)
        self.actions.append(action)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(action)) + "\n")

    def request(
        self, at: int, method: str, path: str, query: str, status: int | None, fault: str | None
    ) -> None:
        """Note a request."""
        self.requests.append(Request(len(self.requests) + 1, at, method, path, query, status, fault))
