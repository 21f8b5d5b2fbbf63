"""Links in messages: who was given one, and whether it has decided. A look at it changes nothing here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict, NotFound
from core.incident import Reviewer
from store.approvals import iso
from store.clock import Clock
from store.engine import Database
from store.models import ReviewLinkModel
from store.views import ReviewLink


async def use(session: AsyncSession, link_id: str, about: str, reviewer: Reviewer, at: datetime) -> None:
    """Consume a link to `about` (an approval or a group), in the transaction of the decision that it makes.

    Raises:
        NotFound: No such link of this reviewer to this question.
        Conflict: It was used.
    """
    row = await session.scalar(select(ReviewLinkModel).where(ReviewLinkModel.id == link_id).with_for_update())
    if row is None or about not in (row.approval_id, row.group_id) or row.reviewer != reviewer.name:
        raise NotFound("This link is not for this proposal.", hint="Open the newest message.")
    if row.used_at is not None:
        raise Conflict(f"This link was used at {iso(row.used_at)}; it decides once.")
    row.used_at = at


class ReviewLinks:
    """Makes and finds links' rows."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def make(
        self,
        link_id: str,
        reviewer: str,
        *,
        approval_id: str | None = None,
        group_id: str | None = None,
        sha256: str | None = None,
        members: Sequence[str] | None = None,
    ) -> ReviewLink:
        """The row of this id, made unless it is there: a message that is sent again carries the same link.

        Either `approval_id`, or `group_id` with its hash and the approvals that wait in it.
        """
        about = {"approval_id": approval_id, "group_id": group_id, "sha256": sha256, "members": members}
        async with self._db.transaction() as session:
            await session.execute(
                insert(ReviewLinkModel)
                .values(id=link_id, reviewer=reviewer, created_at=self._clock.now(), **about)
                .on_conflict_do_nothing(index_elements=["id"])
            )
        return await self.get(link_id)

    async def get(self, link_id: str) -> ReviewLink:
        """One link. Raises: NotFound."""
        async with self._db.transaction() as session:
            row = await session.get(ReviewLinkModel, link_id)
        if row is None:
            raise NotFound("There is no such link.")
        return ReviewLink.model_validate(row, from_attributes=True)
