"""The fleet's page: what fails, how fast it is good again, and of how much use Pitstop is in that."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from server.console.charts import Axis, Chart, lines, stacked
from server.console.pages import frame, render
from server.console.visitors import Reader, SessionsDep
from server.console.words import duration, percent, usd
from server.deps import RuntimeDep
from store.fleet import Fleet, FleetNumbers

router = APIRouter(prefix="/console", include_in_schema=False)

DAYS = 30
PRESETS = (7, 30, 90, 365)
LONGEST = timedelta(days=3660)
EARLIEST = date(2000, 1, 1)


@router.get("/fleet")
async def fleet_page(
    runtime: RuntimeDep,
    visitor: Reader,
    sessions: SessionsDep,
    since: Annotated[str, Query(max_length=10)] = "",
    until: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """The measures of a range of days, both included, in UTC; the last thirty days unless said otherwise."""
    first, last = days(since, until, runtime.clock.now().date())
    # What has not been yet is neither up nor down.
    end = min(_midnight(last + timedelta(days=1)), runtime.clock.now())
    numbers = await Fleet(runtime.db).measure(_midnight(first), end)
    return render(
        "fleet.html",
        **frame(visitor, sessions, "fleet"),
        first=first,
        last=last,
        presets=[(n, runtime.clock.now().date() - timedelta(days=n - 1)) for n in PRESETS],
        numbers=numbers,
        tiles=tiles(numbers),
        charts=charts(numbers),
    )


def days(since: str, until: str, today: date) -> tuple[date, date]:
    """The range that was asked for, in order and not too long; what can't be read is as if it had not been given."""
    last = min(_day(until) or today, today)
    first = _day(since) or last - timedelta(days=DAYS - 1)
    if first > last:
        first, last = last, min(first, today)
    return max(first, last - LONGEST, EARLIEST), last


def _day(text: str) -> date | None:
    try:
        return max(date.fromisoformat(text), EARLIEST)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def tiles(numbers: FleetNumbers) -> list[tuple[str, str, str, str]]:
    """The figures at the top: an anchor to the definition, a name, the value, what it is made of."""
    ended = numbers.outcomes
    decided = sum(c.count for c in numbers.decisions)
    recovery = numbers.recovery
    won, trials = sum(t.successes for t in numbers.tries), sum(t.trials for t in numbers.tries)
    rated = sum(c.count for c in numbers.useful)
    liked = sum(c.count for c in numbers.useful if c.name == "useful")
    spent = sum(value for _, value, _ in numbers.cost)
    calls = sum(count for _, _, count in numbers.cost)
    return [
        ("incidents", "Incidents", f"{ended.opened:,}", f"{ended.recovered:,} recovered"),
        (
            "recovery",
            "Time to recovery",
            duration(recovery.median) if recovery else "–",
            f"median; 90% within {duration(recovery.p90)}" if recovery else "none recovered",
        ),
        (
            "hands-free",
            "Resolved hands-free",
            _share(ended.hands_free, ended.ended),
            _of(ended.hands_free, ended.ended),
        ),
        ("unasked", "Resolved unasked", _share(ended.unasked, ended.ended), _of(ended.unasked, ended.ended)),
        (
            "approved",
            "Approved as proposed",
            _share(_count(numbers, "approved"), decided),
            _of(_count(numbers, "approved"), decided),
        ),
        (
            "false",
            "False positives",
            _share(numbers.false_positives, numbers.judged),
            _of(numbers.false_positives, numbers.judged),
        ),
        ("retries", "Tries that held", _share(won, trials), _of(won, trials)),
        ("useful", "Analysis useful", _share(liked, rated), f"{_of(liked, rated)} ratings"),
        (
            "up",
            "Uptime",
            percent(numbers.up),
            f"known since {numbers.up_since:%b %d}" if numbers.up_since else "not known",
        ),
        ("cost", "Model calls", usd(spent), f"{calls:,} calls"),
    ]


def _count(numbers: FleetNumbers, name: str) -> int:
    return sum(c.count for c in numbers.decisions if c.name == name)


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "–"


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}"


def charts(numbers: FleetNumbers) -> dict[str, Chart]:
    """The charts by their ids."""
    axis = Axis.over(numbers.since, numbers.until, numbers.bucket)
    over_time: dict[str, dict[datetime, Any]] = {
        "median": {r.at: r.median for r in numbers.recovery_over_time if r.at},
        "90th percentile": {r.at: r.p90 for r in numbers.recovery_over_time if r.at},
    }
    return {
        "classes": stacked("classes", "Failures by class", axis, numbers.classes),
        "recovery": lines("recovery", "Time to recovery", axis, over_time),
        "decisions": stacked("decisions", "What became of proposals", axis, numbers.decisions),
        "useful": stacked("useful", "Ratings of the analysis", axis, numbers.useful),
        "cost": stacked(
            "cost",
            "Cost of model calls",
            axis,
            [(at, "US dollars", value) for at, value, _ in numbers.cost],
            usd,
            least=0.0,
        ),
    }
