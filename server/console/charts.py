"""Charts as numbers: bars stacked over time, and points over time, for templates to print as SVG and as tables."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from server.console.words import duration
from store.fleet import Bucket, Count

WIDTH, HEIGHT = 560, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 10, 26
#: More series than this are drawn as one, named "other".
SERIES = 6
OTHER = "other"
TICKS = 4

#: Seconds in the units of an axis of durations.
UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

Say = Callable[[float], str]


@dataclass(frozen=True)
class Rect:
    """One bar (px); `series` counts from 1; `says` is its tooltip."""

    x: float
    y: float
    width: float
    height: float
    series: int
    says: str


@dataclass(frozen=True)
class Chart:
    """One chart: bars or points, labels of both axes, the legend, and the same numbers as a table."""

    id: str
    title: str
    bars: list[Rect] = field(default_factory=list)
    #: Series -> its points (x, y, tooltip) in order, and the path through them.
    points: list[tuple[int, float, float, str]] = field(default_factory=list)
    paths: list[tuple[int, str]] = field(default_factory=list)
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    x_ticks: list[tuple[float, str]] = field(default_factory=list)
    legend: list[tuple[int, str, str]] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.bars and not self.points


@dataclass(frozen=True)
class Axis:
    """The buckets of time from left to right."""

    at: list[datetime]
    bucket: Bucket

    @classmethod
    def over(cls, since: datetime, until: datetime, bucket: Bucket) -> Axis:
        """All buckets that touch [since, until), empty ones too."""
        at, found = _begin(since, bucket), []
        while at < until:
            found.append(at)
            at = _next(at, bucket)
        return cls(found, bucket)

    def x(self, number: int) -> float:
        """The left edge of a bucket, px."""
        return LEFT + number * self.step

    @property
    def step(self) -> float:
        """The width of a bucket, px."""
        return (WIDTH - LEFT - RIGHT) / max(1, len(self.at))

    def label(self, at: datetime) -> str:
        """A bucket as one reads it."""
        return at.strftime(
            {"hour": "%b %d %H:00", "day": "%b %d", "week": "%b %d", "month": "%b %Y"}[self.bucket]
        )

    def ticks(self) -> list[tuple[float, str]]:
        """Labels under the axis, few enough to be read."""
        every = max(1, math.ceil(len(self.at) / 7))
        return [(self.x(n) + self.step / 2, self.label(at)) for n, at in enumerate(self.at) if n % every == 0]


def stacked(
    id: str,
    title: str,
    axis: Axis,
    counts: Iterable[Count | tuple[datetime, str, float]],
    say: Say = "{:g}".format,
    least: float = TICKS,
) -> Chart:
    """Bars stacked over time, the largest series at the bottom; beyond `SERIES` they are put together.

    The axis reaches at least to `least`, so that counts have whole numbers on it.
    """
    values: dict[str, dict[datetime, float]] = defaultdict(dict)
    for count in counts:
        at, name, value = (count.at, count.name, count.count) if isinstance(count, Count) else count
        values[name][at] = value
    names = _merged(values)
    if not names:
        return Chart(id, title)
    totals = [sum(values[name].get(at, 0) for name in names) for at in axis.at]
    top = nice(max([*totals, least]))
    bars: list[Rect] = []
    for number, at in enumerate(axis.at):
        y = float(HEIGHT - BOTTOM)
        for series, name in enumerate(names, 1):
            value = values[name].get(at, 0)
            if not value:
                continue
            height = (HEIGHT - TOP - BOTTOM) * value / top
            y -= height
            says = f"{axis.label(at)}: {name.replace('_', ' ')} {say(value)}"
            bars.append(Rect(axis.x(number) + 1, y, max(1.0, axis.step - 2), height, series, says))
    return Chart(
        id,
        title,
        bars=bars,
        y_ticks=_y_ticks(top, say),
        x_ticks=axis.ticks(),
        legend=[(n, name, say(sum(values[name].values()))) for n, name in enumerate(names, 1)],
        head=["", *names],
        rows=[
            [axis.label(at), *(say(values[name].get(at, 0)) for name in names)]
            for at, total in zip(axis.at, totals, strict=True)
            if total
        ],
    )


def lines(id: str, title: str, axis: Axis, series: dict[str, dict[datetime, float]]) -> Chart:
    """Durations (seconds) over time: points with a line through them, one line a series."""
    highest = max((value for values in series.values() for value in values.values()), default=0)
    if not highest:
        return Chart(id, title)
    unit, name_of = next((u for u in UNITS if highest >= 2 * u[0]), UNITS[-1])
    top = nice(highest / unit) * unit
    points: list[tuple[int, float, float, str]] = []
    paths: list[tuple[int, str]] = []
    for number, (name, values) in enumerate(series.items(), 1):
        place = [
            (
                axis.x(n) + axis.step / 2,
                _y(values[at], top),
                f"{axis.label(at)}: {name} {duration(values[at])}",
            )
            for n, at in enumerate(axis.at)
            if at in values
        ]
        points += [(number, x, y, says) for x, y, says in place]
        paths.append((number, "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in place)))
    return Chart(
        id,
        title,
        points=points,
        paths=paths,
        y_ticks=_y_ticks(top, lambda value: f"{value / unit:g} {name_of}"),
        x_ticks=axis.ticks(),
        legend=[(n, name, "") for n, name in enumerate(series, 1)],
        head=["", *series],
        rows=[
            [axis.label(at), *(duration(values[at]) if at in values else "" for values in series.values())]
            for at in axis.at
            if any(at in values for values in series.values())
        ],
    )


def nice(value: float) -> float:
    """The top of an axis: at least `value`, and a quarter of it is a round number too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1.2, 1.6, 2, 2.4, 3.2, 4, 8, 12) if m * power >= value * (1 - 1e-9))


def _merged(values: dict[str, dict[datetime, float]]) -> list[str]:
    """Names by their totals; the small ones are put into `OTHER`."""
    names = sorted(values, key=lambda name: (-sum(values[name].values()), name))
    if len(names) <= SERIES:
        return names
    rest: dict[datetime, float] = defaultdict(float)
    for name in names[SERIES - 1 :]:
        for at, value in values[name].items():
            rest[at] += value
    values[OTHER] = dict(rest)
    return [*(n for n in names[: SERIES - 1] if n != OTHER), OTHER]


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _y_ticks(top: float, say: Say) -> list[tuple[float, str]]:
    steps: Sequence[float] = [top * n / TICKS for n in range(TICKS + 1)]
    return [(_y(value, top), say(value)) for value in steps]


def _begin(at: datetime, bucket: Bucket) -> datetime:
    """As Postgres' date_trunc does in UTC: weeks begin on Monday."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return hour
    day = hour.replace(hour=0)
    if bucket == "day":
        return day
    return day - timedelta(days=day.weekday()) if bucket == "week" else day.replace(day=1)


def _next(at: datetime, bucket: Bucket) -> datetime:
    if bucket == "month":
        return (at + timedelta(days=32)).replace(day=1)
    return at + {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[bucket]
