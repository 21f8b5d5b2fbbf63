"""Who may do what on LangGraph's own API: the same tokens and roles as on Pitstop's.

Being known is not enough there: anybody signed in could read, resume and rewrite any thread. So each kind of
request asks for a role here, and a decision asks once more in the decision service.
"""

from typing import Any

from langgraph_sdk import Auth

from core.errors import Unauthenticated
from wiring.shared import shared_runtime

auth = Auth()

_MAY_WRITE = frozenset({"role:approver", "role:admin"})


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
async def nothing_else(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> bool:
    """What no other handler allows is for admins."""
    return "role:admin" in ctx.permissions


@auth.on.assistants.read
@auth.on.assistants.search
async def read_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:
    """Everybody known may see the graph."""
    return True


@auth.on.threads.read
@auth.on.threads.search
async def read_threads(ctx: Auth.types.AuthContext, value: Any) -> bool:
    """Every role may read incidents, as on Pitstop's own API."""
    return True


@auth.on.threads.create
@auth.on.threads.create_run
async def run_threads(ctx: Auth.types.AuthContext, value: Any) -> bool:
    """Starting and resuming is for approvers; what a resume may decide, the decision service asks again."""
    return bool(_MAY_WRITE & set(ctx.permissions))


def _header(headers: dict[bytes, bytes], name: bytes) -> str:
    value = headers.get(name, b"")
    return value.decode() if isinstance(value, bytes) else str(value)
