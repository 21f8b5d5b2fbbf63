"""Runbooks in the index: their sections as rows of a collection, kept like the pages they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.errors import ConfigurationError
from core.incident import Similar
from knowledge.embeddings import Embedder
from knowledge.nearest import Candidate, floats
from knowledge.relevance import relevance
from knowledge.runbooks import Runbook

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

MAX_TEXT = 1_500
BATCH = 256


class Pages:
    """The pages that a process knows. What writes to Chroma raises what Chroma's clients raise.

    Args:
        read: Gives the pages as they are now; asked again when the index holds other ones, since another process
            may have added a page. Raises: ConfigurationError: One is wrong.
    """

    def __init__(
        self, read: Callable[[], Sequence[Runbook]], embedder: Embedder, redact: Callable[[str], str]
    ) -> None:
        self._read = read
        self._embedder = embedder
        self._redact = redact
        self._pages = list(read())
        self._sha256 = _digest(self._pages)

    def bring_up_to_date(self, collection: Collection) -> None:
        """Make the pages in the index exactly those on disk; only what changed is embedded."""
        there = (collection.metadata or {}).get("pages_sha256")
        if there == self._sha256:
            return
        try:
            self._pages = list(self._read())
        except ConfigurationError:
            if there:  # somebody is at a page just now: what is in the index will do
                return
        self._sha256 = _digest(self._pages)
        if there != self._sha256:
            self._write(collection)

    def _write(self, collection: Collection) -> None:
        wanted = {
            f"{page.id}#{n}": (page, text) for page in self._pages for n, text in enumerate(page.sections())
        }
        digests = {page.id: _digest([page]) for page in self._pages}
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
            self._put(collection, changed[start : start + BATCH], digests)
        collection.modify(metadata={**(collection.metadata or {}), "pages_sha256": self._sha256})

    def _put(
        self, collection: Collection, rows: Sequence[tuple[str, Runbook, str]], digests: Mapping[str, str]
    ) -> None:
        texts = [self._redact(f"{page.title}\n{text}") for _, page, text in rows]
        vectors = self._embedder.embed(texts)
        collection.upsert(
            ids=[row_id for row_id, _, _ in rows],
            embeddings=floats(vectors),
            documents=texts,
            metadatas=[self._head(page) | {"sha256": digests[page.id]} for _, page, _ in rows],
        )

    def _head(self, page: Runbook) -> dict[str, Any]:
        # Chroma filters on scalars, so each class is a key of its own.
        head: dict[str, Any] = {f"class:{name}": True for name in page.classes}
        text = self._redact(page.text)[:MAX_TEXT]
        return head | {"page": page.id, "title": page.title, "category": page.category.value, "text": text}


def where_class(failure_class: str) -> list[dict[str, Any]]:
    """The filter for pages of a class; none without a class."""
    return [{f"class:{failure_class}": True}] if failure_class else []


def best_of_each(candidates: Iterable[Candidate], failure_class: str) -> list[Similar]:
    """Each page once, by its best section, best first."""
    best: dict[str, Similar] = {}
    for _, _, head, similarity in candidates:
        facts = {"failure_class": failure_class} if head.get(f"class:{failure_class}") else {}
        score = round(relevance(similarity, {"failure_class": failure_class}, facts), 4)
        page = head["page"]
        if page not in best or best[page].score < score:
            best[page] = Similar(id=page, kind="runbook", title=head["title"], text=head["text"], score=score)
    return sorted(best.values(), key=lambda match: (-match.score, match.id))


def _digest(pages: Sequence[Runbook]) -> str:
    text = "\n".join(page.model_dump_json() for page in sorted(pages, key=lambda page: page.id))
    return hashlib.sha256(text.encode()).hexdigest()
