"""Shadow mode: what people did about a failure that Pitstop only observed, against what it would have proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from core.actions import TELLS_PEOPLE, Action
from core.errors import WorkspaceRefused
from core.run import PastRun, RunFacts
from store.views import IncidentSummary
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

#: People have this long; what they do later is not looked at.
PATIENCE = timedelta(hours=24)
#: Incidents older than this are let go: the workspace forgets its runs, too.
OLDEST = timedelta(days=14)
AT_ONCE = 20
EVENT = "aftermath"
RERUNS = frozenset({Action.RETRY, Action.RETRY_WITH_NEW_PARAMS, Action.RUN_UPSTREAM})


@dataclass(frozen=True)
class Aftermath:
    """What was done, in few words; how that ended (a result state); whether it is what was proposed.

    `agrees` is None where nothing was proposed.
    """

    did: str
    result: str
    agrees: bool | None


async def look_after(runtime: Runtime) -> int:
    """Look at observed incidents whose end for people is not known; how many became known.

    Raises:
        WorkspaceUnavailable, StoreUnavailable: Nothing is lost; look again later.
    """
    now = runtime.clock.now()
    known = 0
    for incident in await runtime.sweeps.observed(since=now - OLDEST, without=EVENT, limit=AT_ONCE):
        try:
            run = await runtime.workspace.run(incident.run_id)
            later = await runtime.workspace.history(run.job_id) if run.job_id else []
        except WorkspaceRefused as error:
            log.info("aftermath.not_readable", incident_id=incident.id, error=str(error))
            continue
        found = judge(incident, run, later, now)
        if found is None:
            continue
        facts = {
            "did": found.did,
            "result": found.result,
            "agrees": found.agrees,
            "proposed": incident.action,
        }
        await runtime.store.add_event(incident.id, EVENT, facts, key=EVENT)
        known += 1
    return known


def judge(
    incident: IncidentSummary, run: RunFacts, later: Sequence[PastRun], now: datetime
) -> Aftermath | None:
    """What people did about the run; None while that may still change.

    Args:
        incident: What was observed, with the action that was proposed.
        run: The run as it is now.
        later: The job's last completed runs, newest first.
        now: Repairs are awaited for `PATIENCE` after the incident ended.
    """
    if run.active:
        return None
    result = run.result_state or "unknown"
    if run.latest_repair_id != incident.latest_repair_id:
        return Aftermath("repaired it", result, _agrees(incident.action, reran=True))
    if incident.finished_at is None or now - incident.finished_at < PATIENCE:
        return None
    if result == "CANCELED":
        return Aftermath("cancelled it", result, incident.action == Action.TERMINATE)
    after = [past for past in later if (past.start_time or 0) > (run.end_time or run.start_time or 0)]
    agrees = _agrees(incident.action, reran=False)
    if not after:
        return Aftermath("left it alone", result, agrees)
    following = after[-1].result_state or "unknown"
    good = "good" if following == "SUCCESS" else "bad"
    return Aftermath(f"left it to the next run, which was {good}", following, agrees)


def _agrees(action: str | None, *, reran: bool) -> bool | None:
    if action is None:
        return None
    if action in RERUNS:
        return reran
    return not reran if action in TELLS_PEOPLE or action == Action.PROPOSE_FIX else False
