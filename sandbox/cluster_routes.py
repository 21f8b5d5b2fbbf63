"""Clusters API: get and events."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.box import box_of
from sandbox.reading import body_of, integer, page_position, page_token
from sandbox.refusal import invalid

DEFAULT_LIMIT, MAX_LIMIT = 50, 500


async def get(request: Request) -> JSONResponse:
    """GET clusters/get"""
    box = box_of(request)
    cluster = box.workspace.cluster(request.query_params.get("cluster_id", ""))
    return JSONResponse(cluster.describe(box.workspace.timeline.now))


async def events(request: Request) -> JSONResponse:
    """POST clusters/events: newest first unless asked otherwise, 50 to a page, 500 at most."""
    box, body = box_of(request), await body_of(request)
    cluster = box.workspace.cluster(str(body.get("cluster_id", "")))
    limit = integer(body, "page_size", 0) or integer(body, "limit", DEFAULT_LIMIT)
    if not 0 < limit <= MAX_LIMIT:
        raise invalid(f"Limit must be greater than 0 and at most {MAX_LIMIT}.")
    offset = integer({"at": page_position(body.get("page_token"))}, "at", 0) or integer(body, "offset", 0)
    earliest, latest = integer(body, "start_time", 0), integer(body, "end_time", 2**63)
    kinds = body.get("event_types")
    found = [
        event
        for event in cluster.seen(box.workspace.timeline.now)
        if earliest <= event["timestamp"] <= latest and (not kinds or event["type"] in kinds)
    ]
    if body.get("order", "DESC") == "DESC":
        found.reverse()
    answer: dict[str, Any] = {"events": found[offset : offset + limit], "total_count": len(found)}
    if len(found) > offset + limit:
        kept = {key: value for key, value in body.items() if key != "page_token"}
        answer["next_page"] = {**kept, "offset": offset + limit, "limit": limit}
        answer["next_page_token"] = page_token(str(offset + limit))
    return JSONResponse(answer)


def routes(prefix: str) -> list[Route]:
    """The routes under a version's prefix, such as /api/2.1."""
    return [
        Route(f"{prefix}/clusters/get", get, methods=["GET"]),
        Route(f"{prefix}/clusters/events", events, methods=["POST"]),
    ]
