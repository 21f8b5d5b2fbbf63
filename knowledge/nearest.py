"""Searching Chroma: what is near in meaning, and what an exact key brings in beside it.

Asked of Chroma among 100,000 rows, distances and ids are quick, facts cost 0.2 ms a row and a filtered search of the
graph 100 ms and more. So keys are looked up as lists of ids, and facts are read in the order of what a row can score at
best, until no other row can come among the best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

#: Fields of an incident that are asked for by name. Chroma is slow at "and", so what was proved has its fingerprint twice.
FINGERPRINT, CLASS, PROVED = "fingerprint", "failure_class", "proved"
#: How many of the nearest are considered, and of each exact key.
DENSE, BY_KEY = 300, 40
#: So many ids of a key are known; the newest are the last.
MAX_IDS = 5_000
#: Facts are read of so many rows at once.
AT_ONCE = 40
#: How often it looks behind one failure that fills every place.
ROUNDS = 3


class Candidate(NamedTuple):
    """One document, with the cosine between it and the query."""

    id: str
    text: str
    facts: dict[str, Any]
    similarity: float


def best(
    collection: Collection,
    vector: Sequence[float],
    keys: Mapping[str, str],
    *,
    bound: Callable[[float, Mapping[str, str]], float],
    score: Callable[[Candidate], float],
    same: Callable[[Candidate], str],
    limit: int,
) -> list[tuple[float, Candidate]]:
    """Scored candidates, best first: at least all that can be among the best `limit` of those considered.

    Args:
        collection: Where to look.
        vector: Of the query.
        keys: Exact keys by the field that has them; of each the nearest and the newest matches are considered.
        bound: The highest score that a row of this similarity can have when it matches these keys.
        score: A candidate's score, 0..1.
        same: What candidates that say the same have in common; only the best of them counts towards `limit`.
        limit: How many different ones are wanted.

    Raises:
        Exception: What Chroma's clients raise.
    """
    listed = {key: _ids(collection, {key: value}) for key, value in keys.items()}
    members = {key: set(ids) for key, ids in listed.items()}
    similarities = _near(collection, vector, DENSE)
    for key, value in keys.items():
        similarities |= _beside(collection, vector, key, value, listed[key], similarities)
    seen: list[tuple[float, Candidate]] = []
    for _ in range(ROUNDS):
        seen = _read(collection, similarities, seen, members, keys, bound, score, same, limit)
        kinds = {same(candidate) for _, candidate in seen}
        if len(kinds) >= limit or len(similarities) >= collection.count():
            break
        filling = sorted({str(candidate.facts[FINGERPRINT]) for _, candidate in seen} - {""})
        behind = {FINGERPRINT: {"$nin": filling}}
        more = _near(collection, vector, BY_KEY, behind)
        if len(more) < BY_KEY:
            more |= _listed(collection, vector, _ids(collection, behind))
        if not more.keys() - similarities.keys():
            break
        similarities |= more
    return seen


def _read(
    collection: Collection,
    similarities: Mapping[str, float],
    seen: list[tuple[float, Candidate]],
    members: Mapping[str, set[str]],
    keys: Mapping[str, str],
    bound: Callable[[float, Mapping[str, str]], float],
    score: Callable[[Candidate], float],
    same: Callable[[Candidate], str],
    limit: int,
) -> list[tuple[float, Candidate]]:
    """`seen` and what is to be seen beside it, best first."""
    known = {candidate.id for _, candidate in seen}
    bounds = {
        row_id: bound(similarity, {key: keys[key] for key, ids in members.items() if row_id in ids})
        for row_id, similarity in similarities.items()
        if row_id not in known
    }
    order = sorted(bounds, key=lambda row_id: -bounds[row_id])
    for start in range(0, len(order), AT_ONCE):
        chunk = order[start : start + AT_ONCE]
        if _last_of_best(seen, same, limit) >= bounds[chunk[0]]:
            break
        rows = collection.get(ids=chunk, include=["documents", "metadatas"])
        for row_id, text, facts in zip(
            rows["ids"], rows["documents"] or [], rows["metadatas"] or [], strict=True
        ):
            candidate = Candidate(row_id, text or "", dict(facts or {}), similarities[row_id])
            seen.append((score(candidate), candidate))
        seen.sort(key=lambda pair: (-pair[0], pair[1].id))
    return seen


def _last_of_best(
    seen: Iterable[tuple[float, Candidate]], same: Callable[[Candidate], str], limit: int
) -> float:
    """The score of the last of the best `limit` different ones; below any score while there are fewer."""
    kinds: set[str] = set()
    for value, candidate in seen:
        kinds.add(same(candidate))
        if len(kinds) == limit:
            return value
    return -1.0


def _beside(
    collection: Collection,
    vector: Sequence[float],
    key: str,
    value: str,
    ids: Sequence[str],
    near: Mapping[str, float],
) -> dict[str, float]:
    """Similarities of a key's members that are not near anyway: the newest; the proved ones of a fingerprint, since one
    that came a hundred times would else hide when it was solved; the nearest of a class, where few of it are near."""
    chosen = list(ids[-BY_KEY:])
    if key == FINGERPRINT and len(ids) > BY_KEY:
        chosen += _ids(collection, {PROVED: value})[-BY_KEY:]
    found = _listed(collection, vector, [row_id for row_id in dict.fromkeys(chosen) if row_id not in near])
    if key == CLASS and len(near.keys() & set(ids)) < min(BY_KEY, len(ids)):
        found |= _near(collection, vector, BY_KEY, {key: value})
    return found


def nearest_rows(
    collection: Collection, vector: Sequence[float], wheres: Sequence[dict[str, Any]], count: int
) -> list[Candidate]:
    """The nearest over all and all matches of each filter, for a collection of some hundred rows."""
    similarities = _near(collection, vector, count)
    for where in wheres:
        ids = _ids(collection, where)
        similarities |= _listed(collection, vector, [row_id for row_id in ids if row_id not in similarities])
    rows = (
        collection.get(ids=list(similarities), include=["documents", "metadatas"]) if similarities else None
    )
    if rows is None:
        return []
    return [
        Candidate(row_id, text or "", dict(facts or {}), similarities[row_id])
        for row_id, text, facts in zip(
            rows["ids"], rows["documents"] or [], rows["metadatas"] or [], strict=True
        )
    ]


def _near(
    collection: Collection, vector: Sequence[float], count: int, where: dict[str, Any] | None = None
) -> dict[str, float]:
    answer = collection.query(
        query_embeddings=floats([vector]), n_results=count, where=where, include=["distances"]
    )
    distances = (answer["distances"] or [[]])[0]
    return {row_id: 1.0 - float(far) for row_id, far in zip(answer["ids"][0], distances, strict=True)}


def _ids(collection: Collection, where: dict[str, Any]) -> list[str]:
    return collection.get(where=where, limit=MAX_IDS, include=[])["ids"]


def _listed(collection: Collection, vector: Sequence[float], ids: Sequence[str]) -> dict[str, float]:
    """Similarities of rows, without the graph.

    Many equal vectors (a job that fails alike every night) cut Chroma's graph into pieces, and a filtered
    search then misses what lies in another piece.
    """
    if not ids:
        return {}
    rows = collection.get(ids=list(ids)[-BY_KEY * 2 :], include=["embeddings"])
    vectors = [] if rows["embeddings"] is None else rows["embeddings"]
    return {
        row_id: sum(a * float(b) for a, b in zip(vector, other, strict=True))
        for row_id, other in zip(rows["ids"], vectors, strict=True)
    }


def floats(vectors: Sequence[Sequence[float]]) -> Any:
    """Vectors as Chroma takes them fastest."""
    import numpy as np

    return [np.asarray(vector, dtype=np.float32) for vector in vectors]
