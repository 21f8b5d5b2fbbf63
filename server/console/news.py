"""News for the pages that are open: that something happened, never what. A page then asks for its parts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from server.console.visitors import Reader
from server.deps import NewsDep
from server.live import EVERYTHING, News

router = APIRouter(prefix="/console", include_in_schema=False)

#: Bursts are told once in this time.
PAUSE_SECONDS = 0.5
#: A stream ends after this, and the browser asks again: then whoever was signed out meanwhile gets none.
LIFETIME_SECONDS = 300.0


@router.get("/news", response_class=EventSourceResponse)
async def stream(
    visitor: Reader, news: NewsDep, incident: Annotated[str, Query(max_length=100)] = EVERYTHING
) -> Response:
    """Server-sent events without content, one whenever something of an incident (or of any) was committed."""
    return EventSourceResponse(_follow(news, incident), send_timeout=30)


async def _follow(news: News, incident_id: str) -> AsyncIterator[ServerSentEvent]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFETIME_SECONDS
    with news.watch(incident_id) as fresh:
        yield ServerSentEvent(event="hello", data="", retry=2000)
        while (remaining := ends - loop.time()) > 0:
            try:
                await asyncio.wait_for(fresh.wait(), remaining)
            except TimeoutError:
                return
            fresh.clear()
            yield ServerSentEvent(event="news", data="")
            await asyncio.sleep(PAUSE_SECONDS)
