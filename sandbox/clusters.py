"""Clusters: created for runs, described by their events. Times are epoch milliseconds."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from sandbox.job_settings import Settings

#: The state that a cluster is in after an event of this type.
_STATE_AFTER = {
    "CREATING": "PENDING",
    "STARTING": "PENDING",
    "RUNNING": "RUNNING",
    "RESTARTING": "RESTARTING",
    "RESIZING": "RESIZING",
    "UPSIZE_COMPLETED": "RUNNING",
    "TERMINATING": "TERMINATED",
}
JOB_FINISHED = {"code": "JOB_FINISHED", "type": "SUCCESS"}


@dataclass
class Cluster:
    """One cluster; `spec` is its Clusters API specification."""

    cluster_id: str
    name: str
    spec: Settings
    created: int
    spark_context_id: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def add_event(self, kind: str, when: int, details: dict[str, Any] | None = None) -> None:
        """Something happens to it; an event may lie in the future and is invisible until then."""
        event = {"cluster_id": self.cluster_id, "timestamp": when, "type": kind, "details": details or {}}
        self.events.append(copy.deepcopy(event))
        self.events.sort(key=lambda e: e["timestamp"])

    def seen(self, now: int) -> list[dict[str, Any]]:
        """Its events so far, oldest first."""
        return [event for event in self.events if event["timestamp"] <= now]

    def state(self, now: int) -> str:
        """The Clusters API state."""
        return next(
            (_STATE_AFTER[e["type"]] for e in reversed(self.seen(now)) if e["type"] in _STATE_AFTER),
            "PENDING",
        )

    def terminated(self, now: int) -> bool:
        """Whether it is gone."""
        return self.state(now) == "TERMINATED"

    def terminate(self, when: int, reason: dict[str, Any] | None = None) -> None:
        """Its end, unless its events tell of another one already; what would come later does not happen."""
        self.events = self.seen(when)
        if not any(event["type"] == "TERMINATING" for event in self.events):
            self.add_event("TERMINATING", when, {"reason": reason or JOB_FINISHED})

    def describe(self, now: int) -> dict[str, Any]:
        """What clusters/get says."""
        seen = self.seen(now)
        state = self.state(now)
        body: dict[str, Any] = {
            **copy.deepcopy(self.spec),
            "cluster_id": self.cluster_id,
            "cluster_name": self.name,
            "spark_context_id": int(self.spark_context_id),
            "cluster_source": "JOB",
            "creator_user_name": "data-platform@example.com",
            "state": state,
            "state_message": "",
            "start_time": self.created,
        }
        if state == "TERMINATED":
            end = next(e for e in reversed(seen) if e["type"] == "TERMINATING")
            body["terminated_time"] = end["timestamp"]
            body["termination_reason"] = end["details"].get("reason") or JOB_FINISHED
            body["state_message"] = body["termination_reason"].get("code", "")
        return body
