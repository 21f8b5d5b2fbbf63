"""The way to one workspace: the SDK with its authentication, proxies and retries, off the event loop."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from anyio import CapacityLimiter, to_thread
from databricks.sdk.clock import Clock
from databricks.sdk.config import Config
from databricks.sdk.core import ApiClient
from databricks.sdk.errors.base import DatabricksError

from core.errors import ConfigurationError
from core.settings import Settings
from tools.databricks.refusal import explained, garbage, not_configured

Json = dict[str, Any]


class PatientClock(Clock):
    """The SDK sleeps as long as a Retry-After says; a thread of ours sleeps no longer than its whole budget."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or the longest that is allowed."""
        time.sleep(min(seconds, self._longest))


class Connection:
    """One workspace. Nothing is opened before the first call; calls run in at most `threads` threads.

    Reads go through the SDK's API client and not through its typed methods, whose enums turn every value
    that is newer than the SDK into None.
    """

    def __init__(self, settings: Settings, *, threads: int | None = None) -> None:
        self.settings = settings
        self._limiter = CapacityLimiter(threads or settings.fetch_concurrency)
        self._lock = threading.Lock()
        self._opened: tuple[Config, ApiClient] | None = None

    @property
    def name(self) -> str:
        """The workspace's host (and port, where there is one).

        Raises:
            ConfigurationError: The host comes from a profile or the environment, and `connect` was not called.
        """
        host = self._opened[0].host if self._opened else self.settings.databricks_host
        if not host:
            raise ConfigurationError("DATABRICKS_HOST: the workspace's address is not known yet.")
        return urlsplit(host).netloc

    async def connect(self) -> None:
        """Find the credentials. Called by every read; worth calling at start, to hear of mistakes early.

        Raises:
            ConfigurationError: No or contradictory credentials; the message names the variables.
            WorkspaceUnavailable: The credentials need the workspace, and it does not answer.
        """
        await self.run(self.config)

    async def read(
        self,
        path: str,
        query: Json | None = None,
        *,
        what: str,
        body: Json | None = None,
        of_a_run: bool = False,
    ) -> Json:
        """One JSON object from the API: a GET, or with a `body` one of those POSTs that only read.

        Args:
            what: What is being read, for the messages.
            of_a_run: Whether an absent thing is a `RunNotFound`.

        Raises:
            RunNotFound, WorkspaceRefused, WorkspaceUnavailable: See `core.errors`.
        """
        return await self.run(partial(self._read, path, query, body, what, of_a_run))

    async def read_bytes(self, path: str, *, what: str, headers: dict[str, str], limit: int) -> bytes:
        """At most `limit` bytes of a body that is no JSON.

        Raises:
            WorkspaceRefused, WorkspaceUnavailable: See `core.errors`.
        """
        return await self.run(partial(self._read_bytes, path, what, headers, limit))

    async def run(self, call: Any, *, abandon: bool = True) -> Any:
        """Run a blocking call in one of the threads; `abandon` leaves it behind when we are cancelled."""
        return await to_thread.run_sync(call, limiter=self._limiter, abandon_on_cancel=abandon)

    def config(self) -> Config:
        """The SDK's configuration, made at the first call. Blocks: it may sign in."""
        return self._open()[0]

    def headers(self) -> dict[str, str]:
        """Headers that the service wants beside the credentials."""
        workspace_id = self.config().workspace_id
        return {"X-Databricks-Workspace-Id": workspace_id} if workspace_id else {}

    def _configure(self) -> Config:
        settings = self.settings
        token = settings.databricks_token
        # The SDK takes 0 for "not set" and then waits for five minutes.
        retry = max(1, round(settings.workspace_retry_seconds))
        try:
            return Config(
                host=settings.databricks_host,
                token=token.get_secret_value() if token else None,
                profile=settings.databricks_profile,
                http_timeout_seconds=settings.workspace_timeout_seconds,
                retry_timeout_seconds=retry,
                clock=PatientClock(retry),
                product="pitstop",
            )
        except ValueError as error:
            raise not_configured(error) from error

    def _open(self) -> tuple[Config, ApiClient]:
        with self._lock:
            if self._opened is None:
                config = self._configure()
                self._opened = config, ApiClient(config)
            return self._opened

    def _read(self, path: str, query: Json | None, body: Json | None, what: str, of_a_run: bool) -> Json:
        client = self._open()[1]
        method = "GET" if body is None else "POST"
        try:
            answer = client.do(method, path, query=query, body=body, headers=self.headers())
        # The SDK neither checks that a 200 carries JSON (ValueError) nor that it is an object (TypeError), and
        # says TimeoutError when its retries ran out.
        except (DatabricksError, requests.RequestException, TimeoutError, ValueError, TypeError) as error:
            raise explained(error, what, of_a_run=of_a_run) from error
        if not isinstance(answer, dict):
            raise garbage(what)
        return answer

    def _read_bytes(self, path: str, what: str, headers: dict[str, str], limit: int) -> bytes:
        client = self._open()[1]
        try:
            answer: Any = client.do("GET", path, headers={**self.headers(), **headers}, raw=True)
            with answer["contents"] as stream:
                return stream.read(limit)
        except (DatabricksError, requests.RequestException, TimeoutError, ValueError, TypeError) as error:
            raise explained(error, what) from error
