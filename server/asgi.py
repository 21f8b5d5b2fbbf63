"""The ASGI object: for `uvicorn server.asgi:app`, and for `langgraph.json`, whose server shares the parts with it."""

from __future__ import annotations

from core.settings import load_settings
from server.app import create_app
from wiring.shared import closing_shared

app = create_app(load_settings(), opening=closing_shared)
