"""Who may do what on LangGraph's own API: the same tokens and roles as on Pitstop's.

Being known is not enough there: anybody signed in could read, resume and rewrite any thread. So each kind of
request asks for a role here, and a decision asks once more in the decision service.
"""

from typing import Any

import psycopg
from langgraph_sdk import Auth

from core.errors import StoreUnavailable, Unauthenticated
from wiring.langgraph_threads import ThreadList
from wiring.shared import shared_runtime

auth = Auth()
_threads = ThreadList(shared_runtime)

_ADMIN = "role:admin"
_MAY_WRITE = frozenset({"role:approver", _ADMIN})
_MAY_READ = frozenset({"assistants", "threads"})
_HANDS_OFF = (
    "An incident's thread can be answered, and not moved. Close or mute the incident in Pitstop instead."
)


@auth.authenticate
async def authenticate(headers: dict[bytes, bytes]) -> Auth.types.MinimalUserDict:
    """The reviewer behind `Authorization: Bearer TOKEN` or `X-Api-Key: TOKEN`."""
    token = _header(headers, b"authorization").removeprefix("Bearer ").strip() or _header(
        headers, b"x-api-key"
    )
    if not token:
        raise Auth.exceptions.HTTPException(status_code=401, detail="Send an API token of Pitstop.")
    runtime = await shared_runtime()
    try:
        reviewer = await runtime.authenticate(token)
    except Unauthenticated as error:
        raise Auth.exceptions.HTTPException(status_code=401, detail=str(error)) from error
    return {"identity": reviewer.name, "is_authenticated": True, "permissions": [f"role:{reviewer.role}"]}


@auth.on
async def allowed(ctx: Auth.types.AuthContext, value: Any) -> bool:
    """Whether this may be asked for; where it is about threads, the incidents are among them before it is answered.

    Reading is for every role, as on Pitstop's own API; starting and resuming threads is for approvers, and
    what a resume may decide, the decision service asks again; everything else is for admins. An incident's thread
    is moved by Pitstop alone: nobody sends it elsewhere, rewrites, restarts or deletes it.
    """
    if not _may(ctx):
        return False
    if ctx.resource != "threads":
        return True
    thread_id = str(value.get("thread_id") or "")
    try:
        if ctx.action == "search":
            await _threads.refresh()
        elif thread_id and _moves(ctx.action, value) and await _threads.has_incident(thread_id):
            raise Auth.exceptions.HTTPException(status_code=403, detail=_HANDS_OFF)
        elif thread_id and ctx.action in ("read", "create_run"):
            await _threads.refresh_one(thread_id)
    except (StoreUnavailable, psycopg.OperationalError) as error:
        raise Auth.exceptions.HTTPException(
            status_code=503, detail="The database does not answer."
        ) from error
    return True


def _may(ctx: Auth.types.AuthContext) -> bool:
    if ctx.resource in _MAY_READ and ctx.action in ("read", "search"):
        return True
    if ctx.resource == "threads" and ctx.action in ("create", "create_run"):
        return bool(_MAY_WRITE & set(ctx.permissions))
    return _ADMIN in ctx.permissions


def _moves(action: str, value: Any) -> bool:
    """Whether this does more to a thread than answer what it asks."""
    asked = value.get("kwargs") or {}
    command = asked.get("command") or {}
    return bool(
        action in ("update", "delete")
        or command.get("goto")
        or command.get("update")
        or (asked.get("input") and not command)
    )


def _header(headers: dict[bytes, bytes], name: bytes) -> str:
    value = headers.get(name, b"")
    return value.decode() if isinstance(value, bytes) else str(value)
