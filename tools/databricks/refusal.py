"""What an error of the SDK means to us: which branch of `WorkspaceError`, and what to do about it."""

from __future__ import annotations

import re

import requests
from databricks.sdk.errors import (
    BadRequest,
    NotFound,
    NotImplemented,
    PermissionDenied,
    ResourceConflict,
    Unauthenticated,
)
from databricks.sdk.errors.base import DatabricksError

from core.errors import (
    ConfigurationError,
    RunNotFound,
    WorkspaceError,
    WorkspaceRefused,
    WorkspaceUnavailable,
)

MAX_MESSAGE = 300
#: The service says so with 404 and, for runs and jobs, with 400 (`INVALID_PARAMETER_VALUE`).
_ABSENT = re.compile(r"do(?:es not|esn't) exist|not found|No file or directory exists", re.IGNORECASE)
_BAD_TOKEN = re.compile(r"invalid access token|token .*(?:expired|revoked)", re.IGNORECASE)

HINT_CREDENTIALS = (
    "The token (or the profile's credentials) is wrong or has expired: set DATABRICKS_TOKEN, or another "
    "method of authentication that the Databricks SDK knows, and try `pitstop doctor`."
)
HINT_RIGHTS = (
    "The token's owner lacks a right: CAN VIEW on the job to read it, CAN MANAGE RUN to repair or cancel, "
    "CAN MANAGE to change its settings."
)
HINT_RUN = "Check the id; runs older than 60 days are removed by Databricks."


class Absent(WorkspaceRefused):
    """The workspace has no such job, cluster or file."""


def explained(error: Exception, what: str, *, of_a_run: bool = False) -> WorkspaceError:
    """The error of an SDK call that was about `what` (a noun phrase, such as "run 17").

    `of_a_run` makes an absent thing a `RunNotFound`; of anything else it is `Absent`.
    """
    said = short(error)
    if isinstance(error, Unauthenticated) or _BAD_TOKEN.search(said):
        return WorkspaceRefused(
            f"The workspace does not accept the credentials: {said}", hint=HINT_CREDENTIALS
        )
    if isinstance(error, PermissionDenied):
        return WorkspaceRefused(f"The workspace does not allow access to {what}: {said}", hint=HINT_RIGHTS)
    if isinstance(error, NotFound) or (isinstance(error, BadRequest) and _ABSENT.search(said)):
        if of_a_run:
            return RunNotFound(f"The workspace has no {what}.", hint=HINT_RUN)
        return Absent(f"The workspace has no {what}: {said}")
    if isinstance(error, BadRequest | ResourceConflict | NotImplemented):
        return WorkspaceRefused(f"The workspace refused to give {what}: {said}")
    if isinstance(error, DatabricksError):
        return WorkspaceUnavailable(f"The workspace failed to give {what}: {said}")
    if isinstance(error, requests.RequestException | TimeoutError) and not isinstance(error, ValueError):
        return WorkspaceUnavailable(f"The workspace did not answer about {what}: {said}")
    return garbage(what)


def garbage(what: str) -> WorkspaceUnavailable:
    """The workspace, or a proxy before it, answered something that is no answer."""
    return WorkspaceUnavailable(f"The workspace answered nonsense about {what}.")


def not_configured(error: ValueError) -> ConfigurationError | WorkspaceUnavailable:
    """Why the SDK could not be set up: a setting is wrong, or the workspace was needed for it and is away."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.ConnectionError | requests.Timeout | TimeoutError):
            return WorkspaceUnavailable(f"Signing in at the workspace failed: {short(error)}")
        cause = cause.__cause__ or cause.__context__
    return ConfigurationError(
        f"DATABRICKS_HOST: no access to a workspace is configured: {short(error)}",
        hint="Set DATABRICKS_HOST and DATABRICKS_TOKEN, or DATABRICKS_CONFIG_PROFILE.",
    )


def short(error: Exception) -> str:
    """The first line of what an error says, with the cause of a retry that ran out."""
    said = str(error.__cause__ or error) if isinstance(error, TimeoutError) else str(error)
    first = next((line.strip() for line in said.splitlines() if line.strip()), type(error).__name__)
    return first if len(first) <= MAX_MESSAGE else first[: MAX_MESSAGE - 1] + "…"
