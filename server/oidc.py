"""Signing in by OpenID Connect: authorization code with PKCE, state and nonce, by authlib."""

from __future__ import annotations

from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from core.errors import Forbidden, Unauthenticated
from core.roster import Person, Roster
from core.settings import Settings

CALLBACK = "/console/oidc/callback"
#: How long somebody may take at the provider, in seconds.
PATIENCE = 600
_HINT = "Sign in again; if it goes on like this, ask whoever runs Pitstop to look at its log."


class Provider:
    """One OIDC provider.

    Args:
        settings: Name the issuer and the client.
        roster: Who may come in.
    """

    def __init__(self, settings: Settings, roster: Roster) -> None:
        self._settings = settings
        self._roster = roster
        secret = settings.oidc_client_secret
        self._client: Any = OAuth().register(
            "provider",
            client_id=settings.oidc_client_id,
            client_secret=secret.get_secret_value() if secret else None,
            server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.oidc_scopes,
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_basic" if secret else "none",
                "timeout": 10,
            },
        )

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider; state, nonce and verifier stay in its short-lived cookie.

        Raises:
            Unauthenticated: The provider can't be reached.
        """
        try:
            return await self._client.authorize_redirect(request, self._callback(request))
        except (httpx2.HTTPError, AuthlibBaseError, ValueError, KeyError) as error:
            raise Unauthenticated("The sign-in provider does not answer.", hint=_HINT) from error

    async def finish(self, request: Request) -> Person:
        """Who came back from the provider.

        Raises:
            Unauthenticated: The answer is not to a question of this browser, or the provider refused.
            Forbidden: The provider knows them, but no list of people names them.
        """
        try:
            token = await self._client.authorize_access_token(request)
        except (httpx2.HTTPError, AuthlibBaseError, JoseError, ValueError, KeyError) as error:
            raise Unauthenticated("The sign-in provider's answer was not accepted.", hint=_HINT) from error
        claims = token.get("userinfo")
        if not isinstance(claims, dict):
            raise Unauthenticated("The sign-in provider sent no identity.", hint=_HINT)
        return self._person(claims)

    def _person(self, claims: dict[str, Any]) -> Person:
        claim = self._settings.oidc_name_claim
        name = claims.get(claim)
        if not isinstance(name, str) or not name.strip():
            raise Unauthenticated(
                f"The sign-in provider sent no claim {claim!r}.",
                hint="Set PITSTOP_OIDC_NAME_CLAIM or PITSTOP_OIDC_SCOPES.",
            )
        if claim == "email" and claims.get("email_verified", True) not in (True, "true"):
            # Else anybody could write an approver's address into a profile of their own. Some providers say it as text.
            raise Forbidden("The sign-in provider has not verified this e-mail address.")
        groups = claims.get(self._settings.oidc_groups_claim)
        listed = [str(group) for group in groups] if isinstance(groups, list) else []
        person = self._roster.person(name.strip(), listed)
        if person is None:
            raise Forbidden(
                f"{name.strip()} has no role in Pitstop.",
                hint="Ask for a place in PITSTOP_VIEWERS, PITSTOP_APPROVERS or PITSTOP_ADMINS.",
            )
        return person

    def _callback(self, request: Request) -> str:
        base = self._settings.public_url or str(request.base_url).rstrip("/")
        return f"{base}{CALLBACK}"
