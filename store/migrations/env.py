"""What Alembic runs: on the connection that `store.migrate` hands in, else on DATABASE_URL's."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator

from core.errors import ConfigurationError
from core.settings import load_settings
from store.engine import sqlalchemy_url
from store.models import Base

METADATA = Base.metadata
#: Tables that belong to the checkpoint savers and to the queue, who look after them themselves.
OTHERS = ("checkpoint", "procrastinate")


def include_object(
    item: SchemaItem, name: str | None, kind: str, reflected: bool, compare_to: SchemaItem | None
) -> bool:
    """Whether a table is any of our business."""
    return not (kind == "table" and reflected and (name or "").startswith(OTHERS))


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our column types into migrations as what they are in the database, so that those never change."""
    if kind == "type" and isinstance(item, TypeDecorator) and type(item).__module__ == "store.columns":
        if isinstance(item.impl_instance, JSONB):
            autogen.imports.add("from sqlalchemy.dialects import postgresql")
            return "postgresql.JSONB()"
        return f"sa.{item.impl_instance!r}"
    return False


def run(connection: Connection) -> None:
    """Run the wanted steps in one transaction."""
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        include_object=include_object,
        render_item=render_item,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Find the connection and run."""
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    url = load_settings().database_url
    if url is None:
        raise ConfigurationError("DATABASE_URL is not set.", hint="It names the database to migrate.")
    engine = create_engine(sqlalchemy_url(url), hide_parameters=True)
    with engine.connect() as connection:
        run(connection)
    engine.dispose()


main()
