"""API tokens: shown once, kept as a hash, revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from store.clock import Clock
from store.engine import Database
from store.models import ROLES, TokenModel, new_id
from store.views import Token

PREFIX = "pit_"
#: What the ids of console sessions begin with: each is a row of its own, and ends with its person's token.
SESSIONS = "tok_ses_"
#: A token's last use is written down at most this often.
USE_RESOLUTION = timedelta(minutes=1)
_HINT = "Make a new one with `pitstop tokens create`."


class Tokens:
    """Makes, checks and revokes tokens."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create(
        self,
        name: str,
        role: Literal["viewer", "approver", "admin"],
        *,
        ttl_seconds: float | None = None,
        by: str | None = None,
        token_id: str | None = None,
        prefix: str = PREFIX,
    ) -> tuple[str, Token]:
        """A new token for `name`, in clear for the only time, and its row.

        Args:
            token_id: The row's id where the caller gives it, so that the same thing makes one token only.
            prefix: What the secret begins with.

        Raises:
            InvalidInput: There is no name, or no such role.
            Conflict: A token of this id was made before.
        """
        if not name.strip():
            raise InvalidInput("A token needs the name of the person or program that it speaks for.")
        if role not in ROLES:
            raise InvalidInput(f"A token's role is one of {', '.join(ROLES)}, not {role!r}.")
        secret = prefix + secrets.token_urlsafe(32)
        now = self._clock.now()
        row = TokenModel(
            id=token_id or new_id("tok"),
            name=name.strip(),
            role=role,
            sha256=_sha256(secret),
            created_at=now,
            created_by=by,
            expires_at=None if ttl_seconds is None else now + timedelta(seconds=ttl_seconds),
        )
        try:
            async with self._db.transaction() as session:
                session.add(row)
        except IntegrityError as error:
            raise Conflict(f"There is a token {row.id} already.") from error
        return secret, _view(row)

    async def verify(self, secret: str, *, idle_seconds: float | None = None, prefix: str = PREFIX) -> Token:
        """Who holds this token.

        Args:
            idle_seconds: How long it may have lain unused.
            prefix: What it has to begin with: a session's secret is no API token, nor the other way round.

        Raises:
            Unauthenticated: Nobody does, or it has expired, lay unused too long, or was revoked.
        """
        if not secret.startswith(prefix):
            raise Unauthenticated("The token is not known.", hint=_HINT)
        now = self._clock.now()
        async with self._db.transaction() as session:
            row = await session.scalar(select(TokenModel).where(TokenModel.sha256 == _sha256(secret)))
            if row is None:
                raise Unauthenticated("The token is not known.", hint=_HINT)
            if row.revoked_at is not None:
                raise Unauthenticated("The token was revoked.", hint=_HINT)
            if row.expires_at is not None and row.expires_at <= now:
                raise Unauthenticated("The token has expired.", hint=_HINT)
            used = row.last_used_at or row.created_at
            if idle_seconds is not None and used <= now - timedelta(seconds=idle_seconds):
                raise Unauthenticated("The token was not used for too long.", hint=_HINT)
            stale = or_(TokenModel.last_used_at.is_(None), TokenModel.last_used_at <= now - USE_RESOLUTION)
            if row.last_used_at is None or row.last_used_at <= now - USE_RESOLUTION:
                await session.execute(
                    update(TokenModel).where(TokenModel.id == row.id, stale).values(last_used_at=now)
                )
            return _view(row)

    async def revoke(self, token_id: str) -> Token:
        """Make a token worthless, and every session of its person; doing it again changes nothing.

        Raises:
            NotFound: There is no such token.
        """
        async with self._db.transaction() as session:
            row = await session.get(TokenModel, token_id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no token {token_id}.")
            row.revoked_at = row.revoked_at or self._clock.now()
            if not row.id.startswith(SESSIONS):
                await _end_sessions(session, row.name, self._clock.now())
        return _view(row)

    async def end_sessions(self, name: str) -> int:
        """End every console session of this person; how many it were."""
        async with self._db.transaction() as session:
            return await _end_sessions(session, name, self._clock.now())

    async def standing(self, token_id: str) -> Token | None:
        """This token, if it is good now."""
        now = self._clock.now()
        async with self._db.transaction() as session:
            row = await session.get(TokenModel, token_id)
        if (
            row is None
            or row.revoked_at is not None
            or (row.expires_at is not None and row.expires_at <= now)
        ):
            return None
        return _view(row)

    async def all(self) -> list[Token]:
        """Every token, newest first, without secrets."""
        statement = select(TokenModel).order_by(TokenModel.created_at.desc(), TokenModel.id)
        async with self._db.transaction() as session:
            return [_view(row) for row in await session.scalars(statement)]


async def _end_sessions(session: AsyncSession, name: str, at: datetime) -> int:
    ended = (
        update(TokenModel)
        .where(
            func.lower(func.btrim(TokenModel.name)) == name.strip().lower(),
            TokenModel.id.startswith(SESSIONS, autoescape=True),
            TokenModel.revoked_at.is_(None),
        )
        .values(revoked_at=at)
        .returning(TokenModel.id)
        .execution_options(synchronize_session=False)
    )
    return len(list(await session.scalars(ended)))


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _view(row: TokenModel) -> Token:
    return Token.model_validate(row, from_attributes=True)
