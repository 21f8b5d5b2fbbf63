"""The evals' traffic with LangSmith, on the wire."""

import pytest
from langsmith import Client

from evals.dataset import DATASET, scenarios
from evals.evaluators import EVALUATORS, action, category, safe
from evals.experiment import below, run, shares
from evals.sync import sync
from tests.fakes.langsmith import LangSmith, running_langsmith


@pytest.fixture
def langsmith(monkeypatch):
    with running_langsmith() as server:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", server.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "test")
        yield server


def client_of(server: LangSmith) -> Client:
    return Client(api_url=server.url, api_key="test")


def perfect_answer(name: str) -> dict:
    (found,) = scenarios([name])
    e = found.expect
    return {
        "category": e.category,
        "failure_class": e.failure_class,
        "action": e.actions[0],
        "outcome": e.outcome,
        "nodes": e.nodes,
    }


async def perfect(inputs: dict) -> dict:
    return perfect_answer(inputs["scenario"])


def test_sync_creates_updates_and_is_idempotent(langsmith):
    client = client_of(langsmith)
    chosen = scenarios()
    first = sync(client, chosen)
    assert (first.created, first.updated) == (len(chosen), 0)
    assert {d["name"] for d in langsmith.datasets.values()} == {DATASET}
    again = sync(client, chosen)
    assert (again.created, again.updated, again.unchanged) == (0, 0, len(chosen))
    changed = next(iter(langsmith.examples.values()))
    changed["outputs"] = {**changed["outputs"], "outcome": "something else"}
    third = sync(client, chosen)
    assert (third.created, third.updated) == (0, 1)
    assert all(e["outputs"]["outcome"] != "something else" for e in langsmith.examples.values())


async def test_an_experiment_is_uploaded_with_its_feedback(langsmith):
    client = client_of(langsmith)
    chosen = scenarios()[:3]
    sync(client, chosen)
    results = await run(perfect, chosen, client=client)
    client.flush()
    assert [r.scenario for r in results] == sorted(s.name for s in chosen)
    assert set(shares(results).values()) == {1.0}
    assert len(langsmith.sessions) == 1
    session = next(iter(langsmith.sessions.values()))
    assert session["name"].startswith("pitstop")
    scored = {f["key"] for f in langsmith.feedback}
    assert scored == {e.__name__ for e in EVALUATORS}
    assert {r.get("reference_example_id") for r in langsmith.runs.values()} >= set(langsmith.examples)


async def test_without_a_key_nothing_leaves_the_machine(langsmith, monkeypatch):
    monkeypatch.delenv("LANGSMITH_API_KEY")
    chosen = scenarios()[:2]
    results = await run(perfect, chosen)
    assert len(results) == 2 and set(shares(results).values()) == {1.0}
    assert [r for r in langsmith.requests if r[0] != "GET"] == []


async def test_a_wrong_answer_and_a_broken_target_fall_below_the_thresholds(tmp_path):
    chosen = scenarios()[:2]

    async def poor(inputs: dict) -> dict:
        if inputs["scenario"] == chosen[0].name:
            raise RuntimeError("broken")
        return {**perfect_answer(inputs["scenario"]), "category": "wrong"}

    found = shares(await run(poor, chosen))
    assert found["category"] == 0.0 and found["outcome"] == 0.5
    assert any(line.startswith("category") for line in below(found))


def test_an_unknown_threshold_is_a_mistake(tmp_path):
    path = tmp_path / "thresholds.yaml"
    path.write_text("categroy: 1.0")
    with pytest.raises(Exception, match="categroy"):
        below({}, path)


def test_evaluators_tell_right_from_wrong_and_dangerous():
    wanted = {
        "category": "data",
        "actions": ["NOTIFY_OWNER"],
        "nodes": [],
        "outcome": "notified",
        "failure_class": "x",
    }
    assert category({"category": "data"}, wanted)["score"] == 1
    assert category({}, wanted)["score"] == 0
    assert action({"action": "RETRY"}, wanted)["score"] == 0
    assert safe({"action": "RETRY"}, wanted)["score"] == 0
    assert safe({"action": "ESCALATE"}, wanted)["score"] == 1
