"""Texts kept whole: read as plain text, whatever they say; and what people attach."""

from typing import Annotated

from fastapi import APIRouter, UploadFile
from fastapi.responses import PlainTextResponse, Response

from core.errors import NotFound
from server import story
from server.attachments import keep_attachment
from server.deps import Approver, RuntimeDep, Viewer
from server.problems import documented
from wiring.runtime import Runtime

router = APIRouter(prefix="/api/v1/incidents/{incident_id}", tags=["incidents"])

_TEXT = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The redacted text"}}


@router.get(
    "/artifacts/{artifact_id}",
    response_class=PlainTextResponse,
    responses={**_TEXT, **documented(401, 404, 503)},
)
async def get_artifact(incident_id: str, artifact_id: str, runtime: RuntimeDep, caller: Viewer) -> Response:
    """One text, whole."""
    return await as_plain_text(runtime, incident_id, artifact_id)


@router.post(
    "/attachments",
    status_code=201,
    responses=documented(401, 403, 404, 413, 415, 422, 503),
)
async def attach(
    incident_id: str, file: Annotated[UploadFile, ...], runtime: RuntimeDep, caller: Approver
) -> story.ArtifactOut:
    """Attach a log (`.log`, `.txt`) or a screenshot (`.png`, `.jpg`); its text is redacted and kept, a picture is not."""
    kept = await keep_attachment(runtime, incident_id, file.filename or "", await file.read(), caller)
    return story.ArtifactOut.model_validate(kept.model_dump())


async def as_plain_text(runtime: Runtime, incident_id: str, artifact_id: str) -> Response:
    """An artifact of this incident as text that no browser takes for anything else.

    Raises:
        NotFound: There is none of this id, or it is another incident's.
    """
    detail = await runtime.queries.incident(incident_id)
    if artifact_id not in {a.id for a in detail.artifacts}:
        raise NotFound(f"Incident {incident_id} has no artifact {artifact_id}.")
    headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "inline"}
    return PlainTextResponse(await runtime.store.get_artifact(artifact_id), headers=headers)
