"""`Idempotency-Key`: a POST that is sent again, because its answer got lost, is answered as the first one was."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import PitstopError
from core.incident import Reviewer
from server.deps import RuntimeDep, get_caller
from server.problems import MEDIA_TYPE, ProblemError, from_exception
from store.idempotency import IdempotencyKeys, Keep, unkept
from store.views import Answered

REPLAYED = "Idempotency-Replayed"
#: Answers that say something about the caller or the weather, and nothing about the request.
_PASSING = frozenset({401, 403, 408, 429})


class Once:
    """Answers one request, once for each key of a caller; without a key, each time."""

    def __init__(self, request: Request, keys: IdempotencyKeys, caller: Reviewer, key: str | None) -> None:
        self._request = request
        self._keys = keys
        self._caller = caller
        self._key = key

    async def answer(
        self, work: Callable[[Keep], Awaitable[BaseModel]], response: Response
    ) -> BaseModel | Response:
        """What `work` returns, or what it returned (or was refused with) when the key came first.

        Args:
            work: Does it, and gives the body of the answer. It is handed what keeps that body together with
                `response` as it stands, within its own transaction: so who dies before they could answer has
                answered for those who ask again. What it does not keep so is kept afterwards.
            response: The route's response: its status (else 200) and its `Location`, where they are set.

        Raises:
            InvalidInput: The key was used for another request.
            Unsettled: The first one is still being worked on.
        """
        if self._key is None:
            return await work(unkept)
        found = await self._keys.begin(self._caller.name, self._key, await self._fingerprint())
        if isinstance(found, Answered):
            media = MEDIA_TYPE if found.status >= 400 else "application/json"
            return JSONResponse(
                found.body, found.status, headers={**found.headers, REPLAYED: "true"}, media_type=media
            )

        async def keep(session: AsyncSession, body: BaseModel) -> None:
            await found.keep(session, _as_answered(body, response))

        try:
            body = await work(keep)
        except (PitstopError, ProblemError) as error:
            problem, _ = from_exception(error)
            if problem.status >= 500 or problem.status in _PASSING:
                await self._keys.forget(found)
            else:
                refusal = Answered(status=problem.status, body=problem.model_dump(mode="json"))
                await self._keys.answered(found, refusal)
            raise
        await self._keys.answered(found, _as_answered(body, response))
        return body

    async def _fingerprint(self) -> str:
        request = self._request
        head = f"{request.method} {request.url.path}\n".encode()
        return hashlib.sha256(head + await request.body()).hexdigest()


def _as_answered(body: BaseModel, response: Response) -> Answered:
    location = response.headers.get("location")
    headers = {"location": location} if location else {}
    return Answered(status=response.status_code or 200, headers=headers, body=body.model_dump(mode="json"))


async def get_once(
    request: Request,
    runtime: RuntimeDep,
    caller: Annotated[Reviewer, Depends(get_caller)],
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=200,
            pattern="^[!-~]+$",
            description="Sent again with the same body within a day, the request is answered as it was the "
            "first time, and done once; with another body it is refused with 422.",
        ),
    ] = None,
) -> Once:
    """How this request is to be answered."""
    return Once(request, IdempotencyKeys(runtime.db, runtime.clock), caller, idempotency_key)


OnceDep = Annotated[Once, Depends(get_once)]
