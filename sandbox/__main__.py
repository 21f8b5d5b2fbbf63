"""`python -m sandbox`: serve one sandbox workspace until it is told to stop.

Prints one line of JSON, `{"url", "token", "workspace_id"}`, when it takes requests.
"""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from sandbox.app import SCENARIOS, create_sandbox
from sandbox.webhooks import Target


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line, read."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A Databricks workspace in a box.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", help="the bearer token to take; without, one is made up")
    parser.add_argument("--clock", type=float, default=1.0, help="scenario seconds in a real second")
    parser.add_argument("--scenarios", type=Path, default=SCENARIOS, help="the directory of scenarios")
    parser.add_argument("--webhook", help="address that failures are notified to")
    parser.add_argument("--webhook-user")
    parser.add_argument("--webhook-password")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input is closed")
    parser.add_argument("--journal", type=Path, help="append applied changes to this file")
    options = parser.parse_args(given)
    if options.clock <= 0:
        parser.error("--clock must be positive")
    return options


class Server(uvicorn.Server):
    """A server that says so when it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: str, *, exit_with_stdin: bool) -> None:
        super().__init__(config)
        self._ready = ready
        self._exit_with_stdin = exit_with_stdin

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(self._ready + "\n")
        sys.stdout.flush()
        if self._exit_with_stdin:
            threading.Thread(target=self._wait_for_end, daemon=True).start()

    def _wait_for_end(self) -> None:
        sys.stdin.read()
        self.should_exit = True


def main() -> int:
    """Serve; returns the exit status."""
    options = arguments()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except OSError as error:
        sys.stderr.write(f"sandbox: can't listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    url = f"http://{options.host}:{listener.getsockname()[1]}"
    token = options.token or secrets.token_hex(16)
    webhook = (
        Target(options.webhook, options.webhook_user, options.webhook_password) if options.webhook else None
    )
    app = create_sandbox(
        token=token,
        url=url,
        clock_speed=options.clock,
        scenarios=options.scenarios,
        webhook=webhook,
        journal=options.journal,
    )
    ready = {"url": url, "token": token, "workspace_id": app.box.workspace.workspace_id}
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    Server(config, json.dumps(ready), exit_with_stdin=options.exit_with_stdin).run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
