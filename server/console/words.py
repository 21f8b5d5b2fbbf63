"""How the console says numbers, times and names: short, the same everywhere, safe on missing values."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

from core.words import MISSING, deed, duration, words


def percent(value: float | None) -> str:
    """0.834 -> "83%"; a chance that is not certain never reads as certain."""
    if value is None:
        return MISSING
    whole = round(value * 100)
    if whole == 100 and value < 1:
        return "> 99%"
    return "< 1%" if whole == 0 and value > 0 else f"{whole}%"


def size(count: int | None) -> str:
    """Bytes as B, kB or MB (powers of 1000)."""
    if count is None:
        return MISSING
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def clock(value: str | datetime | None) -> str:
    """A time to the second, in UTC."""
    at = _time(value)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else MISSING


def moment(value: str | datetime | None) -> str:
    """A time of the timeline: day and second, in UTC."""
    at = _time(value)
    return at.strftime("%b %d %H:%M:%S") if at else MISSING


def ago(value: str | datetime | None, now: datetime | None = None) -> str:
    """How long ago, in one unit; the future reads as "in 5 min"."""
    at = _time(value)
    if at is None:
        return MISSING
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    distance = abs(seconds)
    if distance < 5:
        return "just now"
    for limit, unit, name in (
        (90, 1, "s"),
        (5400, 60, "min"),
        (129_600, 3600, "h"),
        (float("inf"), 86_400, "d"),
    ):
        if distance < limit:
            text = f"{round(distance / unit)} {name}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return MISSING


def left(value: str | datetime | None, now: datetime | None = None) -> str:
    """How much time is left until then: "3 h 10 min"; "none" when it is over."""
    at = _time(value)
    if at is None:
        return MISSING
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    return duration(seconds if seconds < 3600 else seconds // 60 * 60) if seconds > 0 else "none"


def usd(value: float | None) -> str:
    """US dollars: cents, and more digits below one."""
    if value is None:
        return MISSING
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"


def _time(value: str | datetime | None) -> datetime | None:
    if not value:
        return None
    at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def link(url: str | None) -> str:
    """An address that may be a link; anything but http(s) (such as `javascript:`) gives nothing."""
    return url if url and urlsplit(url).scheme in ("http", "https") else ""


#: What was taken out of a text says so in its place (`tools.redaction`).
_SECRET = re.compile(r"(\[REDACTED:[^\]\n]{1,60}\])")


def parts(text: str) -> list[tuple[bool, str]]:
    """A line in parts: whether each is the mark of a secret that was taken out, and its text."""
    return [(n % 2 == 1, part) for n, part in enumerate(_SECRET.split(text)) if part]


FILTERS = {
    "parts": parts,
    "deed": deed,
    "moment": moment,
    "link": link,
    "words": words,
    "percent": percent,
    "duration": duration,
    "size": size,
    "clock": clock,
    "ago": ago,
    "left": left,
    "usd": usd,
}
