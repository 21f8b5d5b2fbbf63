"""The index on a real Chroma with the packaged embedding model: what it finds, and what it survives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.errors import KnowledgeUnavailable, NotFound
from knowledge.embeddings import Embedder, MiniLM
from knowledge.incident_memory import IncidentMemory
from knowledge.index import Index
from knowledge.memory import Memory
from knowledge.runbooks import Runbook
from tools.redaction import redact

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PAGES = [
    Runbook(
        id="memory", title="The driver ran out of memory", classes=["driver_oom"], text="Too much collect()."
    ),
    Runbook(
        id="tls", title="A certificate is not trusted", classes=["tls_failure"], text="Renew the certificate."
    ),
]
OOM = IncidentMemory(
    id="inc_oom",
    title="nightly-sales: driver_oom",
    root_cause="toPandas() brought 40 GB to the driver.",
    evidence="java.lang.OutOfMemoryError: Java heap space",
    fingerprint="f-oom",
    failure_class="driver_oom",
    category="resource",
    job="nightly-sales",
    action="RETRY_WITH_NEW_PARAMS",
    outcome="resolved",
    verified=True,
    finished_at=NOW.isoformat(),
)
DNS = IncidentMemory(
    id="inc_dns",
    title="import-weather: dns_failure",
    root_cause="The name api.weather.example has no address.",
    evidence="NameResolutionError: Failed to resolve 'api.weather.example'",
    fingerprint="f-dns",
    failure_class="dns_failure",
    category="network",
    job="import-weather",
    outcome="resolved",
    verified=True,
    finished_at=NOW.isoformat(),
)
Open = Callable[..., Index]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return MiniLM()


@pytest.fixture
def open_index(embedder: Embedder, tmp_path: Path) -> Iterator[Open]:
    """Opens indexes, in `tmp_path/data/chroma` unless told otherwise, and closes them after the test."""
    opened: list[Index] = []

    def make(path: Path | None = None, pages: list[Runbook] | None = None) -> Index:
        index = Index(
            embedder,
            redact=lambda text: redact(text).text,
            runbooks=lambda: PAGES if pages is None else pages,
            path=path or tmp_path / "data" / "chroma",
            now=lambda: NOW,
        )
        opened.append(index)
        return index

    yield make
    for index in opened:
        index.close()


def ids(index: Index, query: str, kind: str = "incident", **keys: str) -> list[str]:
    return [match.id for match in index.search(query, keys=keys, limit=10) if match.kind == kind]


def test_what_means_the_same_is_found_in_other_words(open_index: Open) -> None:
    index = open_index()
    assert index.put([OOM, DNS]) == 2
    assert ids(index, "the host name could not be looked up")[0] == "inc_dns"
    assert ids(index, "heap of the driver exhausted")[0] == "inc_oom"
    assert ids(index, "an expired TLS certificate", kind="runbook")[0] == "tls"


def test_exact_keys_find_what_the_words_would_not(open_index: Open) -> None:
    index = open_index()
    index.put([OOM, DNS])
    words = "the host name could not be looked up"
    assert ids(index, words, fingerprint="f-oom")[0] == "inc_oom"
    assert ids(index, words, kind="runbook", failure_class="driver_oom")[0] == "memory"


@pytest.mark.parametrize("n", [100, 150, 2000])
def test_an_exact_key_is_found_beside_a_failure_that_came_again_and_again(open_index: Open, n: int) -> None:
    index = open_index(pages=[])
    again = [DNS.model_copy(update={"id": f"inc_{k}", "fingerprint": f"f-{k}"}) for k in range(n)]
    index.put([*again, OOM])
    assert ids(index, "the host name could not be looked up", fingerprint="f-oom")[0] == "inc_oom"


def test_an_exact_key_is_found_among_many_nearer_texts(open_index: Open) -> None:
    index = open_index()
    nearer = [
        DNS.model_copy(update={"id": f"inc_{n}", "fingerprint": f"f-{n}", "note": f"Seen on node {n}."})
        for n in range(150)
    ]
    index.put([*nearer, OOM])
    assert ids(index, "the host name could not be looked up", fingerprint="f-oom")[0] == "inc_oom"


def test_runbooks_and_incidents_are_both_shown(open_index: Open) -> None:
    index = open_index()
    several = [{"id": f"inc_{n}", "fingerprint": f"f-{n}", "note": f"Cluster {n}."} for n in range(5)]
    index.put(OOM.model_copy(update=changes) for changes in several)
    found = index.search(OOM.evidence, keys={"failure_class": "driver_oom"}, limit=3)
    assert {match.kind for match in found} == {"incident", "runbook"}
    assert len(found) == 3
    assert [match.action for match in found if match.kind == "incident"] == [OOM.action] * 2


def test_an_incident_that_came_again_is_shown_once_the_most_useful_one_with_its_number(
    open_index: Open,
) -> None:
    index = open_index()
    unproved = OOM.model_copy(update={"verified": False, "outcome": "escalated"})
    index.put([*(unproved.model_copy(update={"id": f"inc_{n}"}) for n in range(90)), OOM, DNS])
    index.put([DNS.model_copy(update={"id": f"imported-{n}", "fingerprint": ""}) for n in range(3)])
    found = index.search("driver memory", keys={"fingerprint": "f-oom"}, limit=5)
    shown = [(match.id, match.times) for match in found if match.kind == "incident"]
    assert shown[0] == ("inc_oom", 91)
    assert len(shown) == 2, "the three without a fingerprint say the same as DNS"
    assert shown[1][1] == 1


def test_of_equal_texts_the_verified_and_the_younger_one_wins(open_index: Open) -> None:
    index = open_index()
    old = (NOW - timedelta(days=720)).isoformat()
    changes: dict[str, dict[str, object]] = {
        "young": {},
        "old": {"finished_at": old},
        "unproved": {"verified": False},
        "rejected": {"outcome": "rejected", "verified": False},
    }
    same = {"evidence": "", "action": None, "note": ""}
    index.put(
        OOM.model_copy(update={**same, **change, "id": id, "fingerprint": f"f-{id}", "note": id})
        for id, change in changes.items()
    )
    assert ids(index, OOM.root_cause) == ["young", "unproved", "old", "rejected"]


def test_putting_the_same_twice_replaces_it(open_index: Open) -> None:
    index = open_index()
    index.put([OOM])
    index.put([OOM.model_copy(update={"title": "nightly-sales: executor_oom"}), DNS])
    assert index.counts()["incidents"] == 2
    match = next(m for m in index.search(OOM.evidence, keys={}) if m.id == "inc_oom")
    assert match.title == "nightly-sales: executor_oom"
    index.forget(["inc_oom"])
    assert ids(index, OOM.evidence) == ["inc_dns"]


def test_the_folder_is_made_and_what_was_put_is_there_after_a_restart(
    open_index: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "not" / "there" / "chroma"
    first = open_index(folder)
    assert first.search("anything", keys={}) != [], "the runbooks are found at once"
    first.put([OOM])
    first.close()
    assert ids(open_index(folder), "driver memory") == ["inc_oom"]


def test_pages_that_changed_replace_those_in_the_index(open_index: Open) -> None:
    open_index().counts()
    ours = Runbook(
        id="ours", title="Our gate", classes=["tls_failure"], text="Call the gatekeeper.\n\n## More\nNo."
    )
    index = open_index(pages=[ours])
    assert index.counts()["runbooks"] == 2
    assert ids(index, "certificate", kind="runbook", failure_class="tls_failure") == ["ours"]


def test_a_page_added_by_another_process_is_kept(open_index: Open) -> None:
    pages = list(PAGES)
    server, command = open_index(pages=pages), open_index(pages=pages)
    assert server.counts()["runbooks"] == 2
    pages.append(Runbook(id="ours", title="Our gate", classes=["tls_failure"], text="Call the gatekeeper."))
    added = open_index(pages=pages)
    assert added.counts()["runbooks"] == 3
    for index in (server, command):
        assert "ours" in ids(index, "gatekeeper", kind="runbook")
    assert added.counts()["runbooks"] == 3


def test_secrets_do_not_enter(open_index: Open, tmp_path: Path) -> None:
    token, word = "dapi" + "0123456789abcdef" * 2, "hunter2-Correct-Horse"
    index = open_index()
    index.put(
        [
            OOM.model_copy(
                update={
                    "title": f"job with {token}",
                    "job": f"load {token}",
                    "evidence": f"password={word}\njava.lang.OutOfMemoryError",
                    "note": f"Authorization: Bearer {token}",
                }
            )
        ]
    )
    found = index.search(f"OutOfMemoryError password={word}", keys={"failure_class": "driver_oom"})
    shown = "".join(match.model_dump_json() for match in found)
    assert "inc_oom" in shown
    assert token not in shown and word not in shown
    index.close()
    stored = b"".join(
        file.read_bytes() for file in (tmp_path / "data" / "chroma").rglob("*") if file.is_file()
    )
    assert b"OutOfMemoryError" in stored, "the files are where the texts are"
    assert token.encode() not in stored and word.encode() not in stored


def test_a_broken_folder_is_named_and_rebuild_mends_it_and_touches_nothing_else(
    open_index: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "chroma"
    index = open_index()
    index.put([OOM, DNS])
    index.close()
    beside = folder.parent / "knowledge" / "incidents.jsonl"
    beside.parent.mkdir()
    beside.write_text("kept\n")
    (folder / "chroma.sqlite3").write_bytes(b"this was a database once" * 100)

    broken = open_index()
    with pytest.raises(KnowledgeUnavailable) as named:
        broken.search("driver memory", keys={})
    assert str(folder) in str(named.value) and "pitstop knowledge rebuild" in str(named.value)
    with pytest.raises(KnowledgeUnavailable):
        broken.put([OOM])

    assert broken.rebuild([OOM, DNS]) == 2
    assert ids(broken, "driver memory")[0] == "inc_oom"
    assert broken.counts()["runbooks"] == len(PAGES)
    assert beside.read_text() == "kept\n"
    aside = [path for path in folder.parent.iterdir() if ".broken-" in path.name]
    assert len(aside) == 1 and (aside[0] / "chroma.sqlite3").read_bytes().startswith(b"this was")


def test_rebuild_forgets_what_the_store_no_longer_holds(open_index: Open) -> None:
    index = open_index()
    index.put([OOM])
    assert index.rebuild([DNS]) == 1
    assert ids(index, OOM.evidence, fingerprint="f-oom") == ["inc_dns"]
    assert index.rebuild([]) == 0
    assert ids(index, "anything") == []


def test_vectors_of_another_model_are_refused_until_the_index_is_made_again(
    open_index: Open, embedder: Embedder, tmp_path: Path
) -> None:
    class Renamed:
        name = "another/model"
        embed = staticmethod(embedder.embed)

    index = open_index()
    index.put([OOM])
    index.close()
    other = Index(
        Renamed(), redact=str, runbooks=lambda: PAGES, path=tmp_path / "data" / "chroma", now=lambda: NOW
    )
    try:
        with pytest.raises(KnowledgeUnavailable, match="all-MiniLM-L6-v2"):
            other.search("anything", keys={})
        other.rebuild([OOM])
        assert ids(other, "driver memory") == ["inc_oom"]
    finally:
        other.close()


async def test_the_memory_remembers_what_the_store_gives_it(open_index: Open) -> None:
    async def load(incident_id: str) -> IncidentMemory:
        if incident_id != OOM.id:
            raise NotFound(f"There is no incident {incident_id}.")
        return OOM

    memory = Memory(open_index(), load)
    await memory.remember(OOM.id)
    await memory.remember(OOM.id)
    found = await memory.search("driver memory", keys={"job": "nightly-sales"}, limit=5)
    assert [match.id for match in found if match.kind == "incident"] == [OOM.id]
    with pytest.raises(NotFound):
        await memory.remember("inc_unknown")
