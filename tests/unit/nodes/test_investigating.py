"""fetch, fetch_task, retrieve, analyze, evaluate and predict, each called by hand."""

import pytest

from core.errors import KnowledgeUnavailable, WorkspaceUnavailable
from core.incident import Similar, Status, Triad
from core.policy import Policy, Rules
from nodes.analyze import EVIDENCE_CHARS, EVIDENCE_RANGES, analyze
from nodes.evaluate import MAX_RETRIEVALS, evaluate
from nodes.fetch import fetch
from nodes.predict import predict
from nodes.retrieve import EXCERPT, retrieve
from tests.fakes.parts import failed_run, running
from tests.unit.nodes.desk import Desk

POOR = Triad(faithfulness=0.4, answer_relevance=0.9, context_precision=0.9)


async def test_fetch_opens_the_incident_once_and_binds_the_thread():
    desk = Desk()
    first, second = await desk.call(fetch), await desk.call(fetch)
    assert first["incident_id"] == second["incident_id"] and len(desk.world.store.rows) == 1
    assert (first["route"], first["attempt"]) == ("fetch_task", 1)
    assert desk.incident.thread_id == "t1" and desk.incident.status == Status.INVESTIGATING
    assert desk.kinds() == ["fetched"]


async def test_fetch_of_a_run_that_went_well_or_goes_on_opens_nothing():
    for run in (failed_run(7, result="SUCCESS"), running(failed_run(7)), failed_run(7, result="CANCELED")):
        desk = Desk()
        desk.world.workspace.runs[7] = [run.model_copy(update={"tasks": []})]
        update = await desk.call(fetch)
        assert (update["outcome"], update["route"]) == ("closed", "end")
        assert not desk.world.store.rows


async def test_fetch_of_a_run_that_goes_on_too_long_is_looked_into():
    desk = Desk()
    desk.world.policy = Policy(defaults=Rules(max_run_seconds=60))
    desk.world.workspace.runs[7] = [running(failed_run(7)).model_copy(update={"duration_seconds": 61.0})]
    assert (await desk.call(fetch))["route"] == "fetch_task"


async def test_fetch_refuses_a_second_thread():
    desk = Desk()
    await desk.world.store.open_incident(failed_run(7), thread_id="another")
    update = await desk.call(fetch)
    assert update["route"] == "end" and "another" in update["refusal"]


async def test_fetch_waits_for_a_repair_that_somebody_else_began():
    desk = await Desk().diagnosed()
    desk.world.workspace.runs[7] = [running(failed_run(7, repairs=[55]))]
    assert (await desk.call(fetch))["route"] == "verify"
    desk.world.workspace.runs[7] = [failed_run(7, repairs=[55], result="SUCCESS")]
    update = await desk.call(fetch)
    assert (update["route"], update["outcome"]) == ("learn", "resolved_elsewhere")


async def test_fetch_lets_an_outage_through():
    desk = Desk()
    desk.world.workspace.errors = [WorkspaceUnavailable("gone for a while")]
    with pytest.raises(WorkspaceUnavailable):
        await desk.call(fetch)
    assert not desk.world.store.rows


async def test_retrieve_asks_more_widely_each_time_and_cuts_long_texts():
    desk = await Desk().diagnosed()
    desk.world.retriever.found = [Similar(id="r1", kind="runbook", title="t", text="x" * 5000, score=0.9)]
    update = await desk.call(retrieve)
    assert update["retrievals"] == 2 and "wider" in update["query"]
    assert len(update["similar"][0]["text"]) == EXCERPT


async def test_retrieve_without_knowledge_goes_on_and_says_so():
    desk = await Desk().diagnosed()
    desk.world.retriever.error = KnowledgeUnavailable("no index")
    assert (await desk.call(retrieve))["similar"] == []
    assert desk.kinds() == ["knowledge_unavailable"]


async def test_analyze_hands_the_hint_over_and_keeps_a_readable_part():
    desk = await Desk().diagnosed()
    told = desk.world.investigator
    long = told.diagnosis.evidence[0].model_copy(update={"text": "y" * 9000})
    told.diagnosis = told.diagnosis.model_copy(update={"evidence": [long] * 20})
    desk.state["hint"] = "the token was rotated"
    update = await desk.call(analyze)
    assert told.hints == ["the token was rotated"]
    evidence = update["diagnosis"]["evidence"]
    assert len(evidence) == EVIDENCE_RANGES and len(evidence[0]["text"]) == EVIDENCE_CHARS


@pytest.mark.parametrize(
    ("tries", "low", "route"),
    [(1, False, "predict"), (1, True, "retrieve"), (MAX_RETRIEVALS, True, "predict")],
)
async def test_evaluate_sends_weak_answers_back_but_not_for_ever(tries, low, route):
    desk = await Desk().diagnosed()
    desk.state["retrievals"] = tries
    desk.world.investigator.triads = [POOR] if low else []
    update = await desk.call(evaluate)
    assert (update["low_support"], update["route"]) == (low, route)


async def test_evaluate_goes_by_the_policys_threshold():
    desk = await Desk().diagnosed()
    desk.world.policy = Policy(defaults=Rules(triad_threshold=0.3))
    desk.world.investigator.triads = [POOR]
    assert (await desk.call(evaluate))["low_support"] is False


async def test_predict_gives_a_chance_with_its_interval():
    prediction = (await (await Desk().diagnosed()).call(predict))["prediction"]
    assert prediction["low"] <= prediction["probability"] <= prediction["high"]
