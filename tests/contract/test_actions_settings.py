"""A job's settings changed for one repair and put back, whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest

from core.actions import Action
from core.approvals import Claim, ClaimRequest
from core.errors import InvalidInput, WorkspaceRefused, WorkspaceUnavailable
from tests.contract.jobs_api_box import CLUSTER, notebook
from tests.contract.workspace_box import Parts

pytestmark = pytest.mark.usefixtures("fair_weather")

UPDATE = {"method": "POST", "path": "jobs/update"}
MEMORY = "job_clusters[main].new_cluster.spark_conf[spark.executor.memory]"
MORE_MEMORY = {"path": MEMORY, "current": "4g", "proposed": "8g"}


def hungry(parts: Parts) -> tuple[int, int]:
    """A run that fails for want of memory; its cluster holds a secret, its job another cluster."""
    needs: dict[str, Any] = {
        "attempts": [{"result": "FAILED", "error": "OutOfMemoryError"}],
        "succeeds_if": {"spark_conf": {"spark.executor.memory": "8g"}},
    }
    main = {**CLUSTER, "spark_env_vars": {"DB_PASSWORD": "hunter2"}}
    clusters = [
        {"job_cluster_key": "main", "new_cluster": main},
        {"job_cluster_key": "other", "new_cluster": CLUSTER},
    ]
    return parts.box.failed(
        notebook("load", job_cluster_key="main", timeout_seconds=600),
        scripts={"load": needs},
        job={"job_clusters": clusters, "timeout_seconds": 3600},
    )


def settings(parts: Parts, job_id: int) -> dict[str, Any]:
    job = parts.box.client.jobs.get(job_id)
    assert job.settings
    return job.settings.as_dict()


async def steps(parts: Parts, run_id: int, *changes: dict[str, Any]) -> list[ClaimRequest]:
    run = await parts.workspace.run(run_id)
    return await parts.prepare(Action.RETRY_WITH_NEW_PARAMS, run, settings=list(changes))


async def applied(parts: Parts, run_id: int, *changes: dict[str, Any]) -> Claim:
    apply, _ = await steps(parts, run_id, *changes)
    claim = parts.claim(apply)
    assert (await parts.actions.send(claim)).state == "done"
    return claim


async def test_applied_repaired_and_restored(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    before = settings(parts, job_id)
    apply, start = await steps(parts, run_id, MORE_MEMORY)
    assert (apply.step, start.step) == ("apply", "start")
    claim = parts.claim(apply)
    assert (await parts.actions.send(claim)).state == "done"
    changed = settings(parts, job_id)
    assert changed["job_clusters"][0]["new_cluster"]["spark_conf"] == {"spark.executor.memory": "8g"}
    assert changed["job_clusters"][0]["new_cluster"]["spark_env_vars"] == {"DB_PASSWORD": "hunter2"}
    assert (await parts.actions.send(parts.claim(start))).state == "done"
    parts.box.ended(run_id)
    assert (await parts.workspace.run(run_id)).result_state == "SUCCESS"
    assert (await parts.actions.restore(claim)).state == "done"
    assert settings(parts, job_id) == before
    assert len(parts.updates(job_id)) == 2
    # Restoring again changes nothing.
    assert (await parts.actions.restore(claim)).state == "done"
    assert len(parts.updates(job_id)) == 2


async def test_a_claim_holds_no_secret(parts: Parts) -> None:
    _, run_id = hungry(parts)
    apply, start = await steps(parts, run_id, MORE_MEMORY)
    assert apply.before["originals"] == [{"path": MEMORY, "set": True, "value": "4g"}]
    assert apply.before["repair_ids"] == [] and apply.before["latest_repair_id"] == 0
    assert "hunter2" not in apply.model_dump_json() + start.model_dump_json()


async def test_every_kind_of_address(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    before = settings(parts, job_id)
    changes = [
        {"path": "timeout_seconds", "current": 3600, "proposed": 7200},
        {"path": "tasks[load].timeout_seconds", "current": 600, "proposed": "900"},
        {"path": "job_clusters[main].new_cluster.num_workers", "current": 2, "proposed": 4},
        {
            "path": "job_clusters[main].new_cluster.azure_attributes.availability",
            "proposed": "ON_DEMAND_AZURE",
        },
        {"path": "job_clusters[other].new_cluster.spark_conf[spark.sql.shuffle.partitions]", "proposed": 400},
    ]
    claim = await applied(parts, run_id, *changes)
    now = settings(parts, job_id)
    main, other = (cluster["new_cluster"] for cluster in now["job_clusters"])
    assert (now["timeout_seconds"], now["tasks"][0]["timeout_seconds"], main["num_workers"]) == (7200, 900, 4)
    assert main["azure_attributes"] == {"availability": "ON_DEMAND_AZURE"}
    assert other["spark_conf"]["spark.sql.shuffle.partitions"] == "400"
    assert (await parts.actions.restore(claim)).state == "done"
    assert settings(parts, job_id) == before


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500", "429", "garbage"])
async def test_in_bad_weather(parts: Parts, kind: str) -> None:
    job_id, run_id = hungry(parts)
    before = settings(parts, job_id)
    apply, _ = await steps(parts, run_id, MORE_MEMORY)
    claim = parts.claim(apply)
    parts.box.control.fault(kind, **UPDATE)
    assert (await parts.actions.send(claim)).state == "done"
    assert len(parts.updates(job_id)) == 1
    parts.box.control.fault(kind, **UPDATE)
    assert (await parts.actions.restore(claim)).state == "done"
    assert settings(parts, job_id) == before
    assert len(parts.updates(job_id)) == 2


async def test_killed_between_changing_and_recording(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    before = settings(parts, job_id)
    claim = await applied(parts, run_id, MORE_MEMORY)
    # The next process knows of the claim, and not what became of it.
    unsure = claim.model_copy(update={"fresh": False, "status": "sending"})
    assert (await parts.actions.send(unsure)).state == "done"
    assert len(parts.updates(job_id)) == 1
    # What it would propose now is derived from the changed settings; the claim's originals count.
    assert (await parts.actions.restore(unsure)).state == "done"
    assert settings(parts, job_id) == before


async def test_killed_between_claim_and_change(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    apply, _ = await steps(parts, run_id, MORE_MEMORY)
    claim = parts.claim(apply, fresh=False, status="sending")
    assert (await parts.actions.restore(claim)).state == "done"
    assert parts.updates(job_id) == []
    assert (await parts.actions.send(claim)).state == "done"
    assert len(parts.updates(job_id)) == 1


async def test_what_a_person_changed_meanwhile_is_not_overwritten(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    claim = await applied(parts, run_id, MORE_MEMORY)
    person = settings(parts, job_id)
    person["job_clusters"][0]["new_cluster"]["spark_conf"]["spark.executor.memory"] = "16g"
    parts.box.client.api_client.do(
        "POST",
        "/api/2.2/jobs/update",
        body={"job_id": job_id, "new_settings": {"job_clusters": person["job_clusters"]}},
    )
    sent = await parts.actions.restore(claim)
    assert sent.state == "unknown" and f"{MEMORY} was '4g'" in sent.detail
    assert settings(parts, job_id) == person


async def test_another_field_of_the_same_cluster_counts_as_changed(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    claim = await applied(parts, run_id, MORE_MEMORY)
    person = settings(parts, job_id)
    person["job_clusters"][0]["new_cluster"]["num_workers"] = 9
    body = {"job_id": job_id, "new_settings": {"job_clusters": person["job_clusters"]}}
    parts.box.client.api_client.do("POST", "/api/2.2/jobs/update", body=body)
    assert (await parts.actions.restore(claim)).state == "unknown"
    assert settings(parts, job_id) == person


async def test_a_change_elsewhere_in_the_job_stays_and_does_not_hinder(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    claim = await applied(parts, run_id, MORE_MEMORY)
    body = {"job_id": job_id, "new_settings": {"max_concurrent_runs": 3}}
    parts.box.client.api_client.do("POST", "/api/2.2/jobs/update", body=body)
    assert (await parts.actions.restore(claim)).state == "done"
    now = settings(parts, job_id)
    assert now["max_concurrent_runs"] == 3
    assert now["job_clusters"][0]["new_cluster"]["spark_conf"] == {"spark.executor.memory": "4g"}


async def test_changed_by_a_person_before_we_did(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    apply, _ = await steps(parts, run_id, MORE_MEMORY)
    cluster = settings(parts, job_id)["job_clusters"][0]
    cluster["new_cluster"]["spark_conf"]["spark.executor.memory"] = "6g"
    body = {"job_id": job_id, "new_settings": {"job_clusters": [cluster]}}
    parts.box.client.api_client.do("POST", "/api/2.2/jobs/update", body=body)
    sent = await parts.actions.send(parts.claim(apply))
    assert sent.state == "failed" and "someone else" in sent.detail
    with pytest.raises(InvalidInput, match="someone else"):
        await steps(parts, run_id, MORE_MEMORY)
    assert len(parts.updates(job_id)) == 1


async def test_of_a_job_that_is_gone_there_is_nothing_to_restore(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    claim = await applied(parts, run_id, MORE_MEMORY)
    parts.box.client.jobs.delete(job_id)
    assert (await parts.actions.restore(claim)).state == "done"


async def test_refused_and_unavailable(parts: Parts) -> None:
    job_id, run_id = hungry(parts)
    apply, _ = await steps(parts, run_id, MORE_MEMORY)
    parts.box.control.fault("403", **UPDATE)
    with pytest.raises(WorkspaceRefused, match="CAN MANAGE"):
        await parts.actions.send(parts.claim(apply))
    parts.box.control.fault("500", **UPDATE, count=None)
    with pytest.raises(WorkspaceUnavailable):
        await parts.actions.send(parts.claim(apply))
    assert parts.updates(job_id) == []


async def test_addresses_that_lead_nowhere(parts: Parts) -> None:
    _, run_id = hungry(parts)
    for path in ("job_clusters[gone].new_cluster.num_workers", "tasks[gone].timeout_seconds"):
        with pytest.raises(InvalidInput, match="has no"):
            await steps(parts, run_id, {"path": path, "proposed": 3})
