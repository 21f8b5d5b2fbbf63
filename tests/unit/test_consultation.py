"""What a model's opinion may change of a diagnosis, and what it never may."""

from typing import Any

import pytest

from core.actions import TELLS_PEOPLE
from core.incident import Category, Diagnosis, Evidence
from core.policy import Budget, Entry, Match, Policy, Rules
from core.run import RunFacts
from knowledge.catalogue import load_catalogue
from tools.consultation import Consultation
from tools.consulted import plain
from tools.llm import ModelAnswer, ModelRequest, NoAnswer, Opinion, Suggestion, Usage
from wiring.model import read_prompt

CATALOGUE = load_catalogue()
LINES = [
    Evidence(
        source="driver.log", line_start=9, line_end=9, text="java.lang.OutOfMemoryError: Java heap space"
    ),
    Evidence(
        source="driver.log", line_start=4, line_end=4, text="java.net.SocketException: Connection reset"
    ),
]


class Scripted:
    """A model that gives the same answer to everything."""

    name = "scripted"

    def __init__(self, *answers: Opinion | NoAnswer, usd: float = 0.001) -> None:
        self.answers = answers
        self.usd = usd
        self.asked: list[ModelRequest] = []

    def worst_usd(self, request: ModelRequest) -> float:
        return self.usd

    async def diagnose(self, request: ModelRequest) -> ModelAnswer:
        self.asked.append(request)
        (answer,) = self.answers
        if isinstance(answer, NoAnswer):
            raise answer
        return ModelAnswer(answer, Usage(100, 10, self.usd, 0.5))


class Ledger:
    """The record of calls, in memory."""

    def __init__(self, of_incident: float = 0.0, today: float = 0.0) -> None:
        self.rows: list[dict[str, Any]] = []
        self.of_incident, self.today = of_incident, today

    async def record(self, **row: Any) -> None:
        self.rows.append(row)

    async def usd_of(self, incident_id: str) -> float:
        return self.of_incident + sum(r["usd"] for r in self.rows if r["incident_id"] == incident_id)

    async def usd_today(self) -> float:
        return self.today + sum(r["usd"] for r in self.rows)


def local(failure_class: str, confidence: float, **other: Any) -> Diagnosis:
    found = CATALOGUE.classes[failure_class]
    known: dict[str, Any] = {
        "root_cause": "An executor ran out of heap space.",
        "evidence": LINES,
        "fingerprint": "f1",
        "facts": {"where": "load.py:41", "table": "main.sales.orders"},
        **other,
    }
    return Diagnosis(
        category=Category(found.category),
        failure_class=failure_class,
        transient=found.transient,
        confidence=confidence,
        **known,
    )


def opinion(failure_class: str, **other: Any) -> Opinion:
    said: dict[str, Any] = {
        "evidence": ["E1"],
        "root_cause": "Heap space ran out.",
        "confidence": 0.9,
        "suggestions": [],
        **other,
    }
    return Opinion(failure_class=failure_class, **said)


async def consult(
    diagnosis: Diagnosis,
    answer: Opinion | NoAnswer,
    *,
    candidates: tuple[str, ...] = (),
    policy: Policy | None = None,
    ledger: Ledger | None = None,
    **other: Any,
) -> tuple[Diagnosis, Scripted, Ledger]:
    model, ledger = Scripted(answer), ledger or Ledger()
    consultation = Consultation(model, CATALOGUE, policy or Policy(), ledger, read_prompt(), limit=3000)
    known = [(CATALOGUE.classes[name], 0.5) for name in candidates]
    after = await consultation.second_opinion(diagnosis, known, [], incident_id="i1", **other)
    return after, model, ledger


def without_words(diagnosis: Diagnosis) -> Diagnosis:
    """Everything that leads to an action or shows in a message."""
    return diagnosis.model_copy(
        update={"model": {}, "disagreement": "", "confidence": 0.0, "origin": "catalogue"}
    )


async def test_an_agreement_makes_it_a_little_surer():
    before = local("executor_oom", 0.8)
    after, _, ledger = await consult(before, opinion("executor_oom"))
    assert 0.8 < after.confidence < 0.9
    assert after.origin == "catalogue+model"
    assert without_words(after) == without_words(before)
    assert after.model["name"] == "scripted"
    assert after.model["prompt_sha256"] == read_prompt().sha256
    assert (after.model["input_tokens"], after.model["output_tokens"], after.model["usd"]) == (100, 10, 0.001)
    (row,) = ledger.rows
    assert (row["incident_id"], row["usd"], row["prompt_sha256"]) == ("i1", 0.001, read_prompt().sha256)


@pytest.mark.parametrize("named", ["connection_reset", "unknown"])
async def test_a_sure_engine_keeps_its_class(named):
    before = local("executor_oom", 0.8)
    after, _, _ = await consult(
        before, opinion(named, confidence=1.0), candidates=("executor_oom", "connection_reset")
    )
    assert without_words(after) == without_words(before)
    assert after.confidence < 0.8
    assert named in after.disagreement


async def test_an_unsure_engine_gives_way_to_one_of_its_candidates():
    before = local("executor_oom", 0.4)
    cited = opinion(
        "connection_reset", evidence=["[e2]"], root_cause="SocketException on reading.", confidence=0.95
    )
    after, _, _ = await consult(before, cited, candidates=("executor_oom", "connection_reset"))
    assert (after.failure_class, after.category, after.transient) == (
        "connection_reset",
        Category.NETWORK,
        True,
    )
    assert after.root_cause == "SocketException on reading."
    assert after.confidence <= 0.6, "no automatic rule should be met by what a model says alone"
    assert after.evidence == [LINES[1], LINES[0]]
    assert "table" not in after.facts, "what the engine read for its own class is not this class's fact"
    assert "executor_oom" in after.disagreement


@pytest.mark.parametrize(
    "named", [c.name for c in CATALOGUE.classes.values() if c.action not in TELLS_PEOPLE] + ["run_too_long"]
)
async def test_without_a_pattern_no_model_leads_to_an_action(named):
    before = local("unknown", 0.2)
    after, _, _ = await consult(before, opinion(named, confidence=1.0), candidates=("invalid_cast",))
    assert without_words(after) == without_words(before)


@pytest.mark.parametrize(
    ("candidates", "facts"), [(("table_not_found",), {"where", "table"}), ((), {"where"})]
)
async def test_facts_come_from_the_class_s_patterns_and_only_where_it_was_recognised(candidates, facts):
    text = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`sales`.`orders` cannot be found."
    shown = [Evidence(source="driver.log", line_start=1, line_end=1, text=text)]
    before = local("unknown", 0.2, evidence=shown, facts={"where": "load.py:41", "path": "/tmp/x"})
    after, _, _ = await consult(before, opinion("table_not_found"), candidates=candidates)
    assert (after.failure_class, set(after.facts)) == ("table_not_found", facts)


async def test_a_model_may_name_what_only_tells_people():
    after, _, _ = await consult(local("unknown", 0.2), opinion("module_not_found", confidence=1.0))
    assert after.failure_class == "module_not_found"
    assert after.origin == "model"
    assert set(after.facts) == {"where"}, "without facts no other job can be started for it"


@pytest.mark.parametrize("confidence", [0.2, 0.9])
@pytest.mark.parametrize("named", ["connection_reset", "module_not_found", "executor_oom", "unknown"])
async def test_where_the_evidence_gives_orders_nothing_is_taken_over(named, confidence):
    before = local("invalid_cast", confidence, injection_suspected=True)
    told = opinion(
        named, confidence=1.0, suggestions=[Suggestion(setting="spark.executor.memory", value="900g")]
    )
    after, _, _ = await consult(before, told, candidates=("invalid_cast", named))
    assert without_words(after) == without_words(before)
    assert after.confidence <= before.confidence
    assert after.model["suggestions"] == []
    assert "Heap space" not in after.disagreement
    after, _, _ = await consult(before, opinion("invalid_cast"))
    assert after.confidence == before.confidence


async def test_a_cause_with_names_from_nowhere_is_not_shown():
    made_up = opinion("connection_reset", root_cause="Table main.ops.secrets_v2 vanished in 4711 ms.")
    after, _, _ = await consult(local("unknown", 0.2), made_up, candidates=("connection_reset",))
    assert after.failure_class == "connection_reset"
    assert "secrets_v2" not in after.root_cause + after.disagreement


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (opinion("retry_everything"), "does not exist"),
        (opinion("Executor OOM"), "does not exist"),
        (opinion("executor_oom", evidence=["E3"]), "does not exist"),
        (opinion("executor_oom", evidence=["E1", "K1"]), "does not exist"),
        (opinion("executor_oom", evidence=[]), "no evidence"),
        (opinion("executor_oom", root_cause=" <br> "), "no root cause"),
        (NoAnswer("The model did not answer.", Usage(5, 5, 0.002, 1.0)), "did not answer"),
    ],
)
async def test_what_is_no_answer_leaves_the_local_one(answer, message):
    before = local("executor_oom", 0.8)
    after, _, ledger = await consult(before, answer)
    assert after.model_copy(update={"model": {}}) == before
    assert message in after.model["error"]
    assert [row["usd"] for row in ledger.rows] == [after.model["usd"]], "it is paid for all the same"


async def test_suggestions_only_for_what_the_class_may_change():
    allowed = CATALOGUE.classes["executor_oom"].change[0].setting
    told = [
        Suggestion(setting=allowed, value="16g"),
        Suggestion(setting="spark.hadoop.fs.s3a.secret.key", value="x"),
        Suggestion(setting=allowed, value="16g; rm -rf /"),
    ]
    after, _, _ = await consult(local("executor_oom", 0.8), opinion("executor_oom", suggestions=told))
    assert after.model["suggestions"] == [{"setting": allowed, "value": "16g"}]


@pytest.mark.parametrize(
    ("ledger", "budget"),
    [
        (Ledger(of_incident=0.0095), Budget()),
        (Ledger(today=4.9995), Budget()),
        (Ledger(), Budget(per_incident_usd=0)),
        (Ledger(), Budget(per_day_usd=0.0005)),
    ],
)
async def test_a_spent_budget_means_no_call(ledger, budget):
    before = local("executor_oom", 0.8)
    policy = Policy(defaults=Rules(budget=budget))
    after, model, _ = await consult(before, opinion("executor_oom"), ledger=ledger, policy=policy)
    assert model.asked == []
    assert ledger.rows == []
    assert "budget" in after.model["error"]
    assert after.model_copy(update={"model": {}}) == before


async def test_the_budget_is_that_of_the_job():
    generous = Entry(match=Match(name="nightly*"), rules={"budget": {"per_incident_usd": 1}})
    policy = Policy(defaults=Rules(budget=Budget(per_incident_usd=0)), jobs=[generous])
    before = local("executor_oom", 0.8)
    _, model, _ = await consult(before, opinion("executor_oom"), policy=policy)
    assert model.asked == []
    run = RunFacts(workspace="w", run_id=1, job_name="nightly_load")
    _, model, _ = await consult(before, opinion("executor_oom"), policy=policy, run=run)
    assert len(model.asked) == 1


async def test_an_unsure_engine_offers_more_classes():
    _, sure, _ = await consult(
        local("executor_oom", 0.9), opinion("executor_oom"), candidates=("executor_oom", "driver_oom")
    )
    _, unsure, _ = await consult(local("unknown", 0.2), opinion("unknown"))
    assert "- connection_reset: " not in sure.asked[0].user
    assert "- connection_reset: " in unsure.asked[0].user
    assert "- driver_oom: " in unsure.asked[0].user


async def test_nothing_to_show_nothing_to_ask():
    before = local("unknown", 0.2, evidence=[])
    after, model, _ = await consult(before, opinion("unknown"))
    assert (after, model.asked) == (before, [])


def test_a_cause_is_one_plain_line():
    said = (
        "**Click** [here](https://evil.example/x)\n<img src=x> or https://evil.example `now` dapi"
        + "0123456789abcdef" * 2
    )
    assert plain(said).startswith("Click here or now [REDACTED")
    assert "0123456789abcdef" not in plain(said)
    assert len(plain("word " * 1000)) <= 400
    assert plain("column customer_id in main.sales.t_1") == "column customer_id in main.sales.t_1"
