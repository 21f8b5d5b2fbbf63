"""A text kept whole, as a page: its lines numbered, the decisive ones marked, some hundred at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from core.errors import NotFound
from server.console.pages import frame, render
from server.console.surroundings import PLACES
from server.console.visitors import Reader, SessionsDep
from server.deps import RuntimeDep
from server.routes.artifacts import as_plain_text
from store.texts import Found, Line, Passage, Texts
from store.views import ArtifactInfo, IncidentDetail
from wiring.runtime import Runtime

router = APIRouter(prefix="/incidents/{incident_id}/artifacts/{artifact_id}")

#: Lines on one page.
PAGE = 500
MAX_LINE_NUMBER = 10**9


@dataclass(frozen=True)
class TextView:
    """What `text.html` reads."""

    url: str
    back: str
    job: str
    info: ArtifactInfo
    passage: Passage
    #: Ranges of lines that prove something, by their first and last.
    decisive: list[tuple[int, int]]
    word: str
    found: Found

    def proves(self, line: Line) -> bool:
        """Whether a line is one of the decisive ones."""
        return any(start <= line.number <= end for start, end in self.decisive)

    def at(self, number: int) -> str:
        """The address of a line."""
        return f"{self.url}?line={number}#L{number}"

    @property
    def first(self) -> int:
        """The number of the first line shown; 0 where there is none."""
        return self.passage.lines[0].number if self.passage.lines else 0

    @property
    def last(self) -> int:
        """The number of the last line shown."""
        return self.passage.lines[-1].number if self.passage.lines else 0

    @property
    def pages(self) -> list[tuple[str, int]]:
        """Where else to turn to: a name, and the first line there."""
        total, end = self.passage.total, (max(self.passage.total, 1) - 1) // PAGE * PAGE + 1
        turns = [("First", 1), ("Before", self.first - PAGE), ("Next", self.last + 1), ("Last", end)]
        here = range(self.first, self.last + 1)
        return [(name, line) for name, line in turns if 1 <= line <= total and line not in here]


@router.get("")
async def page(
    incident_id: str,
    artifact_id: str,
    runtime: RuntimeDep,
    visitor: Reader,
    sessions: SessionsDep,
    line: Annotated[int, Query(ge=1, le=MAX_LINE_NUMBER)] = 1,
    go: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The lines around `line`. `go` is a number that somebody typed; `q` is looked for in the whole text."""
    detail = await runtime.queries.incident(incident_id)
    info = next((a for a in detail.artifacts if a.id == artifact_id), None)
    if info is None:
        raise NotFound(f"Incident {incident_id} has no artifact {artifact_id}.")
    view = await _view(runtime, detail, info, line, q.strip())
    if go.strip().isdecimal() and len(go) <= len(str(MAX_LINE_NUMBER)):
        # A form can't say where on the page to go; the answer to it can.
        return RedirectResponse(view.at(max(1, min(int(go), view.passage.total))), status_code=303)
    return render("text.html", **frame(visitor, sessions, "incidents", news=incident_id), view=view)


@router.get("/plain")
async def plain(incident_id: str, artifact_id: str, runtime: RuntimeDep, visitor: Reader) -> Response:
    """The whole text, as nothing but text."""
    return await as_plain_text(runtime, incident_id, artifact_id)


async def _view(
    runtime: Runtime, detail: IncidentDetail, info: ArtifactInfo, line: int, word: str
) -> TextView:
    texts = Texts(runtime.db)
    first = (line - 1) // PAGE * PAGE + 1
    evidence = (detail.incident.facts.get("diagnosis") or {}).get("evidence", [])
    back = f"/console/incidents/{detail.incident.id}"
    places = await PLACES.of(texts, evidence, detail.artifacts)
    return TextView(
        url=f"{back}/artifacts/{info.id}",
        back=back,
        job=detail.incident.job_name or f"job {detail.incident.job_id or '?'}",
        info=info,
        passage=await texts.passage(info.id, first, PAGE),
        decisive=[(p.line_start, p.line_end) for p in places if p.artifact_id == info.id],
        word=word,
        found=await texts.find(info.id, word) if word else Found(),
    )
