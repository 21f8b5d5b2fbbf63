"""Asks Unity Catalog whether what an error names exists, and what is called much like it.

Names come from logs, so they are data: only what is a plain identifier, of at most three parts, is put into an address.
"No" and "not allowed" are answers. See the Unity Catalog REST API 2.1 (catalogs, schemas, tables).
"""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Sequence
from typing import Any

from core.errors import WorkspaceError, WorkspaceRefused
from tools.databricks.connection import Connection
from tools.databricks.refusal import Absent
from tools.lookup import Found, Wanted

API = "/api/2.1/unity-catalog"
#: One look-up may take so long, in seconds, and so many calls.
PATIENCE = 10.0
MAX_CALLS = 8
#: Names that one list may hold, and how many are on a page.
MAX_NAMES, PAGE = 2000, 500
MAX_ALIKE = 3
#: How alike two names must be (difflib's ratio, 0..1).
_ALIKE = 0.7
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
#: Of a column, so many tables are looked into.
_MAX_TABLES = 2


def parts_of(name: str) -> list[str]:
    """The parts of a qualified name, backticks removed; empty when it is no plain name of one to three parts."""
    parts = [part.strip().strip("`\"'") for part in name.strip().split(".")]
    plain = 1 <= len(parts) <= 3 and all(_PART.fullmatch(part) for part in parts)
    return parts if plain else []


class UnityCatalog:
    """Look-ups in the workspace's metastore, as far as the connection's owner may look."""

    def __init__(self, connection: Connection, *, patience: float = PATIENCE) -> None:
        self._connection = connection
        self._patience = patience

    async def look_up(self, wanted: Wanted) -> Found:
        """What is there of it; never raises for what the workspace says or fails to say."""
        search = _Search(self._connection)
        try:
            async with asyncio.timeout(self._patience):
                await search.run(wanted)
        except TimeoutError:
            search.found.missing.append(f"Unity Catalog did not answer within {self._patience:g} seconds")
        except WorkspaceError as error:
            search.found.missing.append(f"Unity Catalog: {error.message}")
        return search.found


class _Search:
    """One look-up, with its calls counted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._calls = 0
        self.found = Found()

    async def run(self, wanted: Wanted) -> None:
        if wanted.kind == "column":
            await self._column(wanted)
            return
        parts = parts_of(wanted.name)
        if not parts:
            return
        if wanted.kind == "schema":
            await self._schema(parts[:2])
        else:
            await self._table(parts)

    async def _table(self, parts: list[str]) -> None:
        if len(parts) < 3:
            default = await self._default_catalog()
            if not default:
                return
            parts = [default, *(parts if len(parts) == 2 else ["default", *parts])]
        name = ".".join(parts)
        if await self._get(f"tables/{name}", name) is not None:
            self._say(
                f"{name} exists",
                f"{name} exists now: it was made since, or the run's owner may not see it",
            )
            return
        try:
            query = {"catalog_name": parts[0], "schema_name": parts[1], "omit_columns": True}
            names = await self._names("tables", query, f"the tables of {parts[0]}.{parts[1]}")
        except Absent:
            await self._schema(parts[:2])
            return
        self._like(name, parts[2], names, f"{parts[0]}.{parts[1]}.")

    async def _schema(self, parts: list[str]) -> None:
        """A schema with its catalog; a name of one part may be a schema of the default catalog, or a catalog."""
        if len(parts) == 2:
            query, what = {"catalog_name": parts[0]}, f"the schemas of {parts[0]}"
            try:
                names = await self._names("schemas", query, what)
            except Absent:
                self._like(parts[0], parts[0], await self._names("catalogs", {}, "the catalogs"), "")
            else:
                self._like(".".join(parts), parts[1], names, f"{parts[0]}.")
            return
        names = await self._names("catalogs", {}, "the catalogs")
        default = await self._default_catalog()
        if default in names:
            names += await self._names("schemas", {"catalog_name": default}, f"the schemas of {default}")
        self._like(parts[0], parts[0], names, "")

    async def _column(self, wanted: Wanted) -> None:
        column = wanted.name.split(".")[-1].strip("`\"' ")
        if not _PART.fullmatch(column):
            return
        for table in wanted.tables[:_MAX_TABLES]:
            parts = parts_of(table)
            body = await self._get(f"tables/{'.'.join(parts)}", table) if len(parts) == 3 else None
            columns = _strings(body.get("columns"), "name") if body else []
            if columns:
                self._like(f"{table}.{column}", column, columns, f"{table}.", holder=table)

    def _like(self, name: str, last: str, names: Sequence[str], prefix: str, holder: str = "") -> None:
        """Say whether `last` is among `names`, and which of them are like it."""
        lowered = {known.lower(): known for known in names}
        if last.lower() in lowered:
            self._say(f"{name} exists", f"{name} exists")
            return
        close = difflib.get_close_matches(last.lower(), lowered, n=MAX_ALIKE, cutoff=_ALIKE)
        alike = [f"{prefix}{lowered[key]}" for key in close]
        fact = f"{holder} has no column {last}" if holder else f"{name} does not exist"
        if not alike:
            self._say(f"{fact}; nothing there is called like it", f"{fact}, nor anything called like it")
            return
        verb = "is" if len(alike) == 1 else "are"
        self._say(
            f"{fact}; called like it: {', '.join(alike)}", f"{fact}; {' and '.join(alike)} {verb} like it"
        )

    def _say(self, line: str, sentence: str) -> None:
        self.found.lines.append(line)
        self.found.sentence = f"{self.found.sentence}; {sentence}" if self.found.sentence else sentence

    async def _default_catalog(self) -> str:
        body = await self._get("current-metastore-assignment", "the metastore")
        name = str((body or {}).get("default_catalog_name") or "")
        return name if _PART.fullmatch(name) else ""

    async def _get(self, path: str, what: str) -> dict[str, Any] | None:
        """One object; None when there is none."""
        try:
            return await self._read(path, {}, what)
        except Absent:
            return None

    async def _names(self, kind: str, query: dict[str, Any], what: str) -> list[str]:
        """The plain names in a list, all pages of it up to `MAX_NAMES`."""
        names: list[str] = []
        query = {**query, "max_results": PAGE}
        while len(names) < MAX_NAMES:
            page = await self._read(kind, query, what)
            names += _strings(page.get(kind), "name")
            token = page.get("next_page_token")
            if not token or token == query.get("page_token"):
                break
            query = {**query, "page_token": token}
        return names

    async def _read(self, path: str, query: dict[str, Any], what: str) -> dict[str, Any]:
        if self._calls >= MAX_CALLS:
            raise WorkspaceRefused("there is too much in it to look through.")
        self._calls += 1
        return await self._connection.read(f"{API}/{path}", query, what=f"{what} in Unity Catalog")


def _strings(entries: Any, key: str) -> list[str]:
    """The plain names under `key` of a list of objects; anything else in it is passed over."""
    found = (
        [entry.get(key) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    return [name for name in found if isinstance(name, str) and _PART.fullmatch(name)]
