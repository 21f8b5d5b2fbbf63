"""The identity that a proxy in front of us vouches for, as Databricks Apps forwards it.

Databricks Apps puts `X-Forwarded-Email`, `X-Forwarded-Preferred-Username` and `X-Forwarded-User` on each request
(its documentation, "HTTP headers passed to Databricks apps"). Anybody can send such headers, so they count only
when switched on and only from a peer inside `PITSTOP_TRUSTED_PROXIES`; from elsewhere they are ignored.
"""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection

from core.errors import Forbidden
from core.incident import Reviewer
from core.settings import Settings
from server.people import role_of

#: The first that is there names the person: an address is what policies and audits go by.
HEADERS = ("x-forwarded-email", "x-forwarded-preferred-username", "x-forwarded-user")


def forwarded_reviewer(request: HTTPConnection, settings: Settings, channel: str) -> Reviewer | None:
    """Who the proxy says is calling; None where it says nothing, or is not one that we trust.

    Raises:
        Forbidden: The proxy vouches for somebody whom no list of people names.
    """
    if not settings.forwarded_identity or not from_trusted_proxy(request, settings):
        return None
    name = next((value for header in HEADERS if (value := request.headers.get(header, "").strip())), "")
    if not name:
        return None
    role = role_of(settings, name)
    if role is None:
        raise Forbidden(
            f"{name} has no role in Pitstop.",
            hint="Ask for a place in PITSTOP_VIEWERS, PITSTOP_APPROVERS or PITSTOP_ADMINS.",
        )
    return Reviewer(name=name, role=role, channel=channel)


def from_trusted_proxy(request: HTTPConnection, settings: Settings) -> bool:
    """Whether the peer of this very connection is one of the trusted proxies."""
    if request.client is None:
        return False
    try:
        peer = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return any(peer in network for network in settings.trusted_proxies)
