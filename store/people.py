"""Who somebody is that did not sign in with a token: a mailbox, a user of a chat, a name that is delegated to.

A person's tokens say the role; somebody without any is an approver where the policy names them, and nobody
elsewhere. So taking a token away, or making it a viewer's, closes every door at once.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.incident import Reviewer
from store.clock import Clock
from store.engine import Database
from store.models import ROLES, TokenModel

Role = Literal["viewer", "approver", "admin"]


def listed(name: str, names: Collection[object]) -> bool:
    """Whether `name` is among `names`, compared without case and outer blanks."""
    return name.strip().casefold() in {str(other).strip().casefold() for other in names}


async def role_of(session: AsyncSession, name: str, named: Collection[object], at: datetime) -> Role | None:
    """The role of `name`: the highest of the tokens that are good at `at`, else approver if among `named`."""
    held = await session.scalars(
        select(TokenModel.role).where(
            func.lower(func.btrim(TokenModel.name)) == name.strip().lower(),
            TokenModel.revoked_at.is_(None),
            or_(TokenModel.expires_at.is_(None), TokenModel.expires_at > at),
        )
    )
    roles = list(held)
    if roles:
        return cast("Role", max(roles, key=ROLES.index))
    return "approver" if listed(name, named) else None


class People:
    """Looks people up."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def reviewer(self, name: str, named: Collection[object], channel: str) -> Reviewer | None:
        """`name` as a reviewer who comes through `channel`; None for somebody nobody knows.

        Args:
            name: As tokens and the policy write it; with e-mail, the address.
            named: Those whom the policy names as approvers of what is at hand.
            channel: How the audit trail names the door.
        """
        async with self._db.transaction() as session:
            role = await role_of(session, name, named, self._clock.now())
        return Reviewer(name=name.strip(), role=role, channel=channel) if role else None
