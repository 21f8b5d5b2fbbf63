"""Column types that keep what Postgres can't out of it, and what must stay exact as it is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

REPLACEMENT = "�"


def clean_text(text: str) -> str:
    """`text` without what Postgres refuses: NUL and lone surrogates become U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", REPLACEMENT)
    if text.isascii():
        return text
    # A lone surrogate can't be encoded; "replace" would write "?", which reads like part of the text.
    return "".join(REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in text)


def clean_json(value: Any) -> Any:
    """A JSON value that JSONB accepts: texts as `clean_text`, numbers that are not finite as null."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


class CleanText(TypeDecorator[str]):
    """Text from outside (job names, log lines, comments), cleaned on its way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Clean a value about to be written or compared."""
        return None if value is None else clean_text(str(value))


class CleanJson(TypeDecorator[Any]):
    """JSONB, cleaned on its way in."""

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Clean a value about to be written or compared."""
        return clean_json(value)


class Instant(TypeDecorator[datetime]):
    """A point in time: aware on the way in, UTC on the way out, whatever the session's time zone is."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: it would be read in the server's."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The same instant in UTC."""
        return None if value is None else value.astimezone(UTC)
