"""The candidates of a search: what is near in meaning, and what an exact key brings in beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

#: How many candidates each look-up brings in before ranking.
DENSE, BY_KEY = 60, 20
#: How often it looks behind what fills every place.
ROUNDS = 3


class Candidate(NamedTuple):
    """One document, with the cosine between it and the query."""

    id: str
    text: str
    facts: dict[str, Any]
    similarity: float


def nearest(
    collection: Collection,
    vector: Sequence[float],
    wheres: Sequence[dict[str, Any]],
    *,
    distinct: tuple[str, int] | None = None,
) -> list[Candidate]:
    """The nearest over all and within each filter; each id once. Raises what Chroma's clients raise.

    Args:
        distinct: A field and how many different values of it are wanted: where one failure came so often that it
            fills every place, what is behind it is looked for too.
    """
    seen: dict[str, Candidate] = {}
    for where, count in [(None, DENSE), *((where, BY_KEY) for where in wheres)]:
        found = _within(collection, vector, where, count)
        seen.update(found)
        if where is not None and len(found) < count:
            seen.update(_listed(collection, vector, where, count))
    field, wanted = distinct or ("", 0)
    for _ in range(ROUNDS):
        values = {candidate.facts[field] for candidate in seen.values()} - {""} if field else set()
        others = {candidate.text for candidate in seen.values() if field and not candidate.facts[field]}
        if len(values) + len(others) >= wanted or len(seen) < DENSE:
            break
        where = {field: {"$nin": sorted(values)}}
        found = _within(collection, vector, where, DENSE)
        seen.update(found or _listed(collection, vector, where, BY_KEY))
        if not found:
            break
    return list(seen.values())


def _within(
    collection: Collection, vector: Sequence[float], where: dict[str, Any] | None, count: int
) -> dict[str, Candidate]:
    answer = collection.query(
        query_embeddings=floats([vector]),
        n_results=count,
        where=where,
        include=["documents", "metadatas", "distances"],
    )
    ids, texts = answer["ids"][0], (answer["documents"] or [[]])[0]
    metadatas, distances = (answer["metadatas"] or [[]])[0], (answer["distances"] or [[]])[0]
    return {
        row_id: Candidate(row_id, text or "", dict(facts or {}), 1.0 - float(distance))
        for row_id, text, facts, distance in zip(ids, texts, metadatas, distances, strict=True)
    }


def _listed(
    collection: Collection, vector: Sequence[float], where: dict[str, Any], count: int
) -> dict[str, Candidate]:
    """Up to `count` matches of a filter, looked up without the graph.

    Many equal vectors (a job that fails alike every night) cut Chroma's graph into pieces, and a filtered
    search then misses what lies in another piece.
    """
    rows = collection.get(where=where, limit=count, include=["documents", "metadatas", "embeddings"])
    texts, facts = rows["documents"] or [], rows["metadatas"] or []
    vectors = [] if rows["embeddings"] is None else rows["embeddings"]
    return {
        row_id: Candidate(
            row_id,
            text or "",
            dict(head or {}),
            sum(a * float(b) for a, b in zip(vector, other, strict=True)),
        )
        for row_id, text, head, other in zip(rows["ids"], texts, facts, vectors, strict=True)
    }


def floats(vectors: Sequence[Sequence[float]]) -> Any:
    """Vectors as Chroma takes them fastest."""
    import numpy as np

    return [np.asarray(vector, dtype=np.float32) for vector in vectors]
