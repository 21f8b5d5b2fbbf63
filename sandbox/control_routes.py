"""The sandbox's own controls under /_sandbox: scenarios, time, faults, webhooks, people, and what happened."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.box import box_of
from sandbox.faults import Fault
from sandbox.reading import body_of
from sandbox.refusal import Refusal, invalid
from sandbox.script import WebhookMode
from sandbox.webhooks import Target

Json = dict[str, Any]
T = TypeVar("T")


class StartOptions(BaseModel):
    """Overrides of a scenario's own settings."""

    model_config = ConfigDict(extra="forbid")

    clock_speed: float | None = Field(default=None, gt=0)
    webhook: WebhookMode | None = None


class OutageSize(BaseModel):
    """How many jobs an outage hits, and how many of their runs."""

    model_config = ConfigDict(extra="forbid")

    jobs: int = Field(default=40, ge=1, le=1000)
    runs: int = Field(default=300, ge=1, le=10_000)


class Advance(BaseModel):
    """Move the clock by real `seconds`, or as far as the run `until_run` has ended."""

    model_config = ConfigDict(extra="forbid")

    seconds: float | None = Field(default=None, ge=0)
    until_run: int | None = None


async def health(request: Request) -> JSONResponse:
    """GET health"""
    return JSONResponse({"ok": True, "workspace_id": box_of(request).workspace.workspace_id})


async def scenarios(request: Request) -> JSONResponse:
    """GET scenarios: name, title, category and what is expected of each."""
    found = box_of(request).stage.scenarios().values()
    return JSONResponse(
        {
            "scenarios": [
                {"name": s.name, "title": s.title, "category": s.category, "expect": s.expect.model_dump()}
                for s in found
            ]
        }
    )


async def start(request: Request) -> JSONResponse:
    """POST scenarios/NAME/start: the ids of the job and the run, and those of the other jobs by name."""
    box = box_of(request)
    options = _read(StartOptions, await body_of(request))
    play = box.stage.start(
        request.path_params["name"], clock_speed=options.clock_speed, webhook=options.webhook
    )
    jobs = [box.workspace.jobs[job_id] for job_id in play.job_ids]
    return JSONResponse(
        {
            "name": play.scenario.name,
            "job_id": jobs[-1].job_id,
            "run_id": play.run_id,
            "jobs": {job.name: job.job_id for job in jobs},
            "expect": play.scenario.expect.model_dump(),
        }
    )


async def begin_outage(request: Request) -> JSONResponse:
    """POST outages/NAME/start: the ids of the jobs that it hits and of the runs that fail by it."""
    size = _read(OutageSize, await body_of(request))
    jobs, run_ids = box_of(request).outages.begin(request.path_params["name"], jobs=size.jobs, runs=size.runs)
    return JSONResponse({"job_ids": [job.job_id for job in jobs], "run_ids": run_ids})


async def end_outage(request: Request) -> JSONResponse:
    """POST outages/NAME/end: it is over; `ended` is false when it was not going on."""
    return JSONResponse({"ended": box_of(request).outages.end(request.path_params["name"])})


async def record(request: Request) -> JSONResponse:
    """GET record: the changes that took effect, oldest first, filtered by kind, by, job_id and run_id."""
    wanted = {key: value for key, value in request.query_params.items() if value}
    actions = [asdict(action) for action in box_of(request).journal.actions]
    found = [a for a in actions if all(str(a.get(key)) == value for key, value in wanted.items())]
    return JSONResponse({"actions": found})


async def requests(request: Request) -> JSONResponse:
    """GET requests: every request to the API, oldest first; `path` filters by a part of it."""
    part = request.query_params.get("path", "")
    found = [asdict(entry) for entry in box_of(request).journal.requests if part in entry.path]
    return JSONResponse({"requests": found})


async def faults(request: Request) -> JSONResponse:
    """GET, POST or DELETE faults: those in force, one more, none any more."""
    box = box_of(request)
    if request.method == "POST":
        fault = box.faults.add(_read(Fault, await body_of(request)))
        return JSONResponse(fault.model_dump(), status_code=201)
    if request.method == "DELETE":
        box.faults.clear()
    return JSONResponse({"faults": [fault.model_dump() for fault in box.faults.active]})


async def webhook(request: Request) -> JSONResponse:
    """GET or POST webhook: where notifications go and how; a POST of null or {} sends them nowhere."""
    box = box_of(request)
    if request.method == "POST":
        body = await body_of(request)
        box.webhooks.target = _read(Target, body) if body else None
    target = box.webhooks.target
    return JSONResponse(
        {
            "target": {**asdict(target), "password": "***" if target.password else None} if target else None,
            "deliveries": [asdict(delivery) for delivery in box.webhooks.deliveries],
        }
    )


async def advance(request: Request) -> JSONResponse:
    """POST advance: move the clock; what falls due on the way happens."""
    box = box_of(request)
    wish = _read(Advance, await body_of(request))
    reached = True
    if wish.seconds is not None:
        box.workspace.timeline.advance(wish.seconds)
    if wish.until_run is not None:
        run = box.workspace.run(wish.until_run)
        reached = box.workspace.timeline.advance_until(lambda: run.over)
    return JSONResponse({"now": box.workspace.clock.now(), "reached": reached})


async def person(request: Request) -> JSONResponse:
    """POST runs/ID/repair or runs/ID/cancel: a person does it by hand."""
    box = box_of(request)
    run = box.workspace.run(int(request.path_params["run_id"]))
    done = box.stage.by_hand(run, request.path_params["what"])
    if not done:
        raise Refusal(409, "INVALID_STATE", f"There is nothing to {request.path_params['what']}.")
    return JSONResponse({"run_id": run.run_id, "repair_id": run.latest_repair_id})


async def schedule(request: Request) -> JSONResponse:
    """POST jobs/ID/schedule: the job's schedule fires, unless it is paused."""
    box = box_of(request)
    job = box.workspace.job(int(request.path_params["job_id"]))
    if (job.settings.get("schedule") or {}).get("pause_status") == "PAUSED":
        raise Refusal(409, "INVALID_STATE", "The schedule is paused.")
    run = box.engine.start(job.settings, job=job, trigger="PERIODIC")
    box.journal.action("run_now", run.start_time, {}, by="schedule", job_id=job.job_id, run_id=run.run_id)
    return JSONResponse({"run_id": run.run_id})


def _read(kind: type[T], body: Json) -> T:
    try:
        return TypeAdapter(kind).validate_python(body)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise invalid(faults) from error


def routes() -> list[Route]:
    """All routes of this module."""
    base = "/_sandbox"
    return [
        Route(f"{base}/health", health, methods=["GET"]),
        Route(f"{base}/scenarios", scenarios, methods=["GET"]),
        Route(f"{base}/scenarios/{{name}}/start", start, methods=["POST"]),
        Route(f"{base}/outages/{{name}}/start", begin_outage, methods=["POST"]),
        Route(f"{base}/outages/{{name}}/end", end_outage, methods=["POST"]),
        Route(f"{base}/record", record, methods=["GET"]),
        Route(f"{base}/requests", requests, methods=["GET"]),
        Route(f"{base}/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route(f"{base}/webhook", webhook, methods=["GET", "POST"]),
        Route(f"{base}/advance", advance, methods=["POST"]),
        Route(f"{base}/runs/{{run_id:int}}/{{what}}", person, methods=["POST"]),
        Route(f"{base}/jobs/{{job_id:int}}/schedule", schedule, methods=["POST"]),
    ]
