"""The hours in which people are not to be woken, and the time that runs outside of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, field_validator

#: So many nights stop the time of a question; after that it runs on by night too.
MOST_NIGHTS = 60
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


class QuietHours(BaseModel):
    """Local hours in which only critical jobs send messages, as `HH:MM` in `timezone`; they may span midnight.

    Where both are the same there are none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str = "22:00"
    end: str = "07:00"
    timezone: str = "UTC"

    @field_validator("start", "end", mode="before")
    @classmethod
    def _is_a_clock_time(cls, value: object) -> object:
        # Without quotes, YAML reads 22:00 as the number 1320.
        if isinstance(value, str) and _CLOCK.fullmatch(value):
            return value
        raise ValueError(
            f'{value!r} is no time of day; write two digits each and quotes, as in "07:00" (midnight is "00:00")'
        )

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, LookupError):
            raise ValueError(
                f"{value!r} is no time zone of the IANA database, such as Europe/Berlin or UTC"
            ) from None
        return value

    def until(self, now: datetime) -> datetime | None:
        """When the quiet hours that `now` falls into end; None outside of them."""
        start, end = self._start, self._end
        local = now.astimezone(self._zone)
        at = local.time()
        inside = start <= at < end if start <= end else at >= start or at < end
        return self._next(end, local).astimezone(now.tzinfo) if inside else None

    def open_until(self, begin: datetime, length: timedelta) -> datetime:
        """When `length` has passed since `begin`, not counting quiet hours (of the first `MOST_NIGHTS` nights)."""
        at, left = begin.astimezone(UTC), length
        for _ in range(MOST_NIGHTS):
            at = self.until(at) or at
            if self._start == self._end:
                break
            night = self._next(self._start, at.astimezone(self._zone)).astimezone(UTC)
            if night - at >= left:
                break
            at, left = night, left - (night - at)
        return (at + left).astimezone(begin.tzinfo)

    def open_between(self, begin: datetime, end: datetime) -> timedelta:
        """How much of the time between the two is outside of quiet hours, as `open_until` counts it."""
        at, found = begin.astimezone(UTC), timedelta()
        for _ in range(MOST_NIGHTS):
            at = self.until(at) or at
            if at >= end:
                return found
            if self._start == self._end:
                break
            night = self._next(self._start, at.astimezone(self._zone)).astimezone(UTC)
            found += min(night, end) - at
            at = night
        return found + max(end - at, timedelta())

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def _start(self) -> time:
        return time.fromisoformat(self.start)

    @property
    def _end(self) -> time:
        return time.fromisoformat(self.end)

    @staticmethod
    def _next(clock: time, local: datetime) -> datetime:
        """The next time that the clock shows `clock`, after `local`."""
        there = local.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0)
        return there if there > local else there + timedelta(days=1)
