"""Sends a change once.

The SDK's own client sends a POST again when the connection drops or a Retry-After is given, which for a call
without an idempotency token may do the thing twice. So the SDK gives the credentials here, and a plain HTTP
request, without retries and redirects, carries the change.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import requests
from databricks.sdk.errors.base import DatabricksError
from requests.auth import AuthBase

from core.errors import WorkspaceRefused, WorkspaceUnavailable
from tools.databricks.connection import Connection
from tools.databricks.refusal import HINT_CREDENTIALS, HINT_RIGHTS, MAX_MESSAGE, short

Json = dict[str, Any]

#: Answers after which it is certain that nothing changed: the request was read and turned down.
REFUSALS = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
_HINTS = {401: HINT_CREDENTIALS, 403: HINT_RIGHTS}


class Sender:
    """Sends changes to one workspace, each exactly one time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def post(self, path: str, body: Json) -> Json:
        """Send one POST; the JSON object that was answered.

        Raises:
            WorkspaceRefused: The workspace said no; nothing changed.
            WorkspaceUnavailable: It may have taken effect or not.
        """
        # Not abandoned when cancelled: while a request may still go out, nobody should think it is over.
        return await self._connection.run(partial(self._post, path, body), abandon=False)

    def _post(self, path: str, body: Json) -> Json:
        config = self._connection.config()
        try:
            signed = {**config.authenticate(), **self._connection.headers()}
        except (DatabricksError, requests.RequestException, TimeoutError, ValueError) as error:
            raise WorkspaceUnavailable(f"Nothing was sent: signing in failed: {short(error)}") from error
        try:
            response = requests.post(
                f"{config.host}{path}",
                json=body,
                headers={"User-Agent": config.user_agent},
                auth=_Signed(signed),
                timeout=self._connection.settings.workspace_timeout_seconds,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise WorkspaceUnavailable(f"{path} was sent without an answer: {short(error)}") from error
        return _answer(path, response)


class _Signed(AuthBase):
    """Puts the credentials into the request; given as `auth`, so that no .netrc replaces them."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers.update(self._headers)
        return r


def _answer(path: str, response: requests.Response) -> Json:
    try:
        body = response.json() if response.content else {}
    except requests.JSONDecodeError:
        body = None
    if response.status_code in REFUSALS:
        said = _said(body) or f"status {response.status_code}"
        raise WorkspaceRefused(
            f"The workspace refused {path}: {said}", hint=_HINTS.get(response.status_code, "")
        )
    if not 200 <= response.status_code < 300:
        raise WorkspaceUnavailable(f"{path} was answered with status {response.status_code}.")
    if not isinstance(body, dict):
        raise WorkspaceUnavailable(f"{path} was answered with something that is no JSON object.")
    return body


def _said(body: Any) -> str:
    """The error code and message of an answer, on one line."""
    if not isinstance(body, dict):
        return ""
    parts = [str(body[key]) for key in ("error_code", "message") if body.get(key)]
    return " ".join(": ".join(parts).split())[:MAX_MESSAGE]
