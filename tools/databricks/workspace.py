"""The workspace as the graph and the poller see it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.errors import RunNotFound, WorkspaceRefused
from core.run import PastRun, RunFacts, TaskFacts
from tools.databricks import facts, reads, states, wire
from tools.databricks.connection import Connection
from tools.databricks.good_run import GoodRuns
from tools.databricks.soft_failure import soft_failure
from tools.databricks.task_output import OutputReader, RawOutput, get_output

#: Runs that one look of the poller takes in, notebook outputs it reads, and outputs it reads of one run.
MAX_LISTED = 1000
MAX_OUTPUTS = 60
MAX_OUTPUTS_OF_RUN = 10


@dataclass(frozen=True)
class FoundRun:
    """A completed run that the poller came across. `why` is empty when nothing is wrong with it.

    The same run after a repair has another `end_time` (epoch milliseconds).
    """

    run_id: int
    job_id: int | None
    end_time: int
    result_state: str | None
    why: str = ""

    @property
    def failed(self) -> bool:
        """Whether it failed, openly or softly."""
        return bool(self.why)

    @property
    def key(self) -> tuple[int, int]:
        """What to remember it by."""
        return self.run_id, self.end_time


class Workspace:
    """Reads from one workspace. Every method may raise `WorkspaceRefused` and `WorkspaceUnavailable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._outputs = OutputReader(connection)
        self._good = GoodRuns(connection)

    @property
    def name(self) -> str:
        """The workspace's host, part of an incident's identity."""
        return self._connection.name

    async def whoami(self) -> str:
        """The user or service principal that the credentials stand for."""
        answer = await self._connection.read("/api/2.0/preview/scim/v2/Me", what="the current user")
        return str(answer.get("userName") or answer.get("displayName") or "unknown")

    async def run(self, run_id: int) -> RunFacts:
        """One run with all its tasks, repair history and the job's current settings, without secrets.

        Raises:
            RunNotFound: A wrong id, or the run is older than 60 days.
        """
        found = await reads.run(self._connection, run_id)
        return facts.run_facts(found, await self._settings(found.job_id), self.name)

    async def task_output(
        self, run: RunFacts, task: TaskFacts, *, good_run_id: int | None = None
    ) -> RawOutput:
        """Everything a task left behind, unredacted and whole up to the API's own limits.

        Where it left a log and `good_run_id` names a good run of the job, `good_log` has the lines of the same
        task's log there, one of each kind.
        """
        output = await self._outputs.read(task)
        of_cluster = any(name.startswith("cluster/") for name in output.texts)
        if good_run_id and (of_cluster or "logs" in output.texts):
            text, missing = await self._good.log(good_run_id, task, of_cluster=of_cluster)
            output.put("good_log", text)
            output.missing += missing
        return output

    async def exit_value(self, task: TaskFacts) -> str:
        """What a notebook task ended with (`dbutils.notebook.exit`); empty when that can't be read. One call,
        where `task_output` takes many."""
        return await self._exit_value(task.run_id)

    async def history(self, job_id: int, limit: int = 25) -> list[PastRun]:
        """The job's last completed runs, newest first."""
        query = {"job_id": job_id, "completed_only": True}
        return [facts.past_run(run) async for run in reads.runs(self._connection, query, at_most=limit)]

    async def find_job(self, name: str) -> int | None:
        """The id of the job of exactly this name."""
        return await reads.job_id_of(self._connection, name)

    async def latest_failed_run(self, job_id: int) -> int | None:
        """The newest of the job's last 25 completed runs that failed; None when none of them did."""
        query = {"job_id": job_id, "completed_only": True}
        async for run in reads.runs(self._connection, query, at_most=25):
            if states.result(run) in states.FAILED:
                return run.run_id
        return None

    async def recent_failures(
        self,
        since: datetime,
        *,
        seen: Container[tuple[int, int]] = frozenset(),
        soft: bool = True,
        job_ids: Sequence[int] = (),
    ) -> list[FoundRun]:
        """The completed runs that started since then, except those whose `key` is in `seen`.

        Good ones are among them, so that the caller can remember having looked at them. With `soft`, exit values
        of notebooks in runs that succeeded are read as well; runs beyond what one call may cost are left out of
        the answer, and come up at the next call. `job_ids` narrows it to these jobs.
        """
        found: list[FoundRun] = []
        budget = MAX_OUTPUTS
        for scope in [{"job_id": job_id} for job_id in job_ids] or [{}]:
            query: dict[str, Any] = {
                **scope,
                "completed_only": True,
                "expand_tasks": soft,
                "start_time_from": int(since.timestamp() * 1000),
            }
            async for run in reads.runs(self._connection, query, at_most=MAX_LISTED):
                if (run.run_id, run.end_time or 0) in seen:
                    continue
                result = states.result(run)
                why = f"the run is {result}" if result in states.FAILED else ""
                notebooks = _notebooks(run) if soft and result == "SUCCESS" else []
                if len(notebooks) > budget:
                    continue
                budget -= len(notebooks)
                why = why or await self._soft_failure(notebooks)
                found.append(FoundRun(run.run_id, run.job_id, run.end_time or 0, result, why))
        return found

    async def long_runs(self, started_before: datetime, *, job_ids: Sequence[int] = ()) -> list[FoundRun]:
        """The runs that are still going on and started before then; `job_ids` narrows it to these jobs."""
        limit = int(started_before.timestamp() * 1000)
        found: list[FoundRun] = []
        for scope in [{"job_id": job_id} for job_id in job_ids] or [{}]:
            query: dict[str, Any] = {**scope, "active_only": True}
            async for run in reads.runs(self._connection, query, at_most=MAX_LISTED):
                if run.start_time and run.start_time < limit:
                    found.append(FoundRun(run.run_id, run.job_id, 0, None, "the run goes on for long"))
        return found

    async def _settings(self, job_id: int | None) -> dict[str, Any]:
        """The job's settings; none for a one-time run, a job that is gone, or one that we may not read."""
        if not job_id:
            return {}
        try:
            return await reads.job_settings(self._connection, job_id)
        except WorkspaceRefused:
            return {}

    async def _soft_failure(self, notebooks: list[wire.Task]) -> str:
        for task in notebooks:
            reason = soft_failure(await self._exit_value(task.run_id))
            if reason:
                return f"task {task.task_key}: {reason}"
        return ""

    async def _exit_value(self, run_id: int) -> str:
        try:
            body = await get_output(self._connection, run_id)
        except (RunNotFound, WorkspaceRefused):
            return ""
        output = body.get("notebook_output")
        result = output.get("result") if isinstance(output, dict) else None
        return result if isinstance(result, str) else ""


def _notebooks(run: wire.Run) -> list[wire.Task]:
    """The notebook tasks whose exit value counts: those that ran, the last ones (the leaves come last) first."""
    ran = [t for t in run.latest_tasks() if t.kind == "notebook" and states.result(t) == "SUCCESS"]
    return ran[::-1][:MAX_OUTPUTS_OF_RUN]
