"""Measures retrieval: recall and time as incidents grow, and whether other words find the right pages and incidents."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evals.retrieval_data import (
    LIMIT,
    NOW,
    Question,
    Vectors,
    incidents,
    load_failures,
    questions,
)
from evals.retrieval_quality import Quality, asked_in_other_words
from knowledge.catalogue import load_catalogue
from knowledge.chroma import Database
from knowledge.embeddings import Embedder
from knowledge.incident_memory import IncidentMemory
from knowledge.index import INCIDENTS, Index
from knowledge.nearest import floats
from knowledge.relevance import KEY_WEIGHT, standing

#: Two scores that differ by less are the same: they are rounded when given.
SAME = 2e-4
CHUNK = 2_000
#: Incidents among which questions in other words are asked.
LABELLED = 1_000


@dataclass(frozen=True)
class AtSize:
    """What one number of incidents gave. Recall is 0..1 against exact search, times are milliseconds of the clock."""

    incidents: int
    build_seconds: float
    hnsw_recall: float
    hybrid_recall: float
    hnsw_p50: float
    hnsw_p99: float
    hybrid_p50: float
    hybrid_p99: float
    exact_p50: float


@dataclass(frozen=True)
class Report:
    """The whole measurement, and how the data were made."""

    real_embeddings: int
    embedding_seconds: float
    questions: int
    query_embedding_p50: float
    sizes: list[AtSize]
    asks: int
    labelled: int
    quality: list[Quality]


class _Known:
    """Gives vectors that were made before, so that only the search is measured."""

    name = "bench"

    def __init__(self) -> None:
        self.vectors: dict[str, Any] = {}

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]


class _Exact:
    """The same scores by brute force: every incident is looked at."""

    def __init__(self, rows: Sequence[IncidentMemory], matrix: Any) -> None:
        self.matrix = matrix
        self.numbers = {row.id: number for number, row in enumerate(rows)}
        self._of = {key: np.array([getattr(row, key) for row in rows]) for key in KEY_WEIGHT}
        self._standing = np.array(
            [standing(row.outcome, row.verified, row.finished_at, NOW) for row in rows], dtype=np.float32
        )

    def cosines(self, vector: Any) -> Any:
        return self.matrix @ vector

    def scores(self, vector: Any, keys: Mapping[str, str]) -> Any:
        missing = 1.0 - np.clip(self.cosines(vector), 0.0, 1.0)
        for key, weight in KEY_WEIGHT.items():
            missing = np.where(self._of[key] == keys[key], missing * (1.0 - weight), missing)
        return (1.0 - missing) * self._standing

    def fifth(self, scores: Any) -> float:
        """The score of the last of the best five failures, each counted once."""
        seen: dict[str, float] = {}
        for number in np.argsort(-scores):
            seen.setdefault(str(self._of["fingerprint"][number]), float(scores[number]))
            if len(seen) == LIMIT:
                break
        return min(seen.values())


def measure(
    sizes: Sequence[int],
    embedder: Embedder,
    folder: Path,
    *,
    real: int,
    asked: int,
    tell: Callable[[str], None],
) -> Report:
    """Measure in `folder`, which is filled and may be thrown away.

    Args:
        sizes: Numbers of incidents, each measured on top of the one before.
        embedder: The real model.
        real: How many incidents are really embedded; vectors of further ones are derived (`retrieval_data`).
        asked: How many questions.
        tell: Told what is done just now.
    """
    failures = load_failures()
    titles = {name: found.title for name, found in load_catalogue().classes.items()}
    rows = list(incidents(failures, max(sizes), NOW))
    real = min(real, len(rows))
    tell(f"embedding {real} incidents and {asked} questions")
    started = time.perf_counter()
    vectors = Vectors(embedder, [row.meaning() for row in rows[:real]], len(failures))
    spent = time.perf_counter() - started
    asks = questions(failures, titles, asked)
    query_times, known = [], _Known()
    for ask in asks:
        started = time.perf_counter()
        known.vectors[ask.text] = embedder.embed([ask.text])[0]
        query_times.append(time.perf_counter() - started)
    found = _sizes(sorted(sizes), rows, vectors, asks, known, folder / "sizes", tell)
    tell("asking in other words")
    quality, others = asked_in_other_words(
        failures, rows[: min(real, LABELLED)], embedder, folder / "quality"
    )
    return Report(
        real,
        round(spent, 1),
        asked,
        _percentile(query_times, 50),
        found,
        others,
        min(real, LABELLED),
        quality,
    )


def _sizes(
    sizes: Sequence[int],
    rows: Sequence[IncidentMemory],
    vectors: Vectors,
    asks: Sequence[Question],
    known: _Known,
    folder: Path,
    tell: Callable[[str], None],
) -> list[AtSize]:
    matrix = np.empty((len(rows), vectors.real.shape[1]), dtype=np.float32)
    index = Index(known, redact=str, runbooks=list, path=folder, now=lambda: NOW)
    database = Database(path=folder, url=None, embedder=known.name)
    found, done, seconds = [], 0, 0.0
    try:
        for size in sizes:
            tell(f"putting in {size} incidents")
            while done < size:
                chunk = rows[done : min(size, done + CHUNK)]
                known.vectors |= {row.meaning(): vectors[done + n] for n, row in enumerate(chunk)}
                matrix[done : done + len(chunk)] = [known.vectors[row.meaning()] for row in chunk]
                started = time.perf_counter()
                index.put(chunk)
                seconds += time.perf_counter() - started
                for row in chunk:
                    known.vectors.pop(row.meaning(), None)  # two may say the same
                done += len(chunk)
            tell(f"asking {len(asks)} questions of {size}")
            exact = _Exact(rows[:size], matrix[:size])
            found.append(_at_size(index, database, exact, asks, known, size, seconds))
    finally:
        database.close()
        index.close()
    return found


def _at_size(
    index: Index,
    database: Database,
    exact: _Exact,
    asks: Sequence[Question],
    known: _Known,
    size: int,
    seconds: float,
) -> AtSize:
    collection = database.collection(INCIDENTS)
    hnsw, hybrid, brute = [], [], []
    hnsw_recall, hybrid_recall = [], []
    index.search(asks[0].text, keys=asks[0].keys)  # the server reads what it needs at the first question
    for ask in asks:
        vector: Any = np.asarray(known.vectors[ask.text], dtype=np.float32)
        started = time.perf_counter()
        near = collection.query(query_embeddings=floats([vector]), n_results=LIMIT, include=[])["ids"][0]
        hnsw.append(time.perf_counter() - started)
        started = time.perf_counter()
        matches = index.search(ask.text, keys=ask.keys, limit=LIMIT)
        hybrid.append(time.perf_counter() - started)
        started = time.perf_counter()
        scores = exact.scores(vector, ask.keys)
        fifth = exact.fifth(scores)
        brute.append(time.perf_counter() - started)
        cosines = exact.cosines(vector)
        nearest_fifth = np.partition(cosines, -LIMIT)[-LIMIT]
        hnsw_recall.append(sum(cosines[exact.numbers[i]] >= nearest_fifth - SAME for i in near) / LIMIT)
        hybrid_recall.append(sum(scores[exact.numbers[m.id]] >= fifth - SAME for m in matches) / LIMIT)
    return AtSize(
        size,
        round(seconds, 1),
        round(float(np.mean(hnsw_recall)), 4),
        round(float(np.mean(hybrid_recall)), 4),
        _percentile(hnsw, 50),
        _percentile(hnsw, 99),
        _percentile(hybrid, 50),
        _percentile(hybrid, 99),
        _percentile(brute, 50),
    )


def _percentile(seconds: Sequence[float], rank: float) -> float:
    return round(float(np.percentile(seconds, rank)) * 1000, 2)
