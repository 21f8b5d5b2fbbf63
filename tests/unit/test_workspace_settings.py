"""Settings without secrets, and the addresses of single settings."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import InvalidInput
from tools.databricks.secret_settings import named_like_a_secret, without_secrets
from tools.databricks.setting_path import UNSET, fragment, parse, same, typed, value, with_value

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "settings",
    [
        {"spark_env_vars": {"DB_PASSWORD": SECRET}},
        {"spark_conf": {"fs.azure.account.key.lake.dfs.core.windows.net": SECRET}},
        {"spark_conf": {"spark.hadoop.fs.s3a.secret.key": SECRET, "spark.hadoop.fs.s3a.access.key": SECRET}},
        {"notebook_task": {"base_parameters": {"api_token": SECRET}}},
        {"parameters": [{"name": "client_secret", "default": SECRET}]},
        {"spark_python_task": {"parameters": ["--password", SECRET, "--day", "1"]}},
        {"spark_python_task": {"parameters": [f"--api-key={SECRET}", f"token={SECRET}"]}},
        {"custom_tags": {"url": f"jdbc:postgresql://etl:{SECRET}@db/prod"}},
        {"base_parameters": {"source": f"https://x.blob.core.windows.net/c?sp=r&sig={SECRET}&se=1"}},
        {"base_parameters": {"dsn": f"Endpoint=x;AccountKey={SECRET};y=1"}},
        {
            "base_parameters": {
                "pem": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----"
            }
        },
    ],
)
def test_secrets_go(settings: dict[str, Any]) -> None:
    clean = without_secrets(settings)
    assert SECRET not in str(clean)
    assert "[secret]" in str(clean)
    assert SECRET in str(settings)  # the given one is left alone


@pytest.mark.parametrize(
    "token", ["dapi" + "0123456789abcdef" * 2, "AKIA" + "A" * 16, "ghp_" + "a" * 36, "sk-" + "a" * 30]
)
def test_known_tokens_go_whatever_they_are_called(token: str) -> None:
    assert token not in str(without_secrets({"base_parameters": {"x": f"use {token} here"}}))


def test_the_rest_stays() -> None:
    settings = {
        "tasks": [{"task_key": "load", "job_cluster_key": "main", "environment_key": "env"}],
        "spark_conf": {"spark.executor.memory": "8g", "spark.password": "{{secrets/scope/key}}"},
        "idempotency": {"max_tokens": 500, "tokenizer": "bert", "secret_count": 3},
        "parameters": [{"name": "day", "default": "2026-01-31"}, "--keys", "a,b"],
    }
    assert without_secrets(settings) == settings
    assert not named_like_a_secret("partition_key") and named_like_a_secret("storage_account_key")


JOB: dict[str, Any] = {
    "timeout_seconds": 60,
    "job_clusters": [
        {"job_cluster_key": "a.b", "new_cluster": {"num_workers": 2, "spark_conf": {"spark.x": "1"}}}
    ],
    "tasks": [{"task_key": "load", "new_cluster": {"autoscale": {"max_workers": 4}}}],
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("timeout_seconds", 60),
        ("tasks[load].timeout_seconds", UNSET),
        ("job_clusters[a.b].new_cluster.num_workers", 2),
        ("job_clusters[a.b].new_cluster.spark_conf[spark.x]", "1"),
        ("job_clusters[a.b].new_cluster.spark_conf[spark.y]", UNSET),
        ("tasks[load].new_cluster.autoscale.max_workers", 4),
        ("tasks[load].new_cluster.aws_attributes.availability", UNSET),
    ],
)
def test_a_value_is_found_changed_and_put_back(text: str, found: Any) -> None:
    path = parse(text)
    part = fragment(JOB, path)
    assert part is not None and value(part, path) == found
    changed = with_value(part, path, "new")
    assert value(changed, path) == "new"
    assert with_value(changed, path, found) == part
    assert value(part, path) == found  # nothing was changed in place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "tasks[load]",
        "tasks[load].notebook_task.notebook_path",
        "job_clusters[a].timeout_seconds",
        "job_clusters[a].new_cluster",
        "new_cluster.num_workers",
        "job_clusters[a].new_cluster.instance_profile_arn",
        "job_clusters[a].new_cluster.single_user_name",
        "job_clusters[a].new_cluster.spark_env_vars.PATH",
        "job_clusters[a].new_cluster.spark_conf[spark.driver.extraJavaOptions]",
        "job_clusters[a].new_cluster.spark_conf[spark.jars]",
        "job_clusters[a].new_cluster.spark_conf[spark.x.password]",
        "job_clusters[a].new_cluster.spark_conf[x]",
        "job_clusters[a].new_cluster.num_workers.x",
        "timeout_seconds; DROP",
    ],
)
def test_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse(text)


@pytest.mark.parametrize(
    ("text", "given", "sent"),
    [
        ("timeout_seconds", "900", 900),
        ("timeout_seconds", 900.0, 900),
        ("tasks[t].new_cluster.spark_conf[spark.x]", 400, "400"),
        ("tasks[t].new_cluster.spark_conf[spark.x]", True, "true"),
        ("tasks[t].new_cluster.enable_elastic_disk", "True", True),
        ("tasks[t].new_cluster.azure_attributes.spot_bid_max_price", "-1", -1.0),
    ],
)
def test_values_get_the_services_type(text: str, given: Any, sent: Any) -> None:
    assert typed(parse(text), given) == sent
    assert type(typed(parse(text), given)) is type(sent)


@pytest.mark.parametrize("given", ["many", "1.5", True, "inf", "nan"])
def test_values_that_do_not_fit(given: Any) -> None:
    with pytest.raises(InvalidInput, match="does not fit"):
        typed(parse("timeout_seconds"), given)


def test_sameness() -> None:
    assert same("4", 4) and same(True, "true") and same(UNSET, UNSET)
    assert not same(UNSET, "unset") and not same("4g", "8g")
