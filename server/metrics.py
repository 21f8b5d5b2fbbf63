"""What Prometheus scrapes: counts that live in the database are read when asked, the rest is counted here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import func, select

from store.engine import Database
from store.models import ClaimModel
from store.views import Counts


class Metrics:
    """One registry of its own: a second app in the same process does not meet the first one's numbers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = self._counter(
            "pitstop_webhooks", "Webhooks received, by what became of them.", "result"
        )
        self.decisions = self._counter(
            "pitstop_decisions",
            "Decisions taken through this process, by kind and channel.",
            "kind",
            "channel",
        )
        self.requests = Histogram(
            "pitstop_request_seconds",
            "Time to answer, by route.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._incidents = self._gauge("pitstop_incidents", "Incidents, by status.", "status")
        self._open = self._gauge("pitstop_incidents_open", "Open incidents, by category.", "category")
        self._actions = self._gauge(
            "pitstop_actions", "Steps sent to the workspace, by call and outcome.", "call", "status"
        )
        self._queue = self._gauge(
            "pitstop_queue_jobs", "Jobs in the queue, by task and status.", "task", "status"
        )
        self._single = {
            name: self._gauge(f"pitstop_{name}", text)
            for name, text in {
                "approvals_pending": "Approvals waiting for a person.",
                "oldest_pending_seconds": "Age of the oldest approval that waits.",
                "outbox_pending": "Messages not sent yet.",
                "outbox_failed": "Messages given up.",
                "signals_open": "Signals not read yet.",
                "claims_unsettled": "Steps of which it is not known whether they took effect.",
                "model_usd_today": "Spent on language models today, in US dollars.",
            }.items()
        }

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def render(
        self,
        counts: Counts,
        jobs: Iterable[Mapping[str, object]],
        actions: Iterable[tuple[str, str, int]],
    ) -> bytes:
        """The exposition text.

        `jobs` are rows of `task`, `status`, `count`; `actions` of call, status, count.
        """
        for gauge in (self._incidents, self._open, self._queue, self._actions):
            gauge.clear()
        for status, count in counts.by_status.items():
            self._incidents.labels(status).set(count)
        for category, count in counts.open_by_category.items():
            self._open.labels(category or "unknown").set(count)
        for row in jobs:
            self._queue.labels(row["task"], row["status"]).set(float(str(row["count"])))
        for call, status, count in actions:
            self._actions.labels(call, status).set(count)
        for name, gauge in self._single.items():
            gauge.set(getattr(counts, name))
        return generate_latest(self.registry)


async def action_counts(db: Database) -> list[tuple[str, str, int]]:
    """Steps sent to the workspace, as call, status, count. Raises: StoreUnavailable."""
    statement = select(ClaimModel.call, ClaimModel.status, func.count()).group_by(
        ClaimModel.call, ClaimModel.status
    )
    async with db.transaction() as session:
        return [(call, status, count) for call, status, count in await session.execute(statement)]
