"""The people whom the settings give a role: those who sign in by OpenID Connect or come through a trusted proxy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.settings import Settings

Role = Literal["viewer", "approver", "admin"]
#: In a list of people: whoever is vouched for.
EVERYBODY = "*"


@dataclass(frozen=True)
class Person:
    """Somebody whom another service vouches for; `entry` is what gave them the role: their name, or a group."""

    name: str
    role: Role
    entry: str


@dataclass(frozen=True)
class Roster:
    """Names and groups by role; compared without case.

    Which approvals an approver may decide is the policy's to say, not this list's.
    """

    admins: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()

    def person(self, name: str, groups: Iterable[str] = ()) -> Person | None:
        """Somebody who is vouched for, with the highest role that names them; None: they may not come in."""
        known = {_folded(one) for one in (name, EVERYBODY, *groups)}
        for role, people in self._lists():
            for entry in people:
                if _folded(entry) in known:
                    return Person(name, role, entry)
        return None

    def role_of(self, entry: str) -> Role | None:
        """The highest role that names this very entry: a person, a group, or `EVERYBODY`."""
        wanted = _folded(entry)
        return next((role for role, people in self._lists() if wanted in map(_folded, people)), None)

    def named(self) -> list[str]:
        """Everybody and every group that the lists of admins and approvers name, but for `EVERYBODY`."""
        return [entry for entry in (*self.admins, *self.approvers) if entry != EVERYBODY]

    def _lists(self) -> tuple[tuple[Role, tuple[str, ...]], ...]:
        return ("admin", self.admins), ("approver", self.approvers), ("viewer", self.viewers)


def roster_of(settings: Settings) -> Roster:
    """The roster of the settings; empty where nobody can come in by it."""
    if not (settings.oidc_issuer or settings.forwarded_identity):
        return Roster()
    return Roster(tuple(settings.admins), tuple(settings.approvers), tuple(settings.viewers))


def _folded(name: str) -> str:
    return name.strip().casefold()
