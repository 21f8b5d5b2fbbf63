"""Incidents: asked for by run or job, listed, told whole, and taken out of Pitstop's hands."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncSession

from core.incident import Category, Status
from server import story
from server.deps import Approver, RuntimeDep, Viewer
from server.idempotency import OnceDep
from server.intake import look_at, newest_failed_run
from server.notice import MAX_ID
from server.problems import documented
from store.idempotency import Keep
from store.views import Incident

router = APIRouter(prefix="/api/v1/incidents", tags=["incidents"])


class InvestigateIn(BaseModel):
    """What to look at: a run, or a job's newest failed run."""

    model_config = ConfigDict(extra="forbid")

    run_id: int | None = Field(default=None, gt=0, le=MAX_ID, strict=True)
    job_id: int | None = Field(default=None, gt=0, le=MAX_ID, strict=True)

    @model_validator(mode="after")
    def _one(self) -> "InvestigateIn":
        if (self.run_id is None) == (self.job_id is None):
            raise ValueError("give either run_id or job_id")
        return self


class MuteIn(BaseModel):
    """Mute, or take it back."""

    model_config = ConfigDict(extra="forbid")

    on: bool = True


class LookAgainIn(BaseModel):
    """What Pitstop should know now."""

    model_config = ConfigDict(extra="forbid")

    hint: str = Field(default="", max_length=2000)


class CloseIn(BaseModel):
    """Why, for the audit trail."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(default="", max_length=4000)


@router.post(
    "",
    status_code=201,
    response_model=story.IncidentSummary,
    responses={
        200: {"description": "It is known already", "model": story.IncidentSummary},
        **documented(401, 403, 404, 409, 422, 502, 503),
    },
)
async def investigate(
    body: InvestigateIn, runtime: RuntimeDep, caller: Approver, once: OnceDep, response: Response
) -> BaseModel | Response:
    """Look at a failed run now: 201 with its new incident, 200 with the one there is."""

    def found(row: Incident, status: int) -> story.IncidentSummary:
        response.status_code = status
        response.headers["Location"] = f"{router.prefix}/{row.id}"
        return story.summary(row)

    async def work(keep: Keep) -> story.IncidentSummary:
        async def opened(session: AsyncSession, row: Incident) -> None:
            await keep(session, found(row, 201))

        run_id = body.run_id or await newest_failed_run(runtime, body.job_id or 0)
        looked = await look_at(runtime, run_id, source="api", keep=opened)
        return found(await runtime.store.incident(looked.incident_id), 201 if looked.created else 200)

    return await once.answer(work, response)


@router.get("", responses=documented(401, 422, 503))
async def list_incidents(
    runtime: RuntimeDep,
    caller: Viewer,
    status: Annotated[list[Status] | None, Query()] = None,
    open_only: Annotated[bool, Query(alias="open", description="Only those that are not finished.")] = False,
    category: Category | None = None,
    job_id: Annotated[int | None, Query(gt=0, le=MAX_ID)] = None,
    run_id: Annotated[int | None, Query(gt=0, le=MAX_ID)] = None,
    q: Annotated[
        str, Query(max_length=200, description="Looked for in ids, job names, classes, causes.")
    ] = "",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> story.IncidentPage:
    """Newest first."""
    page = await runtime.queries.incidents(
        status=status or [],
        open_only=open_only,
        category=category,
        job_id=job_id,
        text=str(run_id) if run_id is not None else q,
        cursor=cursor,
        limit=limit,
    )
    items = [story.summary(i) for i in page.items if run_id in (None, i.run_id)]
    return story.IncidentPage(items=items, next_cursor=page.next_cursor)


@router.get("/{incident_id}", responses=documented(401, 404, 503))
async def get_incident(incident_id: str, runtime: RuntimeDep, caller: Viewer) -> story.Incident:
    """The whole story: run, evidence, similar incidents, triad, prediction, proposal, decisions, actions."""
    return await story.of(runtime.queries, incident_id)


@router.post(
    "/{incident_id}/investigate-again",
    response_model=story.IncidentSummary,
    responses=documented(401, 403, 404, 409, 422, 503),
)
async def investigate_again(
    incident_id: str,
    runtime: RuntimeDep,
    caller: Approver,
    once: OnceDep,
    response: Response,
    body: LookAgainIn | None = None,
) -> BaseModel | Response:
    """Look from the start, with what was attached since as evidence, and propose anew.

    For an incident that waits for a decision (which is withdrawn) or was left to people; else 409.
    """

    async def work(keep: Keep) -> story.IncidentSummary:
        async def begun(session: AsyncSession, row: Incident) -> None:
            await keep(session, story.summary(row))

        hint = body.hint if body else ""
        row = await runtime.store.look_again(incident_id, by=caller.name, hint=hint, keep=begun)
        return story.summary(row)

    return await once.answer(work, response)


@router.post("/{incident_id}/mute", responses=documented(401, 403, 404, 409, 503))
async def mute(
    incident_id: str, runtime: RuntimeDep, caller: Approver, body: MuteIn | None = None
) -> story.IncidentSummary:
    """Stop asking and acting; Pitstop only watches from now on. `{"on": false}` takes it back."""
    return story.summary(await runtime.store.mute(incident_id, by=caller.name, on=body.on if body else True))


@router.post("/{incident_id}/take-over", responses=documented(401, 403, 404, 409, 503))
async def take_over(incident_id: str, runtime: RuntimeDep, caller: Approver) -> story.IncidentSummary:
    """The caller mends it by hand; Pitstop only watches from now on."""
    return story.summary(await runtime.store.take_over(incident_id, by=caller.name))


@router.post("/{incident_id}/close", responses=documented(401, 403, 404, 409, 503))
async def close(
    incident_id: str, runtime: RuntimeDep, caller: Approver, body: CloseIn | None = None
) -> story.IncidentSummary:
    """It needs nobody any more."""
    note = body.note if body else ""
    return story.summary(await runtime.store.close(incident_id, by=caller.name, note=note))


@router.post("/{incident_id}/retry", responses=documented(401, 403, 404, 409, 503))
async def retry(incident_id: str, runtime: RuntimeDep, caller: Approver) -> story.IncidentSummary:
    """Go on with a broken incident where it broke."""
    return story.summary(await runtime.store.retry_broken(incident_id, by=caller.name))
