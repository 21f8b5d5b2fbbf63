"""`pitstop review`: the queue in a terminal, with keys to decide."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.plain import say

#: Exit status where there is no terminal, as of any wrong use.
WRONG_USE = 2
#: A person waits in front of the screen.
TIMEOUT_SECONDS = 20.0


def review(
    url: Annotated[
        str | None, typer.Option(help="Where Pitstop runs; PITSTOP_PUBLIC_URL or its host and port without.")
    ] = None,
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Begin with what waits for anybody, and not only for you.")
    ] = False,
) -> None:
    """Go through what waits for a decision, the most pressing first: read, approve, edit, reject, give a hint."""
    if not _in_a_terminal():
        say(
            "pitstop: review needs a terminal on standard input, output and error (TERM other than dumb).\n"
            "Without one: `pitstop incidents --status awaiting_approval`, then `pitstop incidents ID` and "
            "`pitstop approve|edit|reject|respond|delegate|extend ID` (each with --json); or the console in a browser.",
            err=True,
        )
        raise typer.Exit(WRONG_USE)
    from cli.client import Client

    client = Client(url=url, timeout=TIMEOUT_SECONDS)
    client.get(
        "/queue", limit=1
    )  # what is wrong with the address or the token is said before the screen changes
    from cli.review_app import ReviewApp

    ReviewApp(client, everyone=everyone).run()


def _in_a_terminal() -> bool:
    from rich.console import Console

    every = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return every and not Console().is_dumb_terminal
