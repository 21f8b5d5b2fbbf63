"""Errors as RFC 9457 problem documents: what happened, and what the reader can do about it."""

import math
from collections.abc import Callable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from core import errors
from server.guards import HEADERS

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

#: The first match counts, so a branch stands before the branch it belongs to.
STATUS: tuple[tuple[type[errors.PitstopError], int, str], ...] = (
    (errors.RunNotFound, 404, "No such run"),
    (errors.NotFound, 404, "Not found"),
    (errors.RunNotFailed, 409, "The run did not fail"),
    (errors.Conflict, 409, "Conflict"),
    (errors.Gone, 410, "Too late"),
    (errors.Forbidden, 403, "Not allowed"),
    (errors.Unauthenticated, 401, "Who are you?"),
    (errors.TooManyTries, 429, "Too many tries"),
    (errors.InvalidInput, 422, "Invalid input"),
    (errors.WorkspaceRefused, 502, "The workspace refused"),
    (errors.WorkspaceError, 503, "The workspace does not answer"),
    (errors.Unsettled, 503, "Not known yet"),
    (errors.StoreUnavailable, 503, "The database does not answer"),
    (errors.KnowledgeUnavailable, 503, "The knowledge index can't be read"),
    (errors.ConfigurationError, 503, "Not configured"),
    (errors.LeaseLost, 409, "Somebody else is at it"),
)
RETRY_AFTER_SECONDS = 5
#: What the framework says in two words.
_PLAIN = {
    400: "The body can't be read as what it is said to be.",
    404: "There is nothing at this address.",
    405: "This address is there, and does not take this method.",
    413: "The body is larger than this address takes.",
}


class Problem(BaseModel):
    """RFC 9457, with a `hint` of ours; other members say more about a certain problem."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", description="Always `about:blank`: the status says the kind.")
    title: str
    status: int
    detail: str = Field(description="What happened, in one sentence.")
    hint: str = Field(default="", description="What can be done about it; may be empty.")


class ProblemError(HTTPException):
    """A problem that a route answers with, with members of its own.

    Args:
        status: The HTTP status.
        title: The kind of problem, the same each time.
        detail: What happened this time.
        hint: What to do about it.
        headers: Response headers.
        members: Further members of the document.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        hint: str = "",
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(status, detail, headers)
        self.problem = Problem(title=title, status=status, detail=detail, hint=hint, **members)


def from_error(error: errors.PitstopError) -> Problem:
    """The problem document of an expected failure."""
    for kind, status, title in STATUS:
        if isinstance(error, kind):
            hint = error.hint or ("Try again in a moment." if status == 503 else "")
            return Problem(title=title, status=status, detail=error.message, hint=hint)
    return Problem(title="Failed", status=500, detail=error.message, hint=error.hint)


def headers_for(status: int) -> dict[str, str]:
    """Headers that belong to a status: the scheme to sign in with, when to come back."""
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="pitstop"'}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The document as a response."""
    return JSONResponse(
        problem.model_dump(mode="json"),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={**headers_for(problem.status), **(headers or {})},
    )


def from_exception(error: Exception) -> tuple[Problem, dict[str, str]]:
    """The problem document and headers of anything that a route may raise on purpose."""
    if isinstance(error, errors.TooManyTries):
        return from_error(error), {"Retry-After": str(math.ceil(error.seconds))}
    if isinstance(error, errors.PitstopError):
        return from_error(error), {}
    if isinstance(error, ProblemError):
        return error.problem, dict(error.headers or {})
    if isinstance(error, RequestValidationError):
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        return Problem(title="Invalid input", status=422, detail=f"{faults}."), {}
    if isinstance(error, HTTPException):
        status = error.status_code
        title = error.detail if status != 400 else _meaning(status)
        return Problem(title=title, status=status, detail=_PLAIN.get(status, error.detail)), dict(
            error.headers or {}
        )
    raise error


HANDLED: tuple[type[Exception], ...] = (errors.PitstopError, RequestValidationError, HTTPException)


#: What is answered with a page.
FOR_PEOPLE = ("/console", "/review")

Explain = Callable[[Request, Problem], Response]


def install(app: FastAPI, explain: Explain) -> None:
    """Answer every expected failure of `app` with a problem document, and a bug with a plain 500.

    Args:
        app: Whose failures.
        explain: Makes a page of a problem, for people: what is under `FOR_PEOPLE` is answered so.
    """

    async def expected(request: Request, error: Exception) -> Response:
        problem, headers = from_exception(error)
        if request.url.path.startswith(FOR_PEOPLE):
            response = explain(request, problem)
            response.headers.update({**headers_for(problem.status), **headers})
            return response
        return respond(problem, headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        # The route and not the address: a review link's address is a secret.
        log.error("server.bug", route=getattr(request.scope.get("route"), "path", ""), exc_info=error)
        detail = "Something broke inside Pitstop; its log has the details."
        problem = Problem(title="Internal error", status=500, detail=detail)
        response = explain(request, problem) if request.url.path.startswith(FOR_PEOPLE) else respond(problem)
        response.headers.update(HEADERS)  # this is answered outside of the middleware that sets them
        return response

    for kind in HANDLED:
        app.add_exception_handler(kind, expected)
    app.add_exception_handler(Exception, unexpected)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these statuses answer with a problem document; whoever must be known may fail too often."""
    if 401 in statuses:
        statuses = (*statuses, 429)
    schema = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _meaning(status), "content": schema} for status in statuses}


def document(schema: dict[str, Any]) -> None:
    """Have an OpenAPI document say what FastAPI can't see: wrong input is a problem document too, in every operation.

    Whatever takes a body may find it unreadable or too large.
    """
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in schema["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            wrong = (400, 413, 422) if "requestBody" in operation else (422,) if "422" in answers else ()
            answers.update({str(status): answer for status, answer in documented(*wrong).items()})


def _meaning(status: int) -> str:
    own = {
        400: "Not readable",
        413: "Too large",
        415: "Not a kind of file that is accepted",
        502: "The workspace refused",
        503: "Not available now; try again",
    }
    return own.get(status) or next((title for _, code, title in STATUS if code == status), "Problem")
