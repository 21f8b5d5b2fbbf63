"""A client for the sandbox's controls under /_sandbox."""

from __future__ import annotations

from typing import Any

import httpx

from core.errors import WorkspaceRefused

Json = dict[str, Any]


class Control:
    """Starts scenarios, moves time, causes faults, tells what happened. All answers are plain JSON."""

    def __init__(self, url: str, token: str) -> None:
        self._base = f"{url.rstrip('/')}/_sandbox"
        self._headers = {"Authorization": f"Bearer {token}"}

    def scenarios(self) -> list[Json]:
        """Name, title, category and expectations of each scenario."""
        return self._call("GET", "/scenarios")["scenarios"]

    def start(self, name: str, **options: Any) -> Json:
        """Start a scenario (`clock_speed`, `webhook` override its own): job_id, run_id, jobs by name, expect."""
        return self._call("POST", f"/scenarios/{name}/start", options)

    def begin_outage(self, name: str, *, jobs: int = 40, runs: int = 300) -> Json:
        """Let an outage begin, by which this many runs of this many jobs fail: `job_ids`, `run_ids`."""
        return self._call("POST", f"/outages/{name}/start", {"jobs": jobs, "runs": runs})

    def end_outage(self, name: str) -> bool:
        """Let it be over; False when it was not going on."""
        return bool(self._call("POST", f"/outages/{name}/end")["ended"])

    def actions(self, **filters: Any) -> list[Json]:
        """The changes that took effect, oldest first; filters: kind, by, job_id, run_id."""
        return self._call("GET", "/record", params=filters)["actions"]

    def requests(self, path: str = "") -> list[Json]:
        """All requests to the API whose path contains `path`, oldest first."""
        return self._call("GET", "/requests", params={"path": path})["requests"]

    def fault(self, kind: str, **matching: Any) -> Json:
        """Cause a fault; `matching` is any of the fields of `sandbox.faults.Fault`."""
        return self._call("POST", "/faults", {"kind": kind, **matching})

    def clear_faults(self) -> None:
        """Take all faults back."""
        self._call("DELETE", "/faults")

    def webhook(self, url: str | None, **target: Any) -> Json:
        """Send notifications to `url` (None: nowhere); `target`: user, password, mode, late_seconds."""
        return self._call("POST", "/webhook", {"url": url, **target} if url else {})

    def deliveries(self) -> list[Json]:
        """The notifications sent so far."""
        return self._call("GET", "/webhook")["deliveries"]

    def advance(self, seconds: float) -> None:
        """Move the clock by real seconds."""
        self._call("POST", "/advance", {"seconds": seconds})

    def finish(self, run_id: int) -> bool:
        """Move the clock until the run has ended; False when it never will."""
        return bool(self._call("POST", "/advance", {"until_run": run_id})["reached"])

    def by_hand(self, run_id: int, what: str) -> Json:
        """A person does `repair` or `cancel` to the run in the workspace."""
        return self._call("POST", f"/runs/{run_id}/{what}")

    def fire_schedule(self, job_id: int) -> Json:
        """The job's schedule starts a run."""
        return self._call("POST", f"/jobs/{job_id}/schedule")

    def _call(self, method: str, path: str, body: Json | None = None, params: Json | None = None) -> Any:
        answer = httpx.request(
            method, self._base + path, json=body, params=params, headers=self._headers, timeout=30
        )
        if answer.is_error:
            raise WorkspaceRefused(f"The sandbox refused {method} {path}: {answer.text}")
        return answer.json()
