"""Reading requests, and the answers' common parts."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from starlette.requests import Request

from sandbox.refusal import Refusal, invalid

Json = dict[str, Any]


async def body_of(request: Request) -> Json:
    """The JSON object in the body; an empty body is an empty object.

    Raises:
        Refusal: 400, it is no JSON object.
    """
    raw = await request.body()
    try:
        body = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise Refusal(400, "MALFORMED_REQUEST", f"Could not parse request object: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "MALFORMED_REQUEST", "Could not parse request object: Expected an object.")
    return body


def integer(source: Any, name: str, default: int | None = None) -> int:
    """A whole number from a body or query; numbers in strings are taken, too.

    Raises:
        Refusal: 400, it is missing (and there is no default) or no number.
    """
    value = source.get(name)
    if value is None or value == "":
        if default is None:
            raise invalid(f"Missing required field: {name}")
        return default
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise invalid(f"Could not parse '{value}' as a number for field '{name}'.") from error


def flag(source: Any, name: str) -> bool:
    """A truth value from a body or query, False when it is missing."""
    value = source.get(name)
    return value is True or str(value).lower() == "true"


def text_map(body: Json, name: str) -> dict[str, str]:
    """A mapping of strings from a body, empty when it is missing.

    Raises:
        Refusal: 400, it is something else.
    """
    value = body.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise invalid(f"Field '{name}' must be a map of strings.")
    return value


def page_token(position: str) -> str:
    """An opaque token for a position in a list."""
    return base64.urlsafe_b64encode(position.encode()).decode()


def page_position(token: str | None) -> str:
    """The position in a token, empty without one.

    Raises:
        Refusal: 400, it is not one of ours.
    """
    try:
        return base64.urlsafe_b64decode((token or "").encode()).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid("Invalid page token.") from error
