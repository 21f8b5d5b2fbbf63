"""Which role somebody has whom another service vouches for: an OIDC provider, or the proxy in front of us."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from core.settings import Settings

Role = Literal["viewer", "approver", "admin"]
#: In a list of people: whoever is vouched for.
EVERYBODY = "*"


def role_of(settings: Settings, name: str, groups: Iterable[str] = ()) -> Role | None:
    """The highest role whose list names this person or one of their groups; None: they may not come in.

    Compared without case. Which approvals an approver may decide is the policy's to say, not this list's.
    """
    known = {name.casefold(), EVERYBODY, *(group.casefold() for group in groups)}
    lists: tuple[tuple[Role, list[str]], ...] = (
        ("admin", settings.admins),
        ("approver", settings.approvers),
        ("viewer", settings.viewers),
    )
    for role, people in lists:
        if known & {person.casefold() for person in people}:
            return role
    return None
