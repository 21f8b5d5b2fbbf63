"""Notifications as a generic webhook destination gets them: one POST, basic auth, no retries, no signature.

A run's `webhook_notifications` decide which events are sent; where to is set for the whole sandbox.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.runs import GOOD, Run, TaskRun
from sandbox.script import WebhookMode
from sandbox.workspace import Workspace

TIMEOUT_SECONDS = 5.0
#: Id of the sandbox's own destination, as jobs name it in `webhook_notifications`.
DESTINATION = "sandbox-destination"


@dataclass
class Target:
    """Where notifications go. `mode` other than normal is done to all of them; `late_seconds` is how long (in
    real seconds) a late one waits, and at most an out-of-order one."""

    url: str
    user: str | None = None
    password: str | None = None
    mode: WebhookMode = "normal"
    late_seconds: float = 5.0


@dataclass
class Delivery:
    """One notification: when it was sent (epoch milliseconds), and how it went."""

    number: int
    at: int
    body: dict[str, Any]
    status: int | None = None
    error: str | None = None


class Webhooks:
    """Sends them, and keeps a list of what was sent."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.target: Target | None = None
        self.deliveries: list[Delivery] = []
        self._held: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._sending: set[asyncio.Task[None]] = set()
        #: One after the other, so that they arrive in the order in which they are sent.
        self._turn = asyncio.Lock()

    def run_started(self, run: Run) -> None:
        """A run or its repair has begun."""
        self._notify(run, run.settings, "on_start", self._event("jobs.on_start", run))

    def run_ended(self, run: Run) -> None:
        """A run or its repair has ended; SUCCESS_WITH_FAILURES counts as success."""
        result = run.ending.result_state if run.ending else ""
        unwanted = run.settings.get("notification_settings") or {}
        canceled = result == "CANCELED" and unwanted.get("no_alert_for_canceled_runs")
        not_run = run.life_cycle_state == "SKIPPED" and unwanted.get("no_alert_for_skipped_runs")
        if result in GOOD:
            self._notify(run, run.settings, "on_success", self._event("jobs.on_success", run))
        elif not canceled and not not_run:
            self._notify(run, run.settings, "on_failure", self._event("jobs.on_failure", run))

    def task_failed(self, run: Run, task_run: TaskRun) -> None:
        """A task has failed for good; told only where the task itself asks for it."""
        event = self._event("jobs.on_failure", run)
        event["task"] = {"task_key": task_run.task_key}
        event["run"] = {"run_id": str(task_run.run_id), "parent_run_id": str(run.run_id)}
        self._notify(run, task_run.task, "on_failure", event)

    def _event(self, kind: str, run: Run) -> dict[str, Any]:
        return {
            "event_type": kind,
            "workspace_id": self.workspace.workspace_id,
            "run": {"run_id": str(run.run_id)},
            "job": {"job_id": str(run.job_id or 0), "name": run.run_name},
        }

    def _notify(self, run: Run, settings: dict[str, Any], event: str, body: dict[str, Any]) -> None:
        asked = (settings.get("webhook_notifications") or {}).get(event)
        if self.target is None or not asked:
            return
        play = run.job.play if run.job else None
        mode = self.target.mode if self.target.mode != "normal" or not play else play.scenario.webhook
        later = self.workspace.timeline.now + round(self.target.late_seconds * 1000)
        if mode == "late":
            self.workspace.timeline.at(later, lambda: self._send(body))
        elif mode == "out_of_order":
            self._held.append(body)
            self.workspace.timeline.at(later, lambda: self._release(body))
        elif mode != "lost":
            self._send(body)
            if mode == "doubled":
                self._send(body)
        if mode != "out_of_order":
            for held in list(self._held):
                self._release(held)
        elif len(self._held) > 1:
            for held in reversed(list(self._held)):
                self._release(held)

    def _release(self, body: dict[str, Any]) -> None:
        """Send what was held back, once."""
        if any(held is body for held in self._held):
            self._held = [held for held in self._held if held is not body]
            self._send(body)

    def _send(self, body: dict[str, Any]) -> None:
        delivery = Delivery(next(self._numbers), self.workspace.timeline.now, body)
        self.deliveries.append(delivery)
        task = asyncio.get_running_loop().create_task(self._post(delivery))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _post(self, delivery: Delivery) -> None:
        target = self.target
        if target is None:
            return
        auth = httpx.BasicAuth(target.user, target.password or "") if target.user else None
        try:
            async with self._turn, httpx.AsyncClient(timeout=TIMEOUT_SECONDS, auth=auth) as client:
                answer = await client.post(target.url, json=delivery.body)
            delivery.status = answer.status_code
        except httpx.HTTPError as error:
            delivery.error = f"{type(error).__name__}: {error}"
