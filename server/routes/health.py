"""Is the process up, can it work, and what has it done: for machines."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from core.errors import PitstopError
from server.deps import MetricsDep, RuntimeDep
from server.metrics import action_counts
from server.problems import documented
from store.migrate import check_schema
from wiring.queue import job_counts
from wiring.runtime import Runtime

router = APIRouter(tags=["health"])

#: While they are well, the workspace and the schema are asked for this often, however often a probe comes.
REMEMBER_SECONDS = 30.0
CHECK_SECONDS = 5.0


class Check(BaseModel):
    """One part."""

    ok: bool
    detail: str = ""


class Readiness(BaseModel):
    """Whether every part answers."""

    ready: bool
    checks: dict[str, Check]


class Remembered:
    """A check whose good answer holds for a while; a bad one is asked for again with the next probe."""

    def __init__(self, ask: Callable[[Runtime], Awaitable[Any]]) -> None:
        self._ask = ask
        self._at = float("-inf")
        self._last = Check(ok=False, detail="not asked yet")
        self._busy = asyncio.Lock()

    async def check(self, runtime: Runtime) -> Check:
        """The last answer, or a new one when that is bad or too old."""
        async with self._busy:
            if not self._last.ok or time.monotonic() - self._at > REMEMBER_SECONDS:
                self._last = await _check(lambda: self._ask(runtime))
                self._at = time.monotonic()
            return self._last


def slow_checks() -> dict[str, Remembered]:
    """What is not asked for with every probe."""
    return {
        "schema": Remembered(lambda runtime: asyncio.to_thread(check_schema, runtime.db.libpq_url)),
        "workspace": Remembered(lambda runtime: runtime.workspace.whoami()),
    }


@router.get("/healthz", response_model=dict[str, str])
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "Something is missing"}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Database, queue and schema are as they should be, and the workspace answers (asked now and then).

    An unreachable workspace is told and does not make Pitstop unready: what comes is kept and worked on later.
    """
    runtime: Runtime | None = getattr(request.app.state, "runtime", None)
    if runtime is None:
        response.status_code = 503
        return Readiness(ready=False, checks={"runtime": Check(ok=False, detail="starting")})
    slow: dict[str, Remembered] = request.app.state.slow_checks
    asked = {
        "database": _check(runtime.db.ping),
        "queue": _check(lambda: job_counts(runtime.queue)),
        **{name: check.check(runtime) for name, check in slow.items()},
    }
    checks = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
    ready = all(check.ok for name, check in checks.items() if name != "workspace")
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, checks=checks)


@router.get("/metrics", responses=documented(503), response_class=Response)
async def metrics(runtime: RuntimeDep, numbers: MetricsDep) -> Response:
    """Prometheus' text format."""
    counts, jobs, actions = await asyncio.gather(
        runtime.queries.counts(), job_counts(runtime.queue), action_counts(runtime.db)
    )
    return Response(
        numbers.render(counts, jobs, actions), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


async def _check(ask: Callable[[], Awaitable[Any]]) -> Check:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            answer = await ask()
    except TimeoutError:
        return Check(ok=False, detail=f"no answer in {CHECK_SECONDS:.0f} s")
    except (PitstopError, psycopg.Error) as error:
        return Check(ok=False, detail=str(error).strip())
    return Check(ok=True, detail=answer if isinstance(answer, str) else "")
