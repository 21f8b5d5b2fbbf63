"""The user that Postgres runs as: it refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigurationError

#: Tried in order when Pitstop itself runs as root; none is ever added to the machine.
UNPRIVILEGED = ("nobody", "postgres", "daemon")


@dataclass(frozen=True)
class Account:
    """An existing user of this machine."""

    name: str
    uid: int
    gid: int

    @property
    def is_self(self) -> bool:
        """Whether Pitstop runs as this user already."""
        return self.uid == os.geteuid()

    def run(self, command: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run `command` as this user in a session of its own, with an environment that says nothing of ours.

        Raises:
            OSError: The program can't be reached or executed by this user.
            subprocess.TimeoutExpired: It took longer than `timeout` seconds.
        """
        switch: dict[str, Any] = {}
        if not self.is_self:
            switch = {"user": self.uid, "group": self.gid, "extra_groups": []}
        return subprocess.run(
            [str(part) for part in command],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            start_new_session=True,
            **switch,
        )

    def can_execute(self, program: Path) -> bool:
        """Whether this user can really start `program`: asked of the kernel, not guessed from modes."""
        try:
            return self.run([str(program), "--version"], timeout=30).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def can_reach(self, folder: Path) -> bool:
        """Whether this user can enter `folder`."""
        return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)], timeout=30).returncode == 0

    def own(self, folder: Path) -> None:
        """Make `folder`, for this user alone, unless it is there already."""
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)
            if not self.is_self:
                os.chown(folder, self.uid, self.gid)


def account_for(existing: Path | None = None) -> Account:
    """The user to run Postgres as: the owner of the `existing` data, else oneself, else an unprivileged one.

    Raises:
        ConfigurationError: The data belongs to somebody else, or root finds no unprivileged user.
    """
    me = os.geteuid()
    owner = existing.stat().st_uid if existing is not None and existing.exists() else None
    if me != 0:
        if owner not in (None, me):
            raise ConfigurationError(
                f"The database in {existing} belongs to another user (uid {owner}).",
                hint="Run Pitstop as that user, or set PITSTOP_DATA_DIR to a folder of your own.",
            )
        entry = pwd.getpwuid(me) if _known(me) else None
        return Account(entry.pw_name if entry else str(me), me, os.getegid())
    if owner not in (None, 0):
        gid = existing.stat().st_gid if existing else owner
        return Account(pwd.getpwuid(owner).pw_name if _known(owner) else str(owner), owner, gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        f"Postgres does not run as root, and none of the users {', '.join(UNPRIVILEGED)} exists here.",
        hint="Run Pitstop as an ordinary user, or set DATABASE_URL to a server of yours.",
    )


def _known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
