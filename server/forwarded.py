"""The identity that a proxy in front of us vouches for, as Databricks Apps forwards it.

Databricks Apps puts `X-Forwarded-Email`, `X-Forwarded-Preferred-Username` and `X-Forwarded-User` on each request
(its documentation, "HTTP headers passed to Databricks apps"). Anybody can send such headers, so they count only
when switched on and only from a peer inside `PITSTOP_TRUSTED_PROXIES`; from elsewhere they are ignored.
"""

from __future__ import annotations

import ipaddress

from starlette.requests import HTTPConnection

from core.errors import Forbidden
from core.roster import Person, Roster
from core.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: The first that is there names the person: an address is what policies and audits go by.
HEADERS = ("x-forwarded-email", "x-forwarded-preferred-username", "x-forwarded-user")


def forwarded_person(request: HTTPConnection, settings: Settings, roster: Roster) -> Person | None:
    """Who the proxy says is calling; None where it says nothing, or is not one that we trust.

    Raises:
        Forbidden: The proxy vouches for somebody whom no list of people names, or passes on more than one identity.
    """
    if not settings.forwarded_identity or not from_trusted_proxy(request, settings):
        return None
    name = next((value for header in HEADERS if (value := _only(request, header))), "")
    if not name:
        return None
    person = roster.person(name)
    if person is None:
        raise Forbidden(
            f"{name} has no role in Pitstop.",
            hint="Ask for a place in PITSTOP_VIEWERS, PITSTOP_APPROVERS or PITSTOP_ADMINS.",
        )
    return person


def _only(request: HTTPConnection, header: str) -> str:
    """The header's one value. A proxy that appends to what the caller sent would let the caller be anybody.

    Raises:
        Forbidden: There are several.
    """
    values = [value.strip() for line in request.headers.getlist(header) for value in line.split(",")]
    if len(values) > 1:
        raise Forbidden(
            "The proxy passes on more than one identity.",
            hint="Have it replace the identity headers that a request comes with.",
        )
    return values[0] if values else ""


def from_trusted_proxy(request: HTTPConnection, settings: Settings) -> bool:
    """Whether the peer of this very connection is one of the trusted proxies."""
    peer = _address(request.client.host) if request.client else None
    return peer is not None and _trusted(peer, settings)


def client_network(request: HTTPConnection, settings: Settings) -> str:
    """Where a request comes from: the peer, or behind trusted proxies whom the last of them speaks for.

    What was in `X-Forwarded-For` before the first trusted proxy wrote to it is the caller's own word, and is not
    read. An IPv6 address stands for its /64, which one subscriber has whole. Empty where nothing is known.
    """
    found = _address(request.client.host) if request.client else None
    said = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while found is not None and _trusted(found, settings) and said:
        before = _address(said.pop().strip())
        if before is None:
            break
        found = before
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found or "")


def _trusted(peer: Address, settings: Settings) -> bool:
    return any(peer in network for network in settings.trusted_proxies)


def _address(text: str) -> Address | None:
    """An address; an IPv4 one that is written as IPv6 is the IPv4 one. None for what is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
