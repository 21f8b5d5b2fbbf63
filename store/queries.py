"""The read side of the API and the console. Every method raises StoreUnavailable when Postgres is away."""

from __future__ import annotations

from collections.abc import Collection

from core.incident import ApprovalStatus, Category, Reviewer, Status
from store.clock import Clock
from store.engine import Database
from store.views import ApprovalItem, Counts, Event, IncidentDetail, IncidentSummary, Page


class Queries:
    """Reads, each in a transaction of its own."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def incidents(
        self,
        *,
        status: Collection[Status] = (),
        open_only: bool = False,
        category: Category | None = None,
        job_id: int | None = None,
        text: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[IncidentSummary]:
        """Newest first. `text` is looked for in ids, job names, classes and summaries.

        Raises:
            InvalidInput: The cursor is none of ours.
        """
        raise NotImplementedError

    async def incident(self, incident_id: str) -> IncidentDetail:
        """Raises: NotFound."""
        raise NotImplementedError

    async def events(self, incident_id: str, *, after: int = 0, limit: int = 500) -> list[Event]:
        """The events of an incident with an id over `after`, oldest first. Raises: NotFound."""
        raise NotImplementedError

    async def approvals(
        self,
        *,
        status: Collection[ApprovalStatus] = (),
        reviewer: Reviewer | None = None,
        incident_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ApprovalItem]:
        """Newest first; with `reviewer`, only those that this person may decide."""
        raise NotImplementedError

    async def approval(self, approval_id: str) -> ApprovalItem:
        """Raises: NotFound."""
        raise NotImplementedError

    async def counts(self) -> Counts:
        """How many of everything there are."""
        raise NotImplementedError
