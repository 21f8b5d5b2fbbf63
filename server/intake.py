"""From a signal to an incident: the run is fetched, and whose it is comes from rows, never from the signal.

- A run and repair that was seen before belongs where it belonged.
- One that an action of ours started belongs to the incident that started it.
- While an action on the same job is under way and its outcome is not known yet, an unknown run or repair waits.
- A run that somebody repaired, and that failed again, is another incident.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from core.errors import (
    RunNotFailed,
    RunNotFound,
    WorkspaceRefused,
    WorkspaceUnavailable,
)
from core.incident import Status
from core.run import RunFacts
from nodes.fetch import FAILED_STATES, worth_investigating
from store.idempotency import Keep, unkept
from store.models import RunState
from store.views import Signal
from tools.databricks import soft_failure
from wiring.queue import defer_advance
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

MAX_NOTEBOOKS = 20


class ActionUnderWay(WorkspaceUnavailable):
    """It is not known yet whether this run or repair is ours; it will be in a moment."""


@dataclass(frozen=True)
class Looked:
    """What looking at a run led to."""

    incident_id: str
    created: bool = False
    note: str = ""


async def read_signal(runtime: Runtime, signal_id: str) -> None:
    """The queue's `intake` job. Reading a signal twice changes nothing.

    Raises:
        WorkspaceUnavailable, StoreUnavailable: Weather; the job is tried again.
    """
    signal = await runtime.signals.get(signal_id)
    if signal.handled_at is not None:
        return
    try:
        looked = await _look_for(runtime, signal)
    except (RunNotFound, RunNotFailed) as error:
        await runtime.signals.handled(signal_id, error=str(error))
        return
    except WorkspaceRefused as error:
        # Our own access is broken: it is kept, and read again once somebody mended that.
        log.warning("intake.refused", signal_id=signal_id, error=str(error))
        await runtime.signals.tried(signal_id, str(error))
        return
    except WorkspaceUnavailable as error:
        await runtime.signals.tried(signal_id, str(error))
        raise
    await runtime.signals.handled(signal_id, incident_id=looked.incident_id, error=looked.note or None)


async def _look_for(runtime: Runtime, signal: Signal) -> Looked:
    run_id = signal.run_id or await newest_failed_run(runtime, signal.job_id or 0)
    return await look_at(runtime, run_id, source=signal.source)


async def newest_failed_run(runtime: Runtime, job_id: int) -> int:
    """The job's newest failed run.

    Raises:
        RunNotFailed: None of its last runs failed.
    """
    run_id = await runtime.workspace.latest_failed_run(job_id)
    if run_id is None:
        raise RunNotFailed(f"None of the last runs of job {job_id} failed.", hint="Name a run_id instead.")
    return run_id


async def look_at(runtime: Runtime, run_id: int, *, source: str, keep: Keep = unkept) -> Looked:
    """Fetch a run, find or open its incident, and have it advanced. `keep`: as `Store.open_incident` says.

    Raises:
        RunNotFound: A wrong id, or older than 60 days.
        RunNotFailed: Nothing is wrong with it.
        ActionUnderWay: Whose it is can't be said yet.
        WorkspaceUnavailable, WorkspaceRefused, StoreUnavailable: As they say.
    """
    run = await runtime.workspace.run(run_id)
    repair_id = run.latest_repair_id
    known = await runtime.runs.seen(run.workspace, run.run_id, repair_id)
    if known and known[1]:
        note = "started by Pitstop itself" if known[0] is RunState.OURS else ""
        begun = (await runtime.store.incident(known[1])).status != Status.NEW
        if known[0] is RunState.OURS or source == "api" or not begun:
            # What was begun goes on by itself: a failure that is announced again says nothing new.
            await defer_advance(runtime.queue, known[1])
        return Looked(known[1], note=note)
    await _refuse_good(runtime, run)
    await _wait_for_actions(runtime, run)
    clean = runtime.investigator.clean(run)  # names and tags hold secrets too
    row = await runtime.store.open_incident(clean, thread_id=None, source=source, keep=keep)
    await defer_advance(runtime.queue, row.id)
    log.info("intake.opened", incident_id=row.id, run_id=run.run_id, repair_id=repair_id, source=source)
    return Looked(row.id, created=True)


async def _refuse_good(runtime: Runtime, run: RunFacts) -> None:
    """Raises: RunNotFailed."""
    rules = runtime.policy.rules_for(run.job_name, run.tags)
    if not worth_investigating(run, rules):
        state = (run.result_state or run.life_cycle_state or "unknown").lower()
        if run.active:
            raise RunNotFailed(f"Run {run.run_id} is {state} still.", hint="Ask again when it has ended.")
        await runtime.runs.fine(run.workspace, run.run_id, run.latest_repair_id)
        raise RunNotFailed(f"Run {run.run_id} did not fail: it is {state}.")
    openly = run.active or run.result_state in FAILED_STATES or bool(run.failed_tasks)
    if not openly and run.life_cycle_state != "INTERNAL_ERROR" and not await failed_softly(runtime, run):
        await runtime.runs.fine(run.workspace, run.run_id, run.latest_repair_id)
        raise RunNotFailed(
            f"Run {run.run_id} did not fail, and its notebooks' exit values report no failure."
        )


async def failed_softly(runtime: Runtime, run: RunFacts) -> bool:
    """Whether a notebook's exit value contradicts the run's SUCCESS."""
    for task in [t for t in run.tasks if t.kind == "notebook"][-MAX_NOTEBOOKS:]:
        if soft_failure(await runtime.workspace.exit_value(task)):
            return True
    return False


async def _wait_for_actions(runtime: Runtime, run: RunFacts) -> None:
    """Raises: ActionUnderWay: an incident of this job has sent something whose outcome is not written yet."""
    claims = await runtime.sweeps.open_claims(run.workspace, job_id=run.job_id, run_id=run.run_id)
    # What only a person can settle does not hold up a new failure for as long as that takes.
    busy = sorted({c.incident_id for c in claims if c.status != "unknown"})
    if busy:
        for incident_id in busy:
            await defer_advance(runtime.queue, incident_id)
        raise ActionUnderWay(
            f"Run {run.run_id} may have been started by incident {busy[0]}, which is acting on the same job.",
            hint="It is looked at again in a moment.",
        )
