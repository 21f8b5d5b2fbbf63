"""Who may do what on LangGraph's own API: the same tokens and roles as on Pitstop's.

Being known is not enough there: anybody signed in could read, resume and rewrite any thread. So each kind of
request asks for a role here, and a decision asks once more in the decision service.
"""

from typing import Any

from langgraph_sdk import Auth

from core.errors import Unauthenticated
from wiring.shared import shared_runtime

auth = Auth()

_ADMIN = "role:admin"
_MAY_WRITE = frozenset({"role:approver", _ADMIN})
_MAY_READ = frozenset({"assistants", "threads"})


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
    """Reading is for every role, as on Pitstop's own API; starting and resuming threads is for approvers, and
    what a resume may decide, the decision service asks again; everything else is for admins."""
    if ctx.resource in _MAY_READ and ctx.action in ("read", "search"):
        return True
    if ctx.resource == "threads" and ctx.action in ("create", "create_run"):
        return bool(_MAY_WRITE & set(ctx.permissions))
    return _ADMIN in ctx.permissions


def _header(headers: dict[bytes, bytes], name: bytes) -> str:
    value = headers.get(name, b"")
    return value.decode() if isinstance(value, bytes) else str(value)
