"""Whether questions in other words find the right runbooks and past incidents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.incident import Similar
from evals.retrieval_data import LIMIT, NOW, Failure, Question, asked_otherwise
from knowledge.chroma import Database
from knowledge.embeddings import Embedder
from knowledge.incident_memory import IncidentMemory
from knowledge.index import INCIDENTS, Index
from knowledge.nearest import floats
from knowledge.runbooks import load_runbooks


@dataclass(frozen=True)
class Quality:
    """How well `asks` in other words find: hit@5 and mean reciprocal rank, for runbooks and for past incidents."""

    search: str
    runbook_hit: float
    runbook_mrr: float
    incident_hit: float
    incident_mrr: float


def asked_in_other_words(
    failures: Sequence[Failure], rows: Sequence[IncidentMemory], embedder: Embedder, folder: Path
) -> tuple[list[Quality], int]:
    """Three ways to search with the same words: dense alone, ours without keys, ours with the right class as a key."""
    pages, asks = load_runbooks(), asked_otherwise(failures)
    right = {page.id: set(page.classes) for page in pages}
    of = {row.id: row.failure_class for row in rows}
    index = Index(embedder, redact=str, runbooks=lambda: pages, path=folder, now=lambda: NOW)
    database = Database(path=folder, url=None, embedder=embedder.name)
    try:
        index.put(rows)
        index.counts()
        dense = [_dense(database, embedder, ask.text) for ask in asks]
        plain = [index.search(ask.text, keys={}, limit=LIMIT) for ask in asks]
        keyed = [
            index.search(ask.text, keys={"failure_class": ask.failure.failure_class}, limit=LIMIT)
            for ask in asks
        ]
    finally:
        database.close()
        index.close()
    rows_of = {"dense alone": dense, "hybrid, no key": plain, "hybrid, class known": keyed}
    quality = [_graded(name, asks, found, right, of) for name, found in rows_of.items()]
    return quality, len(asks)


def _dense(database: Database, embedder: Embedder, text: str) -> list[Similar]:
    """The five nearest by cosine alone, of incidents and sections of runbooks together; a page counts once."""
    vector = embedder.embed([text])[0]
    found: dict[str, Similar] = {}
    for name in (INCIDENTS, "runbooks"):
        answer = database.collection(name).query(
            query_embeddings=floats([vector]), n_results=LIMIT * 4, include=["metadatas", "distances"]
        )
        heads, distances = (answer["metadatas"] or [[]])[0], (answer["distances"] or [[]])[0]
        for row_id, head, distance in zip(answer["ids"][0], heads, distances, strict=True):
            key = str(head.get("page") or row_id)
            kind = "runbook" if head.get("page") else "incident"
            match = Similar(id=key, kind=kind, title="", score=max(0.0, 1.0 - distance))
            if key not in found or found[key].score < match.score:
                found[key] = match
    return sorted(found.values(), key=lambda match: -match.score)[:LIMIT]


def _graded(
    name: str,
    asks: Sequence[Question],
    found: Sequence[Sequence[Similar]],
    right: Mapping[str, set[str]],
    of: Mapping[str, str],
) -> Quality:
    pages, past = [], []
    for ask, matches in zip(asks, found, strict=True):
        wanted = ask.failure.failure_class
        pages.append(_inverse_rank(m.kind == "runbook" and wanted in right[m.id] for m in matches))
        past.append(_inverse_rank(m.kind == "incident" and of[m.id] == wanted for m in matches))
    return Quality(
        name,
        *(round(float(np.mean(v)), 3) for v in ([r > 0 for r in pages], pages, [r > 0 for r in past], past)),
    )


def _inverse_rank(right: Iterable[bool]) -> float:
    """One over the place of the first right one; 0 without any."""
    return next((1.0 / place for place, fits in enumerate(right, start=1) if fits), 0.0)
