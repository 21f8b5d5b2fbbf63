"""The console's first pages: the queue of what waits for a decision, and the lists of incidents."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from core.incident import FINISHED, Category, Reviewer, Status
from server.console import queue
from server.console.pages import frame, render
from server.console.visitors import Reader, SessionsDep, reviewer
from server.deps import RuntimeDep
from store.waiting import WaitingRoom
from wiring.runtime import Runtime

router = APIRouter(prefix="/console", include_in_schema=False)

PAGE = 50
#: Nobody turns more pages of a queue than these make: a filter finds the others.
MOST = 1000
QUEUE = "waiting"
#: The lists of incidents beside the queue.
LISTS: dict[str, tuple[str, dict[str, Any]]] = {
    "open": ("Open incidents", {"open_only": True}),
    "finished": ("Finished incidents", {"status": sorted(FINISHED)}),
    "all": ("All incidents", {}),
}

Text = Annotated[str, Query(max_length=100)]


@router.get("")
async def first_page(
    request: Request,
    runtime: RuntimeDep,
    visitor: Reader,
    sessions: SessionsDep,
    show: Text = QUEUE,
    q: Text = "",
    category: Text = "",
    failure_class: Annotated[str, Query(alias="class", max_length=100)] = "",
    status: Text = "",
    who: Text = "",
    page: Annotated[int, Query(ge=1, le=100)] = 1,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Response:
    """The queue, or a list; asked for by htmx, only its rows."""
    me = reviewer(visitor)
    filters = {
        "show": show if show in LISTS else QUEUE,
        "q": q,
        "category": category if category in list(Category) else "",
        "class": failure_class,
        "status": status if status in list(Status) else "",
        "who": who if who in ("mine", "everyone") else _who(me),
    }
    make = _list if filters["show"] in LISTS else _queue
    found = await make(runtime, me, filters, page, cursor)
    context = {
        **frame(visitor, sessions, "queue" if filters["show"] == QUEUE else "incidents"),
        "filters": filters,
        "filtered": bool(q or filters["category"] or failure_class or filters["status"]),
        "categories": list(Category),
        "statuses": list(Status),
        **found,
    }
    return render(found["rows" if "HX-Request" in request.headers else "page"], **context)


def _who(me: Reviewer) -> str:
    """Whose questions are shown at first: a viewer decides none, and sees all."""
    return "everyone" if me.role == "viewer" else "mine"


def _address(filters: dict[str, str], **more: str | int) -> str:
    """The page's own address; what is not set is left out."""
    return f"/console?{urlencode({k: v for k, v in {**filters, **more}.items() if v})}"


async def _queue(
    runtime: Runtime, me: Reviewer, filters: dict[str, str], page: int, cursor: str | None
) -> dict[str, Any]:
    found = await WaitingRoom(runtime.db, runtime.clock).all(
        reviewer=me if filters["who"] == "mine" else None,
        category=Category(filters["category"]) if filters["category"] else None,
        failure_class=filters["class"],
        text=filters["q"],
    )
    lines = queue.lines(found.items, runtime.policy, runtime.clock.now(), me)[:MOST]
    shown = lines[(page - 1) * PAGE : page * PAGE]
    return {
        "page": "queue.html",
        "rows": "_queue.html",
        "lines": shown,
        "first": (page - 1) * PAGE,
        "count": found.total,
        "shown": len(lines),
        "weighed": len(found.items),
        "live": _address(filters, page=page),
        "next": _address(filters, page=page + 1) if len(lines) > page * PAGE else "",
    }


async def _list(
    runtime: Runtime, me: Reviewer, filters: dict[str, str], page: int, cursor: str | None
) -> dict[str, Any]:
    heading, which = LISTS[filters["show"]]
    wanted: dict[str, Any] = {"status": [Status(filters["status"])]} if filters["status"] else which
    found = await runtime.queries.incidents(
        **wanted,
        category=Category(filters["category"]) if filters["category"] else None,
        failure_class=filters["class"],
        text=filters["q"],
        cursor=cursor,
        limit=PAGE,
    )
    return {
        "page": "list.html",
        "rows": "_rows.html",
        "heading": heading,
        "items": found.items,
        "live": _address(filters, cursor=cursor or ""),
        "next": _address(filters, cursor=found.next_cursor) if found.next_cursor else "",
    }
