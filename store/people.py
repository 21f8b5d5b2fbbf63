"""Who somebody is that did not sign in with a token: a mailbox, a user of a chat, a name that is delegated to.

A person's tokens and the lists of the settings that name them (`core.roster`) say the role; somebody in none of them is
an approver where the policy names them, and nobody elsewhere. So taking a token or a place in a list away, or making it a
viewer's, closes every door at once. A session is no more than what opened it, and takes nothing away: who may look at
the console by a group stays the approver whom the policy names.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal, cast, get_args

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.incident import Reviewer
from core.roster import Role, Roster
from store.clock import Clock
from store.engine import Database
from store.models import ROLES, TokenModel
from store.tokens import SESSIONS

Way = Literal["oidc", "proxy"]
_WAYS = get_args(Way)


def listed(name: str, names: Collection[object]) -> bool:
    """Whether `name` is among `names`, compared without case and outer blanks."""
    return name.strip().casefold() in {str(other).strip().casefold() for other in names}


async def role_of(
    session: AsyncSession, name: str, named: Collection[object], at: datetime, roster: Roster = Roster()
) -> Role | None:
    """The role of `name`: the highest that tokens good at `at`, sessions, and `roster` give.

    Among `named`, who has neither token nor place in a list is an approver at least.
    """
    held = await session.execute(
        select(TokenModel.id, TokenModel.role, TokenModel.created_by).where(
            func.lower(func.btrim(TokenModel.name)) == name.strip().lower(),
            TokenModel.revoked_at.is_(None),
            or_(TokenModel.expires_at.is_(None), TokenModel.expires_at > at),
        )
    )
    given, visiting = [], []
    for token_id, role, by in held:
        if not token_id.startswith(SESSIONS):
            given.append(role)
        elif still_vouched(role, by, roster):
            visiting.append(role)
    if listing := roster.role_of(name):
        given.append(listing)
    if not given and listed(name, named):
        given.append("approver")
    return cast("Role | None", max([*given, *visiting], key=ROLES.index, default=None))


def vouched_by(way: Way, entry: str) -> str:
    """How a session says who vouched for its person, and which entry of the roster gave the role."""
    return f"{way} {entry}"


def still_vouched(role: str, by: str | None, roster: Roster) -> bool:
    """Whether the entry that gave a session its role still gives it; True for what was opened otherwise."""
    way, _, entry = (by or "").partition(" ")
    return way not in _WAYS or roster.role_of(entry) == role


class People:
    """Looks people up.

    Args:
        roster: Whom the settings give a role.
        everywhere: Everyone whom the policy names as an approver of anything, or as the next to be asked.
    """

    def __init__(self, db: Database, clock: Clock, roster: Roster, everywhere: Collection[str] = ()) -> None:
        self._db = db
        self._clock = clock
        self._roster = roster
        self._everywhere = everywhere

    async def reviewer(self, name: str, named: Collection[object], channel: str) -> Reviewer | None:
        """`name` as a reviewer who comes through `channel`; None for somebody nobody knows.

        Args:
            name: As tokens and the policy write it; with e-mail, the address.
            named: Those who are named as approvers of what is at hand; empty: whoever is named anywhere.
            channel: How the audit trail names the door.
        """
        async with self._db.transaction() as session:
            role = await role_of(session, name, named or self._everywhere, self._clock.now(), self._roster)
        return Reviewer(name=name.strip(), role=role, channel=channel) if role else None
