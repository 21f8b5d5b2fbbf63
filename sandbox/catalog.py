"""Unity Catalog's metastore: catalogs, schemas and tables with their columns, and who may not see what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import Field, field_validator

from sandbox.refusal import Refusal
from sandbox.script import Part


class CatalogScript(Part):
    """A scenario's metastore: `tables` by three-part name with their columns, further empty `schemas`, and what is
    `forbidden` (a catalog, schema or table; all that is in it as well)."""

    tables: dict[str, list[str]] = Field(default_factory=dict)
    schemas: list[str] = Field(default_factory=list)
    forbidden: list[str] = Field(default_factory=list)
    default_catalog: str = "main"

    @field_validator("tables")
    @classmethod
    def _three_parts(cls, tables: dict[str, list[str]]) -> dict[str, list[str]]:
        wrong = [name for name in tables if name.count(".") != 2]
        if wrong:
            raise ValueError(f"a table's name has three parts, not {wrong[0]!r}")
        return tables


@dataclass
class Metastore:
    """What the workspace is attached to; without any script it has no metastore."""

    attached: bool = False
    default_catalog: str = "main"
    tables: dict[str, list[str]] = field(default_factory=dict)
    _schemas: set[str] = field(default_factory=set)
    _forbidden: set[str] = field(default_factory=set)

    def add(self, script: CatalogScript) -> None:
        """Take in a scenario's metastore."""
        self.attached = True
        self.default_catalog = script.default_catalog
        self.tables.update(script.tables)
        self._schemas.update(script.schemas)
        self._schemas.update(name.rsplit(".", 1)[0] for name in script.tables)
        self._forbidden.update(script.forbidden)

    def catalogs(self) -> list[str]:
        """The catalogs' names."""
        self._must_be_attached()
        return sorted({name.split(".", 1)[0] for name in self._schemas})

    def schemas(self, catalog: str) -> list[str]:
        """The full names of a catalog's schemas. Raises: Refusal: 403 or 404."""
        self.must_see(catalog)
        if catalog not in self.catalogs():
            raise Refusal(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{catalog}' does not exist.")
        return sorted(name for name in self._schemas if name.startswith(f"{catalog}."))

    def tables_of(self, catalog: str, schema: str) -> list[str]:
        """The full names of a schema's tables. Raises: Refusal: 403 or 404."""
        full = f"{catalog}.{schema}"
        self.must_see(full)
        if full not in self.schemas(catalog):
            raise Refusal(404, "SCHEMA_DOES_NOT_EXIST", f"Schema '{full}' does not exist.")
        return sorted(name for name in self.tables if name.startswith(f"{full}."))

    def table(self, full: str) -> list[str]:
        """A table's columns. Raises: Refusal: 403 or 404."""
        self.must_see(full)
        if full not in self.tables:
            raise Refusal(404, "TABLE_DOES_NOT_EXIST", f"Table '{full}' does not exist.")
        return self.tables[full]

    def must_see(self, full: str) -> None:
        """Raises: Refusal: 403, it lies in what is forbidden; 404, there is no metastore."""
        self._must_be_attached()
        for name in _with_parents(full):
            if name in self._forbidden:
                kind = ("CATALOG", "SCHEMA", "TABLE")[name.count(".")]
                message = f"User does not have {'SELECT' if kind == 'TABLE' else 'USE ' + kind} on {kind.title()} '{name}'."
                raise Refusal(403, "PERMISSION_DENIED", message)

    def _must_be_attached(self) -> None:
        if not self.attached:
            raise Refusal(404, "METASTORE_DOES_NOT_EXIST", "No metastore assigned for the current workspace.")


def _with_parents(full: str) -> Iterable[str]:
    parts = full.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
