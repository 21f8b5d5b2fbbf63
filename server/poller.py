"""Finding what webhooks lost: the workspace is asked for runs that failed, openly or softly."""

from __future__ import annotations

from datetime import timedelta

import structlog

from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

#: Runs remembered as looked at; beyond this the oldest are forgotten, and looked at again.
MEMORY = 50_000


class Poller:
    """Looks at what has run since the last look, and leaves a signal for each failure.

    What it remembers lives in memory alone: after a restart the same failures are signalled once more, and
    intake finds the incidents that they have already.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        #: (run id, end time) in the order of looking.
        self._seen: dict[tuple[int, int], None] = {}

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
        failed = 0
        for run in found:
            if run.failed:
                failed += 1
                await runtime.signals.receive(
                    "poll",
                    key=f"poll/{run.run_id}/{run.end_time}",
                    run_id=run.run_id,
                    job_id=run.job_id,
                    data={"why": run.why},
                )
            self._seen[run.key] = None
        for old in list(self._seen)[: max(0, len(self._seen) - MEMORY)]:
            del self._seen[old]
        if failed:
            log.info("poller.found", failed=failed)
        return failed

    @property
    def _soft(self) -> bool:
        """Whether exit values are worth reading: unless the policy does not care for any job."""
        policy = self._runtime.policy
        return policy.defaults.soft_failures or any(e.rules.get("soft_failures") for e in policy.jobs)
