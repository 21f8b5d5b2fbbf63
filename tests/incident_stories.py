"""Incidents with a whole story, put into the store as the graph would have, for tests of what shows them."""

from __future__ import annotations

from typing import Any

from core.actions import Action, Proposal, check_params, payload_sha256
from core.approvals import NewApproval
from core.incident import Approval, Status
from core.run import RunFacts, TaskFacts
from store.store import Store

MEMORY = "job_clusters[main].new_cluster.spark_conf[spark.executor.memory]"
EVIDENCE = """ExecutorLostFailure (executor 7 exited caused by one of the running tasks)
Reason: Container killed by YARN for exceeding memory limits. 9.1 GB of 9 GB physical memory used.
Consider boosting spark.executor.memoryOverhead."""
START = 1_795_200_000_000


def a_run(run_id: int = 4711, job_name: str = "nightly_orders", **more: Any) -> RunFacts:
    """A failed run of four tasks: one root failure, one that was skipped for it, two good ones."""
    tasks = [
        _task("extract", 1, "SUCCESS", [], 0, 95),
        _task("clean", 2, "SUCCESS", ["extract"], 95, 180),
        _task("aggregate", 3, "FAILED", ["clean"], 180, 640),
        _task("publish", 4, "UPSTREAM_FAILED", ["aggregate"], 640, 640),
    ]
    known: dict[str, Any] = {
        "workspace": "https://w.example.com",
        "job_id": 31,
        "job_name": job_name,
        "tags": {"team": "data"},
        "life_cycle_state": "TERMINATED",
        "result_state": "FAILED",
        "duration_seconds": 640.0,
        "run_page_url": f"https://w.example.com/jobs/31/runs/{run_id}",
        "tasks": tasks,
    }
    return RunFacts(run_id=run_id, **{**known, **more})


def _task(key: str, number: int, state: str, after: list[str], start: int, end: int) -> TaskFacts:
    return TaskFacts(
        task_key=key,
        run_id=47110 + number,
        depends_on=after,
        life_cycle_state="TERMINATED",
        result_state=state,
        state_message="Workload failed, see run output for details" if state == "FAILED" else "",
        start_time=START + start * 1000,
        end_time=START + end * 1000,
    )


def a_proposal(**more: Any) -> Proposal:
    """Twice the memory for one task."""
    params = {
        "task_keys": ["aggregate"],
        "settings": [{"path": MEMORY, "current": "8g", "proposed": "16g"}],
    }
    known: dict[str, Any] = {
        "action": Action.RETRY_WITH_NEW_PARAMS,
        "params": params,
        "reason": "An executor was killed at 9.1 of 9 GB; with twice the memory the same task has passed before.",
        "confidence": 0.86,
        "risks": ["The cluster costs about twice as much while this repair runs."],
    }
    return Proposal(**{**known, **more})


def facts(run: RunFacts, /, **more: Any) -> dict[str, Any]:
    """What the nodes wrote down about the run."""
    diagnosis = {
        "category": "resource",
        "failure_class": "executor_oom",
        "transient": False,
        "root_cause": "An executor of task aggregate was killed because it used more memory than its container has.",
        "confidence": 0.91,
        "fingerprint": "f1e2",
        "evidence": [
            {"source": "aggregate/stderr", "line_start": 1843, "line_end": 1845, "text": EVIDENCE},
            {"source": "aggregate/events", "line_start": 3, "line_end": 3, "text": "DRIVER_HEALTHY"},
        ],
    }
    history = [
        {
            "run_id": run.run_id - n,
            "result_state": "FAILED" if n in (3, 9) else "SUCCESS",
            "start_time": START - n * 86_400_000,
            "duration_seconds": 500.0 + 17 * (n % 5),
            "repaired": n == 3,
        }
        for n in range(1, 15)
    ]
    known: dict[str, Any] = {
        "run": run.model_dump(mode="json"),
        "diagnosis": diagnosis,
        "triad": {"faithfulness": 0.93, "answer_relevance": 0.88, "context_precision": 0.79},
        "prediction": {
            "probability": 0.83,
            "low": 0.61,
            "high": 0.95,
            "successes": 9,
            "trials": 10,
            "basis": "ten earlier tries on this class",
        },
        "similar": [
            {
                "id": "memory",
                "kind": "runbook",
                "title": "Out of memory in an executor",
                "text": "Look at the stage's largest partition first.\nThen at the memory settings.",
                "score": 0.81,
            }
        ],
        "history": history,
        "tasks": {"1/aggregate": {"task_key": "aggregate", "run_id": 47113, "error": EVIDENCE}},
    }
    return {**known, **more}


async def tell(store: Store, run: RunFacts | None = None, /, **more: Any) -> str:
    """An incident that was looked into, with nothing proposed yet; its id."""
    run = run or a_run()
    row = await store.open_incident(run, thread_id=f"thread-{run.run_id}", source="webhook")
    await store.update_incident(row.id, status=Status.INVESTIGATING, **facts(run, **more))
    await store.put_artifact(row.id, "aggregate/stderr", EVIDENCE * 20, key="1/aggregate/stderr")
    await store.add_event(row.id, "fetched", {"attempt": 1, "failed_tasks": ["aggregate"]}, key="fetched/1")
    return row.id


async def ask(store: Store, incident_id: str, proposal: Proposal | None = None, **more: Any) -> Approval:
    """Propose, and wait for a person."""
    proposal = proposal or a_proposal()
    params = check_params(proposal.action, proposal.params)
    await store.update_incident(incident_id, proposal=proposal.model_dump(mode="json"))
    known: dict[str, Any] = {
        "incident_id": incident_id,
        "attempt": 1,
        "revision": 1,
        "proposal": proposal,
        "ttl_seconds": 3600.0,
    }
    new = NewApproval(
        **{**known, **more},
        payload_sha256=payload_sha256(incident_id, more.get("attempt", 1), proposal.action, params),
    )
    approval = await store.propose(new)
    await store.update_incident(incident_id, status=Status.AWAITING_APPROVAL)
    return approval
