"""Fixtures for every test."""

from __future__ import annotations

from tests.postgres import (
    database,
    database_url,
    empty_database_url,
    open_folder,
    own_postgres,
    postgres_url,
)
from tests.store_rows import rows

__all__ = [
    "database",
    "database_url",
    "empty_database_url",
    "open_folder",
    "own_postgres",
    "postgres_url",
    "rows",
]
