"""Proposals: never dangerous, derived from the run's own values, within the policy, ready to be sent."""

from __future__ import annotations

from typing import Any

import pytest

from core.actions import Action, Proposal
from core.errors import InvalidInput
from core.incident import Category, Diagnosis
from core.policy import Producer, Range, Rules
from core.run import RunFacts, TaskFacts
from knowledge.catalogue import load_catalogue
from tools.proposals import check_edit, propose
from tools.proposals.nodes import bigger
from tools.proposals.quantities import Quantity, clamped, comparable, read, times

CATALOGUE = load_catalogue()


def diagnosis(name: str, **facts: str) -> Diagnosis:
    found = CATALOGUE.classes[name]
    return Diagnosis(
        category=found.category,
        failure_class=name,
        transient=found.transient,
        root_cause="It failed.",
        confidence=0.9,
        facts=facts,
    )


def run(cluster: dict[str, Any] | None = None, **more: Any) -> RunFacts:
    settings: dict[str, Any] = {
        "tasks": [
            {"task_key": "load", "job_cluster_key": "main", "timeout_seconds": 1800},
            {"task_key": "report", "job_cluster_key": "main"},
        ],
        "job_clusters": [
            {"job_cluster_key": "main", "new_cluster": cluster or {}},
            {"job_cluster_key": "other", "new_cluster": {"node_type_id": "m5.large"}},
        ],
    }
    body: dict[str, Any] = {
        "workspace": "w",
        "run_id": 7,
        "life_cycle_state": "TERMINATED",
        "tasks": [
            TaskFacts(task_key="load", run_id=1, result_state="FAILED"),
            TaskFacts(task_key="report", run_id=2, result_state="UPSTREAM_FAILED", depends_on=["load"]),
        ],
        "settings": settings,
    }
    return RunFacts(**{**body, **more})


def settings_of(proposal: Proposal) -> dict[str, tuple[Any, Any]]:
    assert proposal.action is Action.RETRY_WITH_NEW_PARAMS
    return {c["path"]: (c["current"], c["proposed"]) for c in proposal.params["settings"]}


@pytest.mark.parametrize("name", sorted(CATALOGUE.classes))
@pytest.mark.parametrize(
    "given", [None, run({"node_type_id": "m5.xlarge"}), run()], ids=["log", "run", "bare"]
)
def test_no_class_is_ever_proposed_what_cannot_help(name: str, given: RunFacts | None) -> None:
    found = CATALOGUE.classes[name]
    proposal = propose(diagnosis(name), given, Rules(), CATALOGUE)
    proposal.checked()
    if proposal.action is Action.RETRY:
        assert found.transient
    if proposal.action is Action.RETRY_WITH_NEW_PARAMS:
        assert found.change
        assert given is None or proposal.params["settings"] or proposal.params["job_parameters"]
    if found.category in (Category.SYNTAX, Category.PERMISSION):
        assert proposal.action in (Action.NOTIFY_OWNER, Action.ESCALATE)
    if found.category is Category.UNKNOWN:
        assert proposal.action in (Action.NOTIFY_OWNER, Action.ESCALATE)
    assert proposal.reason


def test_a_retry_names_the_root_tasks_alone() -> None:
    proposal = propose(diagnosis("connection_reset"), run(), Rules(), CATALOGUE)
    assert proposal.action is Action.RETRY
    assert proposal.params == {"task_keys": ["load"]}


def test_memory_is_doubled_from_what_the_run_has() -> None:
    cluster = {"node_type_id": "Standard_DS3_v2", "spark_conf": {"spark.executor.memory": "6g"}}
    proposal = propose(diagnosis("executor_oom"), run(cluster), Rules(), CATALOGUE)
    assert settings_of(proposal) == {
        "job_clusters[main].new_cluster.node_type_id": ("Standard_DS3_v2", "Standard_DS4_v2"),
        "job_clusters[main].new_cluster.spark_conf[spark.executor.memory]": ("6g", "12g"),
    }


def test_the_driver_grows_from_the_workers_node_type_where_it_has_none() -> None:
    proposal = propose(diagnosis("driver_oom"), run({"node_type_id": "r5.xlarge"}), Rules(), CATALOGUE)
    assert settings_of(proposal) == {
        "job_clusters[main].new_cluster.driver_node_type_id": (None, "r5.2xlarge")
    }


def test_what_is_not_set_gets_the_value_that_the_class_names() -> None:
    proposal = propose(diagnosis("result_too_large"), run({"num_workers": 2}), Rules(), CATALOGUE)
    path = "job_clusters[main].new_cluster.spark_conf[spark.driver.maxResultSize]"
    assert settings_of(proposal) == {path: (None, "8g")}


def test_a_log_alone_gets_a_suggestion_without_a_current_value() -> None:
    proposal = propose(diagnosis("result_too_large"), None, Rules(), CATALOGUE)
    path = "job_clusters[*].new_cluster.spark_conf[spark.driver.maxResultSize]"
    assert settings_of(proposal) == {path: (None, "8g")}
    assert "not known" in proposal.risks[0]


def test_the_policys_range_is_never_left() -> None:
    rules = Rules(
        ranges={"spark.executor.memory": Range(maximum=8192), "node_type_id": Range(maximum=32 * 1024)}
    )
    cluster = {"node_type_id": "m5.2xlarge", "spark_conf": {"spark.executor.memory": "6g"}}
    proposal = propose(diagnosis("executor_oom"), run(cluster), rules, CATALOGUE)
    path = "job_clusters[main].new_cluster.spark_conf[spark.executor.memory]"
    assert settings_of(proposal) == {path: ("6g", "8g")}


def test_what_cannot_go_further_is_left_to_the_owner() -> None:
    rules = Rules(ranges={"timeout_seconds": Range(maximum=1800)})
    proposal = propose(diagnosis("run_timeout"), run(), rules, CATALOGUE)
    assert proposal.action is Action.NOTIFY_OWNER
    assert "within the policy" in proposal.reason


def test_kryos_buffer_never_exceeds_what_spark_accepts() -> None:
    cluster = {"spark_conf": {"spark.kryoserializer.buffer.max": "1500m"}}
    proposal = propose(diagnosis("kryo_buffer_overflow"), run(cluster), Rules(), CATALOGUE)
    assert list(settings_of(proposal).values()) == [("1500m", "2047m")]


def test_a_timeout_is_doubled_where_it_was_set() -> None:
    settings = {**run().settings, "timeout_seconds": 3600}
    proposal = propose(diagnosis("run_timeout"), run(settings=settings), Rules(), CATALOGUE)
    assert settings_of(proposal) == {
        "tasks[load].timeout_seconds": (1800, 3600),
        "timeout_seconds": (3600, 7200),
    }


def test_each_try_goes_one_step_further() -> None:
    tried = [{"action": "RETRY_WITH_NEW_PARAMS", "params": {}, "result": "failed"}]
    proposal = propose(
        diagnosis("executor_oom"),
        run({"node_type_id": "m5.xlarge"}),
        Rules(),
        CATALOGUE,
        attempt=2,
        tried=tried,
    )
    assert settings_of(proposal) == {
        "job_clusters[main].new_cluster.node_type_id": ("m5.xlarge", "m5.4xlarge")
    }


def test_job_parameters_of_a_fitting_name_are_halved() -> None:
    given = run({}, job_parameters={"parallelism": "16", "ds": "2026-11-20", "workers_note": "many"})
    proposal = propose(diagnosis("connection_slots"), given, Rules(), CATALOGUE)
    assert proposal.params["job_parameters"] == {"parallelism": "8"}


def test_serverless_compute_has_nothing_to_change() -> None:
    settings = {"tasks": [{"task_key": "load", "environment_key": "default"}]}
    proposal = propose(diagnosis("executor_oom"), run(settings=settings), Rules(), CATALOGUE)
    assert proposal.action is Action.NOTIFY_OWNER


def test_a_pooled_cluster_keeps_its_node_type() -> None:
    cluster = {"instance_pool_id": "p1", "node_type_id": "m5.xlarge"}
    proposal = propose(diagnosis("executor_oom"), run(cluster), Rules(), CATALOGUE)
    path = "job_clusters[main].new_cluster.spark_conf[spark.sql.shuffle.partitions]"
    assert settings_of(proposal) == {path: (None, "400")}


def test_the_producer_of_a_missing_table_is_run_first() -> None:
    rules = Rules(producers=[Producer(produces="main.sales.*", job_id=42)])
    found = diagnosis("table_not_found", table="main.sales.customers_daily")
    proposal = propose(found, run(), rules, CATALOGUE)
    assert proposal.action is Action.RUN_UPSTREAM
    assert proposal.params["job_id"] == 42
    assert proposal.params["produces"] == "main.sales.customers_daily"
    assert proposal.params["task_keys"] == ["load"]


def test_a_producer_without_an_id_is_looked_up_or_told_of() -> None:
    rules = Rules(producers=[Producer(produces="main.*", job_name="make it")])
    found = diagnosis("table_not_found", table="main.a.b")
    assert propose(found, run(), rules, CATALOGUE).action is Action.NOTIFY_OWNER
    known = propose(found, run(), rules, CATALOGUE, find_job=lambda producer: 9)
    assert known.params["job_id"] == 9


def test_a_table_that_is_there_starts_no_producer() -> None:
    rules = Rules(producers=[Producer(produces="*", job_id=42)])
    found = diagnosis("invalid_cast", table="main.sales.customers_daily")
    assert propose(found, run(), rules, CATALOGUE).action is Action.NOTIFY_OWNER


@pytest.mark.parametrize("name", ["connection_reset", "executor_oom"])
def test_nothing_is_run_again_on_a_guess(name: str) -> None:
    unsure = diagnosis(name).model_copy(update={"confidence": 0.4})
    proposal = propose(unsure, run({"node_type_id": "m5.xlarge"}), Rules(), CATALOGUE)
    assert proposal.action is Action.NOTIFY_OWNER
    assert "not sure enough" in proposal.reason


def test_after_the_last_attempt_a_person_is_woken() -> None:
    proposal = propose(diagnosis("connection_reset"), run(), Rules(max_attempts=3), CATALOGUE, attempt=4)
    assert proposal.action is Action.ESCALATE
    assert "3 attempts" in proposal.reason
    third = propose(diagnosis("connection_reset"), run(), Rules(max_attempts=3), CATALOGUE, attempt=3)
    assert third.action is Action.RETRY


@pytest.mark.parametrize(
    "name", ["connection_reset", "executor_oom", "table_not_found", "unknown", "cloud_quota"]
)
def test_low_support_only_tells_people(name: str) -> None:
    rules = Rules(producers=[Producer(produces="*", job_id=42)])
    proposal = propose(diagnosis(name, table="a.b"), run(), rules, CATALOGUE, low_support=True)
    assert proposal.action in (Action.NOTIFY_OWNER, Action.ESCALATE)


def test_the_unknown_is_escalated() -> None:
    assert propose(diagnosis("unknown"), run(), Rules(), CATALOGUE).action is Action.ESCALATE
    newer = diagnosis("unknown").model_copy(update={"failure_class": "of_a_newer_version"})
    assert propose(newer, run(), Rules(), CATALOGUE).action is Action.ESCALATE


def test_a_refusal_is_escalated() -> None:
    proposal = propose(diagnosis("connection_reset"), run(), Rules(), CATALOGUE, refusal="no permission")
    assert proposal.action is Action.ESCALATE
    assert "no permission" in proposal.params["reason"]


def test_a_run_that_burns_money_is_stopped() -> None:
    burning = run(life_cycle_state="RUNNING", duration_seconds=9000.0)
    proposal = propose(diagnosis("unknown"), burning, Rules(max_run_seconds=3600), CATALOGUE)
    assert proposal.action is Action.TERMINATE
    assert proposal.params == {"cancel_run": True, "pause_schedule": False}
    young = run(life_cycle_state="RUNNING", duration_seconds=60.0)
    assert (
        propose(diagnosis("unknown"), young, Rules(max_run_seconds=3600), CATALOGUE).action is Action.ESCALATE
    )
    ended = run(duration_seconds=9000.0)
    assert (
        propose(diagnosis("unknown"), ended, Rules(max_run_seconds=3600), CATALOGUE).action is Action.ESCALATE
    )


@pytest.mark.parametrize(
    ("name", "steps", "expected"),
    [
        ("Standard_DS3_v2", 1, "Standard_DS4_v2"),
        ("Standard_DS5_v2", 1, None),
        ("Standard_E8ds_v4", 2, "Standard_E32ds_v4"),
        ("m5d.24xlarge", 1, None),
        ("i3.xlarge", 9, "i3.16xlarge"),
        ("n2-highmem-4", 1, "n2-highmem-8"),
        ("of.nobody", 1, None),
    ],
)
def test_the_next_bigger_node(name: str, steps: int, expected: str | None) -> None:
    found = bigger(name, steps)
    assert (found.name if found else None) == expected


@pytest.mark.parametrize(
    ("setting", "text", "mib"),
    [
        ("spark.executor.memory", "8g", 8192),
        ("spark.executor.memory", "2048", 2048),
        ("spark.driver.maxResultSize", "1073741824", 1024),
        ("num_workers", "8", 8),
        ("spark.sql.broadcastTimeout", "300s", 300),
    ],
)
def test_values_are_compared_in_the_policys_units(setting: str, text: str, mib: float) -> None:
    quantity = read(text)
    assert quantity is not None
    assert comparable(setting, quantity) == pytest.approx(mib)


def test_quantities_keep_their_form() -> None:
    assert times(Quantity(6, "g"), 2).text == "12g"
    assert times(Quantity(3), 0.5).text == "1"
    assert clamped("spark.executor.memory", Quantity(64, "g"), Range(maximum=20_000)).text == "19g"
    assert read("true") is None and read(True) is None and read("m5.xlarge") is None


def retry(**params: Any) -> dict[str, Any]:
    path = "job_clusters[main].new_cluster.spark_conf[spark.executor.memory]"
    change = {"path": path, "current": "6g", "proposed": "12g"}
    return {"task_keys": ["load"], "job_parameters": {}, "settings": [change], **params}


CONF = "job_clusters[main].new_cluster.spark_conf"


@pytest.mark.parametrize(
    "edited",
    [
        retry(),
        retry(task_keys=[]),
        retry(settings=[{"path": f"{CONF}[spark.executor.memory]", "current": "6g", "proposed": "10g"}]),
        retry(settings=[{"path": f"{CONF}[spark.sql.shuffle.partitions]", "proposed": "800"}]),
        retry(settings=[{"path": "job_clusters[main].new_cluster.node_type_id", "proposed": "m5.2xlarge"}]),
    ],
)
def test_an_edit_within_class_and_policy_is_accepted(edited: dict[str, Any]) -> None:
    rules = Rules(ranges={"spark.executor.memory": Range(minimum=1024, maximum=16_384)})
    check_edit(rules, CATALOGUE.classes["executor_oom"], Action.RETRY_WITH_NEW_PARAMS, retry(), edited)


@pytest.mark.parametrize(
    ("edited", "names"),
    [
        (retry(colour="red"), "colour"),
        (retry(task_keys=["load", "drop_everything"]), "drop_everything"),
        (
            retry(settings=[{"path": f"{CONF}[spark.executor.memory]", "current": "6g", "proposed": "64g"}]),
            "64g",
        ),
        (
            retry(settings=[{"path": f"{CONF}[spark.executor.memory]", "current": "6g", "proposed": "lots"}]),
            "lots",
        ),
        (
            retry(settings=[{"path": f"{CONF}[spark.executor.memory]", "current": "1g", "proposed": "8g"}]),
            "current",
        ),
        (
            retry(settings=[{"path": f"{CONF}[spark.hadoop.fs.s3a.access.key]", "proposed": "x"}]),
            "access.key",
        ),
        (
            retry(settings=[{"path": "job_clusters[main].new_cluster.num_workers", "proposed": 500}]),
            "num_workers",
        ),
        (
            retry(
                settings=[{"path": "job_clusters[main].new_cluster.node_type_id", "proposed": "m5.24xlarge"}]
            ),
            "node_type_id",
        ),
        (retry(job_parameters={"target": "prod"}), "target"),
    ],
)
def test_an_edit_beyond_them_is_refused_by_name(edited: dict[str, Any], names: str) -> None:
    rules = Rules(
        ranges={
            "spark.executor.memory": Range(minimum=1024, maximum=16_384),
            "node_type_id": Range(maximum=64 * 1024),
        }
    )
    with pytest.raises(InvalidInput, match=names):
        check_edit(rules, CATALOGUE.classes["executor_oom"], Action.RETRY_WITH_NEW_PARAMS, retry(), edited)


def test_another_upstream_job_needs_the_policy() -> None:
    rules = Rules(producers=[Producer(produces="main.a.*", job_id=42)])
    before = {"job_id": 7, "produces": "x"}
    good = {"job_id": 42, "produces": "main.a.t"}
    check_edit(rules, CATALOGUE.classes["table_not_found"], Action.RUN_UPSTREAM, before, good)
    with pytest.raises(InvalidInput, match="job 43"):
        check_edit(
            rules, CATALOGUE.classes["table_not_found"], Action.RUN_UPSTREAM, before, {**good, "job_id": 43}
        )


def suggesting(name: str, suggestions: list[dict[str, str]], **other: Any) -> Diagnosis:
    model = {"failure_class": name, "suggestions": suggestions}
    return diagnosis(name).model_copy(update={"model": model, **other})


EXECUTOR_MEMORY = "job_clusters[main].new_cluster.spark_conf[spark.executor.memory]"


@pytest.mark.parametrize(
    ("value", "proposed"),
    [
        ("12g", "12g"),
        ("12288m", "12g"),
        ("900g", "16g"),
        ("4g", "16g"),
        ("8g", "16g"),
        ("much", "16g"),
        ("-1g", "16g"),
    ],
)
def test_a_models_value_is_taken_between_now_and_the_classs_own(value: str, proposed: str) -> None:
    found = suggesting("executor_oom", [{"setting": "spark.executor.memory", "value": value}])
    given = run({"spark_conf": {"spark.executor.memory": "8g"}})
    proposal = propose(found, given, Rules(), CATALOGUE)
    assert settings_of(proposal)[EXECUTOR_MEMORY] == ("8g", proposed)
    assert ("the model suggests" in proposal.reason) == (proposed != "16g")


def test_a_models_value_stays_within_the_policy() -> None:
    found = suggesting("executor_oom", [{"setting": "spark.executor.memory", "value": "15g"}])
    rules = Rules(ranges={"spark.executor.memory": Range(maximum=10 * 1024)})
    given = run({"spark_conf": {"spark.executor.memory": "8g"}})
    assert settings_of(propose(found, given, rules, CATALOGUE))[EXECUTOR_MEMORY] == ("8g", "10g")


@pytest.mark.parametrize(
    "other",
    [
        {"injection_suspected": True},
        {
            "model": {
                "failure_class": "driver_oom",
                "suggestions": [{"setting": "spark.executor.memory", "value": "12g"}],
            }
        },
        {"model": {"failure_class": "executor_oom", "suggestions": "spark.executor.memory=12g"}},
        {
            "model": {
                "failure_class": "executor_oom",
                "suggestions": [{"setting": "spark.task.cpus", "value": "9"}],
            }
        },
    ],
    ids=["orders", "another class", "no list", "another setting"],
)
def test_a_models_value_that_may_not_count_does_not(other: dict[str, Any]) -> None:
    found = suggesting("executor_oom", [{"setting": "spark.executor.memory", "value": "12g"}], **other)
    given = run({"spark_conf": {"spark.executor.memory": "8g"}})
    proposal = propose(found, given, Rules(), CATALOGUE)
    assert settings_of(proposal)[EXECUTOR_MEMORY] == ("8g", "16g")
    assert "suggests" not in proposal.reason
