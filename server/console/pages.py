"""Rendering: one Jinja environment, everything escaped, a missing variable an error."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.console.visitors import reviewer
from server.console.words import FILTERS
from server.sessions import Sessions, Visitor

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals["static"] = _static
    return environment


@lru_cache
def _static(name: str) -> str:
    """The address of a static file, new with its content, so that browsers may keep it for good."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/console/static/{name}?v={digest}"


def render(name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """One template as a response; nothing of it is kept by a cache."""
    return HTMLResponse(_environment().get_template(name).render(context), status_code=status)


def frame(visitor: Visitor, sessions: Sessions, show: str = "", news: str = "") -> dict[str, Any]:
    """What every page's frame needs: who is there, which part this is, and what news it wants to hear of.

    Args:
        visitor: Who is signed in.
        sessions: Makes the token for the forms.
        show: The entry of the navigation that is marked.
        news: An incident's id; without one, news of every incident.
    """
    return {"caller": reviewer(visitor), "csrf": sessions.csrf(visitor.secret), "show": show, "news": news}
