"""kill -9 at any point of an incident: it goes on from its checkpoint, and the sandbox's record shows one repair."""

import time

import pytest

from tests.e2e.processes import Service, service, until

SCENARIO = "connection_reset"


@pytest.fixture
def pitstop(database_url):
    with service(database_url) as running:
        yield running


def finish(pitstop: Service, run_id: int) -> None:
    """Approve if that is still to be done, and wait for the end."""
    found = pitstop.at(run_id, "awaiting_approval", "acting", "verifying", "resolved", seconds=90)
    if found["status"] == "awaiting_approval":
        assert pitstop.decide(found).status_code == 200
    pitstop.at(run_id, "resolved", seconds=90)
    assert len(pitstop.repairs(run_id)) == 1


@pytest.mark.parametrize("delay", [0.0, 0.4, 1.5])
def test_killed_while_investigating(pitstop, delay):
    server = pitstop.start()
    run_id = pitstop.control.start(SCENARIO)["run_id"]
    pitstop.control.finish(run_id)
    time.sleep(delay)
    pitstop.kill(server)
    pitstop.start()
    finish(pitstop, run_id)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.5])
def test_killed_while_acting(pitstop, delay):
    server = pitstop.start()
    run_id = pitstop.control.start(SCENARIO)["run_id"]
    waiting = pitstop.at(run_id, "awaiting_approval")
    assert pitstop.decide(waiting).status_code == 200
    time.sleep(delay)
    pitstop.kill(server)
    pitstop.start()
    finish(pitstop, run_id)


def test_killed_in_the_middle_of_sending(pitstop):
    pitstop.control.fault("slow", method="POST", path="/api/2.1/jobs/runs/repair", seconds=3, count=1)
    pitstop.control.fault("slow", method="POST", path="/api/2.2/jobs/runs/repair", seconds=3, count=1)
    server = pitstop.start()
    run_id = pitstop.control.start(SCENARIO)["run_id"]
    waiting = pitstop.at(run_id, "awaiting_approval")
    assert pitstop.decide(waiting).status_code == 200
    until(lambda: pitstop.control.requests("runs/repair"), saying="the repair being sent")
    pitstop.kill(server)
    pitstop.start()
    finish(pitstop, run_id)


def test_killed_between_changing_settings_and_starting_the_repair(pitstop):
    pitstop.control.fault("slow", method="POST", path="/api/2.1/jobs/runs/repair", seconds=4, count=1)
    pitstop.control.fault("slow", method="POST", path="/api/2.2/jobs/runs/repair", seconds=4, count=1)
    server = pitstop.start()
    started = pitstop.control.start("executor_oom")
    before = job_settings(pitstop, started["job_id"])
    waiting = pitstop.at(started["run_id"], "awaiting_approval")
    assert pitstop.decide(waiting).status_code == 200
    until(lambda: pitstop.control.requests("runs/repair"), saying="the repair being sent")
    assert job_settings(pitstop, started["job_id"]) != before
    pitstop.kill(server)
    pitstop.start()
    pitstop.at(started["run_id"], "resolved", seconds=90)
    assert len(pitstop.repairs(started["run_id"])) == 1
    assert job_settings(pitstop, started["job_id"]) == before


def test_another_worker_goes_on_within_a_minute(pitstop):
    pitstop.start(PITSTOP_RUN_WORKER="false")
    first = pitstop.start("worker")
    run_id = pitstop.control.start(SCENARIO)["run_id"]
    pitstop.control.finish(run_id)
    until(lambda: pitstop.incident_of(run_id), saying="the incident")
    pitstop.kill(first)
    began = time.monotonic()
    pitstop.start("worker")
    pitstop.at(run_id, "awaiting_approval")
    assert time.monotonic() - began < 60
    finish(pitstop, run_id)


def job_settings(pitstop: Service, job_id: int) -> dict:
    """The job's settings as the workspace has them."""
    import httpx

    answer = httpx.get(
        f"{pitstop.sandbox.url}/api/2.2/jobs/get",
        params={"job_id": job_id},
        headers={"authorization": f"Bearer {pitstop.sandbox.token}"},
    )
    return answer.json()["settings"]
