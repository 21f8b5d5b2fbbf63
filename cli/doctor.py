"""`pitstop doctor`: look at each part, and say what to do about it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from core.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One part's state: `ok`, `off` (not configured, and not needed), or `bad` with what to do."""

    part: str
    state: Literal["ok", "off", "bad"]
    detail: str


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False) -> None:
    """Check settings, database, workspace, knowledge, model, mail and webhooks; exit 1 when one is bad."""
    from core.errors import ConfigurationError
    from core.settings import load_settings

    try:
        settings = load_settings()
    except ConfigurationError as error:
        _report([Finding("settings", "bad", line) for line in str(error).splitlines()], as_json)
        raise typer.Exit(1) from None
    findings = [Finding("settings", "ok", "all of them can be read"), *asyncio.run(_examine(settings))]
    _report(findings, as_json)
    raise typer.Exit(1 if any(f.state == "bad" for f in findings) else 0)


async def _examine(settings: Settings) -> list[Finding]:
    from core.errors import PitstopError

    findings = []
    checks: tuple[tuple[str, Callable[[Settings], Awaitable[Finding]]], ...] = (
        ("policy", _policy),
        ("catalogue", _catalogue),
        ("database", _database),
        ("workspace", _workspace),
        ("knowledge", _knowledge),
        ("model", _model),
        ("e-mail", _mail),
        ("chats", _chats),
        ("links", examine_links),
        ("webhooks", _webhooks),
    )
    for part, check in checks:
        try:
            findings.append(await check(settings))
        except PitstopError as error:
            findings.append(Finding(part, "bad", str(error)))
    return findings


async def _policy(settings: Settings) -> Finding:
    from core.policy import load_policy

    policy = load_policy(settings.policy)
    if settings.policy is None:
        return Finding(
            "policy", "ok", "none given: every action needs a person (PITSTOP_POLICY names a file)"
        )
    people = policy.defaults.approvers or policy.defaults.owners
    missing = "" if people else "; it names no approvers, so messages go to job owners only"
    return Finding(
        "policy", "ok", f"{settings.policy}: {len(policy.jobs)} entries, mode {policy.defaults.mode}{missing}"
    )


async def _catalogue(settings: Settings) -> Finding:
    from knowledge.catalogue import load_catalogue

    catalogue = load_catalogue(settings.catalogue_dir)
    return Finding("catalogue", "ok", f"{len(catalogue.classes)} failure classes")


async def _database(settings: Settings) -> Finding:
    from store.local import database_url
    from store.migrate import check_schema

    async with database_url(settings, share=True) as url:
        where = "DATABASE_URL" if settings.database_url else f"embedded, in {settings.data_dir}"
        if settings.database_url:
            await asyncio.to_thread(check_schema, url)
        return Finding("database", "ok", where)


async def _workspace(settings: Settings) -> Finding:
    from tools.databricks import Connection, Workspace

    if not settings.databricks_host and not settings.databricks_profile:
        return Finding(
            "workspace", "bad", "DATABRICKS_HOST is not set. `pitstop demo` brings a workspace of its own."
        )
    who = await Workspace(Connection(settings)).whoami()
    return Finding(
        "workspace", "ok", f"{settings.databricks_host or settings.databricks_profile}, signed in as {who}"
    )


async def _knowledge(settings: Settings) -> Finding:
    from wiring.knowledge import make_embedder, make_index

    with contextlib.closing(make_index(settings, make_embedder(settings))) as index:
        counts = await asyncio.to_thread(index.counts)
    return Finding("knowledge", "ok", ", ".join(f"{n} {kind}" for kind, n in counts.items()))


async def _model(settings: Settings) -> Finding:
    if not settings.model:
        return Finding("model", "off", "none: catalogue, runbooks and past incidents give the answer")
    from wiring.model import ask_once

    seconds = await ask_once(settings)
    return Finding("model", "ok", f"{settings.model} answered in {seconds:.1f} s")


async def _mail(settings: Settings) -> Finding:
    if settings.acs_endpoint:
        from tools.notify import mail_channel

        mail_channel(settings)
        return Finding(
            "e-mail", "ok", f"{settings.acs_endpoint} as {settings.acs_sender} (set; nothing was sent)"
        )
    if not settings.smtp_host:
        return Finding("e-mail", "off", "PITSTOP_SMTP_HOST is not set, so nobody is told anything by mail")
    from tools.notify.email import EmailChannel

    await EmailChannel(settings).check()
    return Finding("e-mail", "ok", f"{settings.smtp_host}:{settings.smtp_port} ({settings.smtp_security})")


async def _chats(settings: Settings) -> Finding:
    set_up = [f"teams:{name}" for name in sorted(settings.teams_webhooks)]
    set_up += [f"apprise:{name}" for name in sorted(settings.apprise_urls)]
    if settings.slack_bot_token is not None:
        from tools.notify.slack import SlackChannel

        set_up.insert(0, f"slack (signed in to {await SlackChannel(settings).check()})")
    if not set_up:
        return Finding("chats", "off", "none of Slack, Teams and apprise is set up (docs/review.md)")
    return Finding("chats", "ok", ", ".join(set_up))


async def examine_links(settings: Settings) -> Finding:
    """Whether messages can lead people here."""
    from core.settings import NO_ADDRESS

    tells = settings.smtp_host or settings.acs_endpoint or settings.slack_bot_token
    tells = tells or settings.teams_webhooks or settings.apprise_urls
    set_it = "set it to the address that people reach the console at"
    if settings.address is None:
        return Finding("links", "bad" if tells else "off", f"{NO_ADDRESS}; {set_it}")
    if settings.public_url or not tells:
        return Finding("links", "ok", f"messages lead to {settings.address}")
    return Finding(
        "links",
        "ok",
        f"messages lead to {settings.address}, on this machine only: PITSTOP_PUBLIC_URL, {set_it}",
    )


async def _webhooks(settings: Settings) -> Finding:
    if settings.webhook_password is None:
        return Finding(
            "webhooks", "off", "PITSTOP_WEBHOOK_PASSWORD is not set: failures are found by polling only"
        )
    where = settings.address or "the address of this service"
    return Finding("webhooks", "ok", f"{where}/webhooks/databricks as {settings.webhook_user}")


def _report(findings: list[Finding], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(f) for f in findings], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    from cli.plain import cell

    colours = {"ok": "green", "off": "dim", "bad": "red"}
    table = Table("Part", "State", "")
    for finding in findings:
        colour = colours[finding.state]
        table.add_row(finding.part, f"[{colour}]{finding.state}[/]", cell(finding.detail))
    Console().print(table)
