"""`pitstop tokens`: make, list and revoke API tokens, straight in the database."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.plain import say

if TYPE_CHECKING:
    from store.tokens import Tokens

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who it speaks for, such as anna@example.com.")],
    role: Annotated[Literal["viewer", "approver", "admin"], typer.Option(help="What it may do.")] = "viewer",
    days: Annotated[float | None, typer.Option(min=0.01, help="How long it lives; for ever without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown this once; the database keeps only its hash."""

    async def make() -> tuple[str, str]:
        async with _tokens() as tokens:
            secret, token = await tokens.create(name, role, ttl_seconds=days * 86400 if days else None)
            return secret, token.id

    secret, id = asyncio.run(make())
    typer.echo(json.dumps({"id": id, "token": secret, "name": name, "role": role}) if as_json else secret)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show the tokens there are, without their secrets."""

    async def read() -> list[dict[str, object]]:
        async with _tokens() as tokens:
            return [t.model_dump(mode="json") for t in await tokens.all()]

    rows = asyncio.run(read())
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = "revoked" if row.get("revoked_at") else "valid"
        say(f"{row['id']}  {row['role']:9} {state:8} {row['name']}")


@app.command()
def revoke(id: Annotated[str, typer.Argument(help="The token's id (tok_...).")]) -> None:
    """Make a token worthless at once."""

    async def end() -> None:
        async with _tokens() as tokens:
            await tokens.revoke(id)

    asyncio.run(end())
    typer.echo(f"{id} is revoked.")


@contextlib.asynccontextmanager
async def _tokens() -> AsyncIterator[Tokens]:
    from core.settings import load_settings
    from store.clock import SystemClock
    from store.engine import Database
    from store.local import database_url
    from store.tokens import Tokens

    async with database_url(load_settings(), share=True) as url:
        db = Database(url, pool_size=1)
        try:
            yield Tokens(db, SystemClock())
        finally:
            await db.close()
