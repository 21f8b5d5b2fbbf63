"""Links that sign a person in to the console once, for whoever holds a token already."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from server.deps import OpenerDep, RuntimeDep, Viewer
from server.problems import documented
from server.sessions import CODE_SECONDS, sign_in_link

router = APIRouter(prefix="/api/v1/sign-in-links", tags=["console"])


class SignInLink(BaseModel):
    """An address to open in a browser."""

    url: str
    expires_in_seconds: int = Field(description="It works once, until then.")


@router.post("", status_code=201, responses=documented(401, 403, 503))
async def make_link(request: Request, runtime: RuntimeDep, caller: Viewer, opener: OpenerDep) -> SignInLink:
    """A link that signs the caller in to the console, with the caller's own name and role, as long as these stand."""
    base = runtime.settings.public_url or str(request.base_url)
    url = sign_in_link(runtime.settings, opener, base)
    return SignInLink(url=url, expires_in_seconds=CODE_SECONDS)
