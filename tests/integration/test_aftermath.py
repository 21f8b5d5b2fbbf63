"""Shadow mode: what people did is read off the workspace, and held against the proposal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.actions import Action
from core.run import PastRun, Repair, RunFacts
from sandbox.control import Control
from server.aftermath import judge, look_after
from store.fleet import Fleet
from store.views import IncidentSummary
from tests.e2e.processes import until
from tests.incident_stories import a_proposal
from tests.server_box import Box

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
END = 1_795_000_000_000


def incident(action: str | None = "RETRY", hours: float = 30) -> IncidentSummary:
    ended = NOW - timedelta(hours=hours)
    return IncidentSummary(
        id="inc_1", workspace="w", run_id=7, status="observed", action=action,  # type: ignore[arg-type]
        opened_at=ended, updated_at=ended, finished_at=ended,
    )  # fmt: skip


def a_run(result: str = "FAILED", repairs: int = 0, state: str = "TERMINATED") -> RunFacts:
    found = [Repair(id=n + 1, start_time=END + n) for n in range(repairs)]
    return RunFacts(
        workspace="w", run_id=7, life_cycle_state=state, result_state=result, end_time=END, repairs=found
    )


@pytest.mark.parametrize(
    ("action", "run", "later", "did", "agrees"),
    [
        ("RETRY", a_run("SUCCESS", repairs=1), [], "repaired it", True),
        ("NOTIFY_OWNER", a_run("SUCCESS", repairs=1), [], "repaired it", False),
        ("ESCALATE", a_run(), [], "left it alone", True),
        ("RETRY_WITH_NEW_PARAMS", a_run(), [], "left it alone", False),
        ("TERMINATE", a_run("CANCELED"), [], "cancelled it", True),
        ("RETRY", a_run("CANCELED"), [], "cancelled it", False),
        ("PROPOSE_FIX", a_run(), ["SUCCESS", "FAILED"], "left it to the next run, which was bad", True),
        ("RETRY", a_run(), ["SUCCESS"], "left it to the next run, which was good", False),
        (None, a_run(), [], "left it alone", None),
    ],
)
def test_what_people_did(
    action: str | None, run: RunFacts, later: list[str], did: str, agrees: bool | None
) -> None:
    past = [PastRun(run_id=n, result_state=state, start_time=END + 9) for n, state in enumerate(later)]
    before = PastRun(run_id=99, result_state="SUCCESS", start_time=END - 9)
    found = judge(incident(action), run, [*past, before], NOW)
    assert found is not None
    assert (found.did, found.agrees) == (did, agrees)


def test_what_may_still_change_is_not_judged() -> None:
    assert judge(incident(hours=1), a_run(), [], NOW) is None
    assert judge(incident(), a_run(repairs=1, state="RUNNING"), [], NOW) is None
    assert judge(incident(hours=1), a_run("SUCCESS", repairs=1), [], NOW) is not None


async def test_a_repair_by_hand_is_found_in_the_workspace(box: Box) -> None:
    control = Control(box.sandbox.url, box.sandbox.token)
    run_id = int(control.start("connection_reset")["run_id"])
    until(lambda: control.finish(run_id), saying="the run's end")
    store = box.runtime.store
    run = await box.runtime.workspace.run(run_id)
    row = await store.open_incident(run, thread_id="t")
    proposal = a_proposal(action=Action.RETRY, params={"task_keys": []})
    await store.update_incident(row.id, proposal=proposal.model_dump(mode="json"))
    await store.finish(row.id, "observed")
    assert await look_after(box.runtime) == 0
    control.by_hand(run_id, "repair")
    control.finish(run_id)
    assert await look_after(box.runtime) == 1
    assert await look_after(box.runtime) == 0
    now = datetime.now(UTC)
    ((shadow),) = (await Fleet(box.runtime.db).measure(now - timedelta(days=1), now)).shadow
    assert (shadow.action, shadow.did, shadow.agrees) == ("RETRY", "repaired it", True)
