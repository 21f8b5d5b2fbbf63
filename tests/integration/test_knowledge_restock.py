"""The index as something that can always be made again: by itself where it is empty, and never by two at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from core.errors import KnowledgeUnavailable
from core.incident import Category
from knowledge.imports import TeamKnowledge
from knowledge.incident_memory import IncidentMemory
from knowledge.index import Index
from store.queries import Queries
from store.sweeps import Sweeps
from tests.store_rows import Rows
from wiring.restock import LOCK, Restock


class Letters:
    """Vectors that need no model."""

    def __init__(self, name: str = "letters", letters: str = "abcdefghijklmnopqrstuvwxyz") -> None:
        self.name, self._letters = name, letters

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        counts = [[text.lower().count(c) + 0.01 for c in self._letters] for text in texts]
        return [[c / sum(v * v for v in row) ** 0.5 for c in row] for row in counts]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(Letters(), redact=str, runbooks=list, path=tmp_path / "chroma")
    yield made
    made.close()


@pytest.fixture
def team(tmp_path: Path) -> TeamKnowledge:
    (tmp_path / "history.csv").write_text("id,title,cause\n1,Load failed,a lock\n")
    return TeamKnowledge(tmp_path / "team", str, dict[str, Category])


async def ended(rows: Rows, run_id: int, outcome: str = "resolved") -> str:
    incident = await rows.incident(run_id=run_id)
    diagnosis = {"failure_class": "dns_failure", "category": "network", "root_cause": "No address."}
    await rows.store.update_incident(incident, diagnosis=diagnosis)
    await rows.store.finish(incident, outcome)
    return incident


def restock(rows: Rows, index: Index, team: TeamKnowledge) -> Restock:
    queries, sweeps = Queries(rows.db, rows.clock), Sweeps(rows.db, rows.clock)
    return Restock(index, queries, sweeps, team, rows.db.libpq_url)


def there(index: Index) -> set[str]:
    return {match.id for match in index.search("no address, a lock", keys={}, limit=50)}


async def test_an_empty_index_is_filled_from_the_store_and_the_teams_history_once(
    rows: Rows, index: Index, team: TeamKnowledge, tmp_path: Path
) -> None:
    of = restock(rows, index, team)
    assert await of.if_needed() is None, "there is nothing to put in"
    wanted = {await ended(rows, run_id) for run_id in range(1, 4)}
    await ended(rows, 9, "muted")
    team.take(tmp_path / "history.csv")
    assert await of.if_needed() == 4
    assert await asyncio.to_thread(index.counts) == {"incidents": 4, "runbooks": 0}
    assert wanted | {"imported-1"} >= await asyncio.to_thread(there, index)
    assert await of.if_needed() is None


async def test_while_another_process_is_at_it_nothing_is_done(
    rows: Rows, index: Index, team: TeamKnowledge
) -> None:
    await ended(rows, 1)
    with psycopg.connect(rows.db.libpq_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        assert await restock(rows, index, team).if_needed() is None
        asked = asyncio.create_task(restock(rows, index, team).now())
        await asyncio.sleep(0.2)
        assert not asked.done(), "a rebuild that a person asked for waits"
    assert await asked == 1


@pytest.mark.parametrize("other", [Letters("others"), Letters(letters="aeiou")])
async def test_vectors_of_another_model_are_made_again(
    rows: Rows, index: Index, team: TeamKnowledge, tmp_path: Path, other: Letters
) -> None:
    wanted = {await ended(rows, 1)}
    await restock(rows, index, team).if_needed()
    changed = Index(other, redact=str, runbooks=list, path=tmp_path / "chroma")
    try:
        with pytest.raises(KnowledgeUnavailable, match="pitstop knowledge rebuild"):
            changed.search("no address", keys={})
        assert await restock(rows, changed, team).if_needed() == 1
        assert await asyncio.to_thread(there, changed) == wanted
    finally:
        changed.close()


async def test_a_rebuild_that_was_cut_short_leaves_the_old_index_and_is_done_again(
    rows: Rows, index: Index, team: TeamKnowledge
) -> None:
    old, new = [IncidentMemory(id=name, title=name) for name in ("old", "new")]
    index.put([old])

    def cut() -> Iterator[IncidentMemory]:
        yield new
        index.put([IncidentMemory(id="meanwhile", title="meanwhile")])
        raise KnowledgeUnavailable("The rebuild of the index was broken off.")

    with pytest.raises(KnowledgeUnavailable):
        index.rebuild(cut())
    assert await asyncio.to_thread(there, index) == {"old", "meanwhile"}
    wanted = {await ended(rows, 1)}
    assert await restock(rows, index, team).if_needed() == 1
    assert await asyncio.to_thread(there, index) == wanted


def test_what_is_put_in_during_a_rebuild_is_kept(index: Index) -> None:
    def slowly() -> Iterator[IncidentMemory]:
        yield IncidentMemory(id="old", title="old")
        index.put([IncidentMemory(id="meanwhile", title="meanwhile")])

    assert index.rebuild(slowly()) == 1
    assert there(index) == {"old", "meanwhile"}
    assert not index.lacks_incidents()
