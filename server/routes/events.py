"""The audit trail of an incident, as pages or as a stream that can be resumed."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from core.errors import StoreUnavailable
from core.roster import Person
from server import story
from server.deps import NewsDep, OpenerDep, RuntimeDep, Viewer
from server.live import News
from server.notice import MAX_ID
from server.problems import documented
from store.views import Token
from wiring.runtime import Runtime

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])

PAGE = 200
#: A stream looks by itself after this long without news, should a notice have been lost.
LOOK_ANYWAY_SECONDS = 15.0
#: A stream ends after this, so that a role that was taken away elsewhere does not last for ever.
LIFETIME_SECONDS = 3600.0
_ID = re.compile("[0-9]{1,18}", re.ASCII)
STREAM = {"text/event-stream": {"schema": {"type": "string"}}}


@router.get(
    "/{incident_id}/events",
    response_model=story.EventPage,
    responses={
        200: {"content": STREAM, "description": "A page, or (by `Accept`) a stream"},
        **documented(401, 404, 503),
    },
)
async def list_events(
    incident_id: str,
    request: Request,
    runtime: RuntimeDep,
    news: NewsDep,
    caller: Viewer,
    opener: OpenerDep,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="Only events with a greater id.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = PAGE,
    last_event_id: Annotated[str | None, Header()] = None,
) -> story.EventPage | Response:
    """Events, oldest first; with `Accept: text/event-stream` as they happen."""
    if "text/event-stream" in request.headers.get("accept", ""):
        return await stream_events(incident_id, runtime, news, caller, opener, after, last_event_id)
    found = await runtime.queries.events(incident_id, after=after, limit=limit)
    items = [story.event(e) for e in found]
    return story.EventPage(items=items, next_cursor=items[-1].id if len(items) == limit else None)


@router.get(
    "/{incident_id}/events/stream",
    response_class=EventSourceResponse,
    responses={200: {"content": STREAM}, **documented(401, 404, 503)},
)
async def stream_events(
    incident_id: str,
    runtime: RuntimeDep,
    news: NewsDep,
    caller: Viewer,
    opener: OpenerDep,
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Server-sent events: `id` is the event's id, `event` its kind, `data` the event as JSON.

    Reconnecting with `Last-Event-ID` goes on where it broke off. A stream ends after an hour, and when the token that
    opened it does.
    """
    start = int(last_event_id) if last_event_id and _ID.fullmatch(last_event_id) else after
    await runtime.queries.events(incident_id, after=start, limit=1)  # 404 before the stream begins
    return EventSourceResponse(_follow(runtime, news, incident_id, start, opener), send_timeout=30)


async def _follow(
    runtime: Runtime, news: News, incident_id: str, after: int, opener: Token | Person
) -> AsyncIterator[ServerSentEvent]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFETIME_SECONDS
    with news.watch(incident_id) as fresh:
        while loop.time() < ends:
            fresh.clear()
            try:
                if isinstance(opener, Token) and await runtime.tokens.standing(opener.id) is None:
                    return
                found = await runtime.queries.events(incident_id, after=after, limit=PAGE)
            except StoreUnavailable:
                found = []  # the client keeps its place; it goes on when Postgres is back
            for row in found:
                after = row.id
                event = story.event(row)
                yield ServerSentEvent(
                    json.dumps(event.model_dump(mode="json"), ensure_ascii=False),
                    id=str(row.id),
                    event=row.kind,
                )
            if len(found) == PAGE:
                continue
            try:
                await asyncio.wait_for(fresh.wait(), LOOK_ANYWAY_SECONDS)
            except TimeoutError:
                continue
