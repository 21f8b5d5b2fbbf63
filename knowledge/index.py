"""What is known, as an index that can always be made again: runbooks and past incidents in Chroma.

Dense similarity comes from the embedder; exact keys (fingerprint, failure class, job) are looked up beside it, so
that the same failure is found however its wording drifts. Past incidents count by verified outcome and by age.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import KnowledgeUnavailable
from core.incident import Similar
from knowledge.chroma import REBUILD_HINT, Database
from knowledge.embeddings import Embedder
from knowledge.memory import KEY_WEIGHT, IncidentMemory, relevance, standing
from knowledge.runbooks import Runbook

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

INCIDENTS = "incidents"
RUNBOOKS = "runbooks"
#: Shown of one match; five of them fit into a checkpoint with room to spare.
MAX_TEXT = 1_500
MAX_QUERY = 2_000
#: How many candidates each look-up brings in before ranking.
DENSE, BY_KEY = 60, 20
BATCH = 256


class Index:
    """Blocks: call it from a thread, any number of them.

    Args:
        embedder: Makes the vectors.
        redact: Takes secrets out of a text; everything passes through it on its way in, queries too.
        runbooks: The pages to keep in the index; they are put in when they differ from what is there.
        path: Chroma's folder, when there is no server.
        url: A Chroma server.
        now: The time that ages are counted from.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        redact: Callable[[str], str],
        runbooks: Sequence[Runbook],
        path: Path | None = None,
        url: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._embedder = embedder
        self._redact = redact
        self._runbooks = list(runbooks)
        self._pages_sha256 = _digest(self._runbooks)
        self._database = Database(path=path, url=url, embedder=embedder.name)
        self._now = now
        self._lock = threading.RLock()

    def search(self, query: str, *, keys: Mapping[str, str], limit: int = 5) -> list[Similar]:
        """The best matches for a query and exact keys, best first; both kinds are represented where both match.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened or read.
        """
        vector = self._embedder.embed([self._redact(query)[:MAX_QUERY]])[0]
        with self._lock:
            self._sync_runbooks()
            incidents = self._incidents(vector, keys)
            pages = self._pages(vector, keys)
        return _mix(incidents, pages, limit)

    def put(self, memories: Iterable[IncidentMemory]) -> int:
        """Put incidents in, replacing those of the same id; how many.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened or written.
        """
        return self._fill(INCIDENTS, memories)

    def forget(self, ids: Sequence[str]) -> None:
        """Take incidents out. Raises: KnowledgeUnavailable."""
        with self._lock:
            collection = self._database.collection(INCIDENTS)
            with self._database.failures():
                collection.delete(ids=list(ids))

    def counts(self) -> dict[str, int]:
        """How many `incidents` and `runbooks` (sections of them) are in it. Raises: KnowledgeUnavailable."""
        with self._lock:
            self._sync_runbooks()
            collections = {name: self._database.collection(name) for name in (INCIDENTS, RUNBOOKS)}
            with self._database.failures():
                return {name: collection.count() for name, collection in collections.items()}

    def rebuild(self, memories: Iterable[IncidentMemory]) -> int:
        """Make the index again from what the store holds; how many incidents.

        A folder that can't be read is moved aside first. Otherwise the new collection is filled beside the old
        one, which answers until it is replaced.

        Raises:
            KnowledgeUnavailable: The place can't be written, or the server does not answer.
        """
        with self._lock:
            try:
                self._check()
            except KnowledgeUnavailable:
                self._database.set_aside(self._now().strftime("%Y%m%dT%H%M%S"))
            self._database.drop(f"{INCIDENTS}.next")
            self._database.drop(RUNBOOKS)
            self._sync_runbooks()
        count = self._fill(f"{INCIDENTS}.next", memories)
        with self._lock:
            self._database.drop(INCIDENTS)
            filled = self._database.collection(f"{INCIDENTS}.next")
            with self._database.failures():
                filled.modify(name=INCIDENTS)
        return count

    def close(self) -> None:
        """Let go of the folder or the connection."""
        with self._lock:
            self._database.close()

    def _check(self) -> None:
        """Read from both collections. A lost segment file makes Chroma answer with fewer vectors than it counts."""
        probe = self._embedder.embed(["probe"])[0]
        for name in (INCIDENTS, RUNBOOKS):
            collection = self._database.collection(name)
            with self._database.failures():
                wanted = min(3, collection.count())
                found = (
                    len(collection.query(query_embeddings=[probe], n_results=3)["ids"][0]) if wanted else 0
                )
            if found < wanted:
                raise KnowledgeUnavailable(
                    f"The vector store at {self._database.place} lost vectors.", hint=REBUILD_HINT
                )

    def _fill(self, name: str, memories: Iterable[IncidentMemory]) -> int:
        rows, count = iter(memories), 0
        while batch := list(islice(rows, BATCH)):
            batch = list({memory.id: memory for memory in batch}.values())
            texts = [self._redact(memory.text()) for memory in batch]
            vectors = self._embedder.embed(texts)
            with self._lock:
                collection = self._database.collection(name)
                with self._database.failures():
                    collection.upsert(
                        ids=[memory.id for memory in batch],
                        embeddings=_floats(vectors),
                        documents=texts,
                        metadatas=[self._facts(memory) for memory in batch],
                    )
            count += len(batch)
        return count

    def _facts(self, memory: IncidentMemory) -> dict[str, Any]:
        return {
            "title": self._redact(memory.title)[:300],
            "fingerprint": memory.fingerprint[:200],
            "failure_class": memory.failure_class[:200],
            "category": memory.category,
            "job": self._redact(memory.job)[:300],
            "action": memory.action or "",
            "outcome": memory.outcome or "",
            "verified": memory.verified,
            "finished_at": memory.finished_at or "",
        }

    def _sync_runbooks(self) -> None:
        """Make the pages in the index exactly these; only those that changed are embedded."""
        collection = self._database.collection(RUNBOOKS)
        if (collection.metadata or {}).get("pages_sha256") == self._pages_sha256:
            return
        wanted = {
            f"{page.id}#{n}": (page, text)
            for page in self._runbooks
            for n, text in enumerate(page.sections())
        }
        digests = {page.id: _digest([page]) for page in self._runbooks}
        with self._database.failures():
            there = collection.get(include=["metadatas"])
            heads = dict(zip(there["ids"], there["metadatas"] or [], strict=True))
            if gone := [row_id for row_id in heads if row_id not in wanted]:
                collection.delete(ids=gone)
        changed = [
            (row_id, page, text)
            for row_id, (page, text) in wanted.items()
            if (heads.get(row_id) or {}).get("sha256") != digests[page.id]
        ]
        for start in range(0, len(changed), BATCH):
            self._put_pages(collection, changed[start : start + BATCH], digests)
        with self._database.failures():
            collection.modify(metadata={"embedder": self._embedder.name, "pages_sha256": self._pages_sha256})

    def _put_pages(
        self, collection: Collection, rows: Sequence[tuple[str, Runbook, str]], digests: Mapping[str, str]
    ) -> None:
        texts = [self._redact(f"{page.title}\n{text}") for _, page, text in rows]
        vectors = self._embedder.embed(texts)
        with self._database.failures():
            collection.upsert(
                ids=[row_id for row_id, _, _ in rows],
                embeddings=_floats(vectors),
                documents=texts,
                metadatas=[self._head(page) | {"sha256": digests[page.id]} for _, page, _ in rows],
            )

    def _head(self, page: Runbook) -> dict[str, Any]:
        # Chroma filters on scalars, so each class is a key of its own.
        head: dict[str, Any] = {f"class:{name}": True for name in page.classes}
        text = self._redact(page.text)[:MAX_TEXT]
        return head | {"page": page.id, "title": page.title, "category": page.category.value, "text": text}

    def _incidents(self, vector: list[float], keys: Mapping[str, str]) -> list[Similar]:
        wheres = [{key: value} for key, value in keys.items() if key in KEY_WEIGHT and value]
        found = []
        for row_id, text, facts, similarity in self._candidates(INCIDENTS, vector, wheres):
            score = relevance(similarity, keys, facts) * standing(
                facts["outcome"] or None, bool(facts["verified"]), facts["finished_at"] or None, self._now()
            )
            found.append(
                Similar(
                    id=row_id,
                    kind="incident",
                    title=facts["title"],
                    text=text[:MAX_TEXT],
                    score=round(score, 4),
                    outcome=facts["outcome"] or None,
                    action=facts["action"] or None,
                )
            )
        return sorted(found, key=lambda match: (-match.score, match.id))

    def _pages(self, vector: list[float], keys: Mapping[str, str]) -> list[Similar]:
        failure_class = keys.get("failure_class", "")
        wheres = [{f"class:{failure_class}": True}] if failure_class else []
        best: dict[str, Similar] = {}
        for _, _, head, similarity in self._candidates(RUNBOOKS, vector, wheres):
            facts = {"failure_class": failure_class} if head.get(f"class:{failure_class}") else {}
            score = round(relevance(similarity, {"failure_class": failure_class}, facts), 4)
            page = head["page"]
            if page not in best or best[page].score < score:
                best[page] = Similar(
                    id=page, kind="runbook", title=head["title"], text=head["text"], score=score
                )
        return sorted(best.values(), key=lambda match: (-match.score, match.id))

    def _candidates(
        self, name: str, vector: list[float], wheres: Sequence[dict[str, Any]]
    ) -> Iterable[tuple[str, str, dict[str, Any], float]]:
        """(id, text, metadata, cosine) of the nearest, over all and within each filter; each id once."""
        collection = self._database.collection(name)
        seen: dict[str, tuple[str, str, dict[str, Any], float]] = {}
        for where, count in [(None, DENSE), *((where, BY_KEY) for where in wheres)]:
            with self._database.failures():
                answer = collection.query(
                    query_embeddings=_floats([vector]),
                    n_results=count,
                    where=where,
                    include=["documents", "metadatas", "distances"],
                )
            ids, texts = answer["ids"][0], (answer["documents"] or [[]])[0]
            metadatas, distances = (answer["metadatas"] or [[]])[0], (answer["distances"] or [[]])[0]
            for row_id, text, facts, distance in zip(ids, texts, metadatas, distances, strict=True):
                seen[row_id] = (row_id, text or "", dict(facts or {}), 1.0 - float(distance))
            if where is not None and len(ids) < count:
                seen.update(self._exact(collection, vector, where, count))
        return seen.values()

    def _exact(
        self, collection: Collection, vector: list[float], where: dict[str, Any], count: int
    ) -> dict[str, tuple[str, str, dict[str, Any], float]]:
        """Up to `count` matches of a filter, looked up without the graph.

        Many equal vectors (a job that fails alike every night) cut Chroma's graph into pieces, and a filtered
        search then misses what lies in another piece.
        """
        with self._database.failures():
            rows = collection.get(where=where, limit=count, include=["documents", "metadatas", "embeddings"])
        texts, facts = rows["documents"] or [], rows["metadatas"] or []
        vectors = [] if rows["embeddings"] is None else rows["embeddings"]
        return {
            row_id: (
                row_id,
                text or "",
                dict(head or {}),
                sum(a * float(b) for a, b in zip(vector, other, strict=True)),
            )
            for row_id, text, head, other in zip(rows["ids"], texts, facts, vectors, strict=True)
        }


def _mix(incidents: list[Similar], pages: list[Similar], limit: int) -> list[Similar]:
    """The best of both, at least one of each kind where there is one and room for two."""
    ranked = sorted([*incidents, *pages], key=lambda match: (-match.score, match.kind, match.id))
    chosen = ranked[:limit]
    for kind in (incidents, pages):
        if kind and limit > 1 and kind[0] not in chosen:
            chosen[-1] = kind[0]
    return chosen


def _digest(pages: Sequence[Runbook]) -> str:
    text = "\n".join(page.model_dump_json() for page in sorted(pages, key=lambda page: page.id))
    return hashlib.sha256(text.encode()).hexdigest()


def _floats(vectors: Sequence[Sequence[float]]) -> Any:
    import numpy as np

    return [np.asarray(vector, dtype=np.float32) for vector in vectors]
