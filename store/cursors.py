"""Cursors of pages: where the last one ended, in a form that is ours to read."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from core.errors import InvalidInput


def encode(at: datetime, row_id: str) -> str:
    """The cursor behind the row of this time and id."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), row_id]).encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime, str]:
    """The time and id that a cursor stands for. Raises: InvalidInput: it is none of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, row_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not isinstance(row_id, str):
            raise ValueError(cursor)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise InvalidInput(
            "The cursor is not one that was given out.", hint="Begin at the first page."
        ) from error
    return moment, row_id
