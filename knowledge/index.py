"""What is known, as an index that can always be made again: runbooks and past incidents in Chroma.

Dense similarity comes from the embedder; exact keys (fingerprint, failure class, job) are looked up beside it, so
that the same failure is found however its wording drifts. Past incidents count by verified outcome and by age.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from core.errors import KnowledgeUnavailable
from core.incident import Similar
from knowledge.chroma import REBUILD_HINT, Database, OtherEmbeddings
from knowledge.embeddings import Embedder
from knowledge.incident_memory import IncidentMemory
from knowledge.matches import distinct, mixed, same, shown
from knowledge.nearest import PROVED, Candidate, best, floats, nearest_rows
from knowledge.pages import BATCH, Pages, best_of_each, where_class
from knowledge.relevance import KEY_WEIGHT, relevance, standing
from knowledge.runbooks import Runbook

INCIDENTS = "incidents"
RUNBOOKS = "runbooks"
#: Filled by a rebuild, and then put in the place of the other.
NEXT = f"{INCIDENTS}.next"
MAX_QUERY = 2_000
#: So many sections of runbooks are looked at: more than the best pages have.
SECTIONS = 60
#: How many incidents with one fingerprint are counted before "at least" would do.
MAX_TIMES = 1_000


class Index:
    """Blocks: call it from a thread, any number of them, in any number of processes.

    Args:
        embedder: Makes the vectors.
        redact: Takes secrets out of a text; everything passes through it on its way in, queries too.
        runbooks: Gives the pages to keep in the index; they are put in when they differ from what is there.
        path: Chroma's folder, when there is no server: Pitstop starts one on it, for all its processes.
        url: A Chroma server.
        now: The time that ages are counted from.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        redact: Callable[[str], str],
        runbooks: Callable[[], Sequence[Runbook]],
        path: Path | None = None,
        url: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._embedder = embedder
        self._redact = redact
        self._pages = Pages(runbooks, embedder, redact)
        self._database = Database(path=path, url=url, embedder=embedder.name)
        self._now = now
        self._lock = threading.RLock()

    def search(self, query: str, *, keys: Mapping[str, str], limit: int = 5) -> list[Similar]:
        """The best matches for a query and exact keys, best first; both kinds are represented where both match.

        Incidents with the same fingerprint say no more than one does: the best of them is given, with their number.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened or read.
            OtherEmbeddings: Its vectors are another model's.
        """
        vector = self._embedder.embed([self._redact(query)[:MAX_QUERY]])[0]
        with self._lock:
            return self._database.lasting(lambda: self._search(vector, keys, limit))

    def put(self, memories: Iterable[IncidentMemory]) -> int:
        """Put incidents in, replacing those of the same id; how many.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened or written.
            OtherEmbeddings: Its vectors are another model's.
        """
        return self._fill(INCIDENTS, memories)

    def forget(self, ids: Sequence[str]) -> None:
        """Take incidents out. Raises: KnowledgeUnavailable."""
        with self._lock:
            self._database.lasting(lambda: self._forget(ids))

    def counts(self) -> dict[str, int]:
        """How many `incidents` and `runbooks` (sections of them) are in it. Raises: KnowledgeUnavailable."""
        with self._lock:
            return self._database.lasting(self._counts)

    def is_foreign(self) -> bool:
        """Whether what it holds was made with another embedding model. Raises: KnowledgeUnavailable."""
        probe = self._embedder.embed(["probe"])
        with self._lock:
            try:
                collection = self._database.lasting(lambda: self._database.collection(INCIDENTS))
                with self._database.failures():  # a model of the same name may give vectors of another length
                    collection.query(query_embeddings=floats(probe), n_results=1, include=[])
            except OtherEmbeddings:
                return True
        return False

    def lacks_incidents(self) -> bool:
        """Whether it has to be made again: it is empty, foreign, or a rebuild was cut short. Raises: KnowledgeUnavailable."""
        if self.is_foreign():
            return True
        with self._lock:
            collection = self._database.lasting(lambda: self._database.collection(INCIDENTS))
            unfinished = self._database.existing(NEXT) is not None
            with self._database.failures():
                return unfinished or collection.count() == 0

    def rebuild(self, memories: Iterable[IncidentMemory]) -> int:
        """Make the index again from what the store holds; how many incidents.

        A folder that can't be read is moved aside first. Otherwise the new collection is filled beside the old
        one, which answers until it is replaced; what is put in meanwhile goes into both.

        Raises:
            KnowledgeUnavailable: The place can't be written, or the server does not answer.
        """
        with self._lock:
            try:
                self._database.lasting(self._check)
            except OtherEmbeddings:
                pass  # whole, and of no use
            except KnowledgeUnavailable:
                self._database.set_aside(self._now().strftime("%Y%m%dT%H%M%S"))
            self._database.drop(NEXT)
            self._database.drop(RUNBOOKS)
            self._database.collection(NEXT)
            self._synced_pages()
        count = self._fill(NEXT, memories)
        with self._lock:
            self._database.drop(INCIDENTS)
            filled = self._database.collection(NEXT)
            with self._database.failures():
                filled.modify(name=INCIDENTS)
        return count

    def close(self) -> None:
        """Let go of the server; the last one that does stops it, if it is ours."""
        with self._lock:
            self._database.close()

    def _search(self, vector: list[float], keys: Mapping[str, str], limit: int) -> list[Similar]:
        failure_class = keys.get("failure_class", "")
        pages, incidents = self._synced_pages(), self._database.collection(INCIDENTS)
        with self._database.failures():
            found = best(
                incidents,
                vector,
                {key: value for key, value in keys.items() if key in KEY_WEIGHT and value},
                bound=lambda similarity, matched: relevance(similarity, matched, matched),
                score=lambda candidate: self._score(candidate, keys),
                same=same,
                limit=limit,
            )
            sections = nearest_rows(pages, vector, where_class(failure_class), SECTIONS)
            kept = distinct(found)
            chosen = mixed([shown(*pair) for pair in kept], best_of_each(sections, failure_class), limit)
            facts = {candidate.id: candidate.facts for _, candidate in kept}
            times = {
                match.id: self._times(incidents, fingerprint)
                for match in chosen
                if match.kind == "incident" and (fingerprint := facts[match.id]["fingerprint"])
            }
        return [match.model_copy(update={"times": times.get(match.id, 1)}) for match in chosen]

    def _score(self, candidate: Candidate, keys: Mapping[str, str]) -> float:
        facts = candidate.facts
        return relevance(candidate.similarity, keys, facts) * standing(
            facts["outcome"] or None, bool(facts["verified"]), facts["finished_at"] or None, self._now()
        )

    def _times(self, incidents: Any, fingerprint: str) -> int:
        return len(incidents.get(where={"fingerprint": fingerprint}, limit=MAX_TIMES, include=[])["ids"])

    def _synced_pages(self) -> Any:
        collection = self._database.collection(RUNBOOKS)
        with self._database.failures():
            self._pages.bring_up_to_date(collection)
        return collection

    def _forget(self, ids: Sequence[str]) -> None:
        collection = self._database.collection(INCIDENTS)
        with self._database.failures():
            collection.delete(ids=list(ids))

    def _counts(self) -> dict[str, int]:
        collections = {INCIDENTS: self._database.collection(INCIDENTS), RUNBOOKS: self._synced_pages()}
        with self._database.failures():
            return {name: collection.count() for name, collection in collections.items()}

    def _check(self) -> None:
        """Read from both collections. A lost segment file makes Chroma answer with fewer vectors than it counts."""
        probe = self._embedder.embed(["probe"])[0]
        for name in (INCIDENTS, RUNBOOKS):
            collection = self._database.collection(name)
            with self._database.failures():
                wanted = min(3, collection.count())
                found = (
                    len(collection.query(query_embeddings=floats([probe]), n_results=3)["ids"][0])
                    if wanted
                    else 0
                )
            if found < wanted:
                raise KnowledgeUnavailable(
                    f"The vector store at {self._database.place} lost vectors.", hint=REBUILD_HINT
                )

    def _fill(self, name: str, memories: Iterable[IncidentMemory]) -> int:
        rows, count = iter(memories), 0
        while batch := list({memory.id: memory for memory in islice(rows, BATCH)}.values()):
            count += len(batch)
            documents = {memory.id: (self._redact(memory.text()), self._facts(memory)) for memory in batch}
            with self._lock:
                for row_id in self._database.lasting(lambda d=documents: self._unchanged(name, d)):
                    del documents[row_id]
            if not documents:
                continue
            texts, facts = zip(*documents.values(), strict=True)
            vectors = self._embedder.embed(
                [self._redact(memory.meaning()) for memory in batch if memory.id in documents]
            )
            with self._lock:
                self._database.lasting(
                    lambda i=list(documents), v=vectors, t=texts, f=facts: self._upsert(name, i, v, t, f)
                )
        return count

    def _unchanged(self, name: str, documents: Mapping[str, tuple[str, dict[str, Any]]]) -> list[str]:
        """Ids that are in it already with exactly that text and those facts: embedding is what takes time."""
        collection = self._database.collection(name)
        with self._database.failures():
            there = collection.get(ids=list(documents), include=["documents", "metadatas"])
        texts, facts = there["documents"] or [], there["metadatas"] or []
        return [
            row_id
            for row_id, text, head in zip(there["ids"], texts, facts, strict=True)
            if (text, dict(head or {})) == documents[row_id]
        ]

    def _upsert(
        self,
        name: str,
        ids: list[str],
        vectors: list[list[float]],
        texts: Sequence[str],
        facts: Sequence[dict[str, Any]],
    ) -> None:
        places = [self._database.collection(name)]
        if name == INCIDENTS and (growing := self._database.existing(NEXT)):
            places.append(growing)
        with self._database.failures():
            for place in places:
                place.upsert(
                    ids=ids, embeddings=floats(vectors), documents=list(texts), metadatas=list(facts)
                )

    def _facts(self, memory: IncidentMemory) -> dict[str, Any]:
        return {
            "title": self._redact(memory.title)[:300],
            "fingerprint": memory.fingerprint[:200],
            PROVED: memory.fingerprint[:200] if memory.verified else "",
            "failure_class": memory.failure_class[:200],
            "category": memory.category,
            "job": self._redact(memory.job)[:300],
            "action": memory.action or "",
            "outcome": memory.outcome or "",
            "verified": memory.verified,
            "finished_at": memory.finished_at or "",
        }
