"""Finding what webhooks lost: the workspace is asked for runs that failed, openly or softly."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from core.policy import Policy
from tools.databricks import FoundRun
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

#: Runs remembered as looked at; beyond this the oldest are forgotten, and looked at again.
MEMORY = 50_000
#: A run that goes on for long is signalled again after this: its job may allow more than another's.
LONG_AGAIN = timedelta(minutes=10)


class Poller:
    """Looks at what has run since the last look, and leaves a signal for each failure.

    What it remembers lives in memory alone: after a restart the same failures are signalled once more, and
    intake finds the incidents that they have already.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        #: (run id, end time) in the order of looking.
        self._seen: dict[tuple[int, int], None] = {}
        self._long: dict[int, datetime] = {}

    async def look(self) -> int:
        """One look; how many failures were signalled.

        Raises:
            WorkspaceUnavailable, WorkspaceRefused, StoreUnavailable: Nothing is lost; look again later.
        """
        runtime = self._runtime
        since = runtime.clock.now() - timedelta(seconds=runtime.settings.poll_lookback_seconds)
        found = await runtime.workspace.recent_failures(
            since, seen=self._seen.keys(), soft=self._soft, job_ids=runtime.settings.watch_jobs
        )
        failed = [run for run in found if run.failed] + await self._long_runs()
        for run in failed:
            await runtime.signals.receive(
                "poll",
                key=f"poll/{run.run_id}/{run.end_time}",
                run_id=run.run_id,
                job_id=run.job_id,
                data={"why": run.why},
            )
        self._remember(found)
        if failed:
            log.info("poller.found", failed=len(failed))
        return len(failed)

    async def _long_runs(self) -> list[FoundRun]:
        """Runs that go on for longer than the policy allows some job; intake knows which job it is."""
        shortest = shortest_limit(self._runtime.policy)
        if shortest is None:
            return []
        now = self._runtime.clock.now()
        found = await self._runtime.workspace.long_runs(
            now - timedelta(seconds=shortest), job_ids=self._runtime.settings.watch_jobs
        )
        fresh = [
            run for run in found if run.run_id not in self._long or now - self._long[run.run_id] > LONG_AGAIN
        ]
        going_on = {run.run_id for run in found}
        self._long = {run_id: at for run_id, at in self._long.items() if run_id in going_on}
        self._long.update({run.run_id: now for run in fresh})
        return fresh

    def _remember(self, found: list[FoundRun]) -> None:
        for run in found:
            self._seen[run.key] = None
        for old in list(self._seen)[: max(0, len(self._seen) - MEMORY)]:
            del self._seen[old]

    @property
    def _soft(self) -> bool:
        """Whether exit values are worth reading: unless the policy does not care for any job."""
        policy = self._runtime.policy
        return policy.defaults.soft_failures or any(e.rules.get("soft_failures") for e in policy.jobs)


def shortest_limit(policy: Policy) -> float | None:
    """The shortest time, in seconds, that the policy lets any job run; None when none is limited."""
    limits = [policy.defaults.max_run_seconds, *(entry.rules.get("max_run_seconds") for entry in policy.jobs)]
    return min((float(limit) for limit in limits if limit is not None), default=None)
