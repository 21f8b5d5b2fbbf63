"""Signing in to the console: sessions that end when told, forms that nobody else can send, links that work once.

A session is an API token of its own with a short life: its secret is in the cookie, its hash in the database, so
signing out ends it for good. A sign-in link carries a signed code; redeeming it inserts the session under the
code's own number, which happens once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from itsdangerous import BadSignature, Signer, URLSafeTimedSerializer

from core.errors import ConfigurationError, Conflict, Forbidden, Unauthenticated
from core.incident import Reviewer
from core.roster import Person, Role
from core.settings import Settings
from store.people import still_vouched, vouched_by
from store.tokens import SESSIONS
from store.views import Token
from wiring.runtime import Runtime

COOKIE = "pitstop_session"
#: The same over https: a browser takes it from this very host alone, so a neighbour can't plant one.
HOST_COOKIE = f"__Host-{COOKIE}"
SESSION_SECONDS = 12 * 3600.0
CODE_SECONDS = 15 * 60
KEY_FILE = "session.key"
_SESSION = "ses_"
_VISITOR = "vis_"
#: How a session says which token opened it.
_PARENT = "token "


@dataclass(frozen=True)
class Visitor:
    """Who sent a request to the console; `reviewer` is None before signing in."""

    secret: str
    reviewer: Reviewer | None = None
    token_id: str = ""


@dataclass(frozen=True)
class Opened:
    """A session that was opened just now: its secret, and whose it is."""

    secret: str
    name: str


def signing_key(settings: Settings) -> bytes:
    """The key that signs cookies and links: the setting, else one made once in the data folder.

    Raises:
        ConfigurationError: The data folder can't be written.
    """
    if settings.session_secret is not None:
        return settings.session_secret.get_secret_value().encode()
    path = settings.data_dir / KEY_FILE
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return _stored_key(path)
    except OSError as error:
        raise ConfigurationError(
            f"PITSTOP_SESSION_SECRET is not set, and {path} can't be used: {error.strerror}."
        ) from error


def _stored_key(path: Path) -> bytes:
    # Written whole and linked into place, so that two processes starting at once agree on one key.
    fresh = path.with_name(f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48), encoding="ascii")
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text(encoding="ascii").strip().encode()


def sign_in_link(settings: Settings, opener: Token | Person, base_url: str) -> str:
    """An address that signs somebody in once, within 15 minutes. Whoever holds it is let in: don't log it.

    Args:
        opener: What they showed when they asked for it; the link is worth nothing without it.
        base_url: Where the console is.
    """
    by = _PARENT + opener.id if isinstance(opener, Token) else vouched_by("proxy", opener.entry)
    known = {"name": opener.name, "role": opener.role, "by": by, "id": secrets.token_hex(12)}
    code = _codes(signing_key(settings)).dumps(known)
    return f"{base_url.rstrip('/')}/console/sign-in?{urlencode({'code': code})}"


def _codes(key: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        key, salt="pitstop sign-in", signer_kwargs={"digest_method": hashlib.sha256}
    )


class Sessions:
    """Opens, checks and ends sessions.

    Args:
        key: Signs cookies, forms and codes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._signer = Signer(key, salt="pitstop session", digest_method=hashlib.sha256)

    async def visitor(self, runtime: Runtime, cookie: str | None) -> Visitor:
        """Who holds this cookie; a new visitor where it is missing, forged, expired or ended."""
        try:
            secret = self._signer.unsign(cookie or "").decode()
        except (BadSignature, UnicodeDecodeError):
            return new_visitor()
        if not secret.startswith(_SESSION):
            return Visitor(secret)
        try:
            token = await runtime.tokens.verify(
                secret, idle_seconds=runtime.settings.session_idle_seconds, prefix=_SESSION
            )
        except Unauthenticated:
            return new_visitor()
        if not await _backing(runtime, token.role, token.created_by or ""):
            return new_visitor()
        return Visitor(secret, Reviewer(name=token.name, role=token.role, channel="console"), token.id)

    def forwarded(self, person: Person) -> Visitor:
        """A visitor whom the proxy in front of us vouches for on each request: no cookie, no session."""
        return Visitor(f"fwd_{person.name}", Reviewer(name=person.name, role=person.role, channel="console"))

    def cookie(self, secret: str) -> str:
        """The cookie's value for a visitor or a session."""
        return self._signer.sign(secret).decode()

    def csrf(self, secret: str) -> str:
        """What every form of this visitor carries."""
        return hmac.new(self._key, f"csrf {secret}".encode(), hashlib.sha256).hexdigest()

    def check_csrf(self, secret: str, given: str) -> None:
        """Raises: Forbidden: the form was not made for this visitor."""
        if not hmac.compare_digest(self.csrf(secret).encode(), given.encode(errors="replace")):
            raise Forbidden(
                "This form is too old, or was not made here.", hint="Go back, reload, and send it again."
            )

    async def open(self, runtime: Runtime, token: Token) -> Opened:
        """A session for whoever holds `token`. It ends with the token at the latest.

        Raises:
            Unauthenticated: The token was revoked just now.
        """
        return await _open(runtime, secrets.token_hex(12), token.name, token.role, _PARENT + token.id)

    async def open_for(self, runtime: Runtime, person: Person, answer: str) -> Opened:
        """A session for whom an OIDC provider vouches.

        Args:
            answer: What identifies the provider's answer; it opens one session.

        Raises:
            Unauthenticated: It has opened one already.
        """
        number = hashlib.sha256(answer.encode(errors="replace")).hexdigest()[:24]
        by = vouched_by("oidc", person.entry)
        try:
            return await _open(runtime, number, person.name, person.role, by)
        except Conflict as error:
            raise Unauthenticated("This sign-in was used already.", hint="Sign in again.") from error

    async def end_all(self, runtime: Runtime, name: str) -> int:
        """End every session of this person, on whatever machine; how many it were."""
        return await runtime.tokens.end_sessions(name)

    async def redeem(self, runtime: Runtime, code: str) -> Opened:
        """A session for a sign-in link's code.

        Raises:
            Unauthenticated: The code is not ours, too old, or was used, or what it was made with has ended.
        """
        hint = "Ask for a new link, or sign in with an API token."
        try:
            known = cast("dict[str, Any]", _codes(self._key).loads(code, max_age=CODE_SECONDS))
        except BadSignature as error:  # also the expired kind
            raise Unauthenticated("This sign-in link is not valid any more.", hint=hint) from error
        try:
            return await _open(runtime, known["id"], known["name"], known["role"], str(known.get("by")))
        except Conflict as error:
            raise Unauthenticated("This sign-in link was used already.", hint=hint) from error


def new_visitor() -> Visitor:
    """Somebody not known yet."""
    return Visitor(_VISITOR + secrets.token_urlsafe(24))


async def _backing(runtime: Runtime, role: str, by: str) -> float:
    """For how many seconds at most what opened a session (`by`) stands for this role; 0: it does not any more."""
    if by.startswith(_PARENT):
        parent = await runtime.tokens.standing(by.removeprefix(_PARENT))
        if parent is None or parent.role != role:
            return 0.0
        if parent.expires_at is None:
            return SESSION_SECONDS
        return min(SESSION_SECONDS, (parent.expires_at - runtime.clock.now()).total_seconds())
    return SESSION_SECONDS if still_vouched(role, by, runtime.roster) else 0.0


async def _open(runtime: Runtime, number: str, name: str, role: Role, by: str) -> Opened:
    """Raises: Unauthenticated: what opens it has ended; Conflict: a session of this number was opened before."""
    seconds = await _backing(runtime, role, by)
    if seconds <= 0:
        raise Unauthenticated("What this was made with has ended.", hint="Sign in with an API token.")
    secret, _ = await runtime.tokens.create(
        name, role, ttl_seconds=seconds, by=by, token_id=SESSIONS + number, prefix=_SESSION
    )
    return Opened(secret, name)
