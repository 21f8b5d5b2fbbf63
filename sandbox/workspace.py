"""Everything the workspace holds, in memory: jobs, runs, clusters, files."""

from __future__ import annotations

import itertools
import secrets
import string
import time

from sandbox.catalog import Metastore
from sandbox.clock import Clock, Timeline
from sandbox.clusters import Cluster
from sandbox.files import Files
from sandbox.job_settings import Settings
from sandbox.jobs import Job
from sandbox.journal import Journal
from sandbox.refusal import invalid
from sandbox.runs import Run, TaskRun

#: The service removes runs after 60 days.
KEPT_MS = 60 * 24 * 3600 * 1000


class Workspace:
    """The state behind the API."""

    def __init__(self, clock: Clock, journal: Journal, url: str) -> None:
        self.clock = clock
        self.timeline = Timeline(clock)
        self.journal = journal
        self.url = url
        # Ids start somewhere else in each process, so that nobody mistakes a new run for one of an old sandbox.
        self.workspace_id = str(secrets.randbelow(9 * 10**15) + 10**15)
        self._ids = itertools.count(secrets.randbelow(10**14) + 10**14, 7)
        self.jobs: dict[int, Job] = {}
        self.runs: dict[int, Run] = {}
        self.task_runs: dict[int, tuple[Run, TaskRun]] = {}
        self.clusters: dict[str, Cluster] = {}
        self.files = Files()
        self.metastore = Metastore()
        #: Idempotency token -> run id, for run-now and submit.
        self.tokens: dict[str, int] = {}
        #: Names of the outages that go on.
        self.outages: set[str] = set()

    def new_id(self) -> int:
        """A fresh id for a job, run or repair; later ones are greater."""
        return next(self._ids)

    def new_cluster(self, name: str, spec: Settings, when: int) -> Cluster:
        """A cluster that begins to start at `when`."""
        stamp = time.strftime("%m%d-%H%M%S", time.gmtime(when / 1000))
        letters = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
        cluster = Cluster(f"{stamp}-{letters}", name, spec, when, str(secrets.randbelow(10**18) + 10**18))
        cluster.add_event("CREATING", when)
        self.clusters[cluster.cluster_id] = cluster
        return cluster

    def add_task_run(self, run: Run, task_run: TaskRun) -> None:
        """Make a task run known under its own id."""
        run.task_runs.append(task_run)
        run.rounds[-1].task_run_ids.append(task_run.run_id)
        self.task_runs[task_run.run_id] = (run, task_run)

    def job(self, job_id: int) -> Job:
        """The job of this id.

        Raises:
            Refusal: 400, there is none.
        """
        job = self.jobs.get(job_id)
        if job is None:
            raise invalid(f"Job {job_id} does not exist.")
        return job

    def run(self, run_id: int) -> Run:
        """The run of a job (not of a task) of this id.

        Raises:
            Refusal: 400, there is none, or none any more.
        """
        run = self.runs.get(run_id)
        if run is None or not self.kept(run):
            raise invalid(f"Run {run_id} does not exist.")
        return run

    def task_run(self, run_id: int) -> tuple[Run, TaskRun]:
        """The task run of this id, and its run.

        Raises:
            Refusal: 400, there is none, or none any more.
        """
        found = self.task_runs.get(run_id)
        if found is None or not self.kept(found[0]):
            raise invalid(f"Run {run_id} does not exist.")
        return found

    def kept(self, run: Run) -> bool:
        """Whether the run is not yet too old."""
        return self.timeline.now - (run.end_time or run.start_time) < KEPT_MS

    def cluster(self, cluster_id: str) -> Cluster:
        """The cluster of this id.

        Raises:
            Refusal: 400, there is none.
        """
        cluster = self.clusters.get(cluster_id)
        if cluster is None:
            raise invalid(f"Cluster {cluster_id} does not exist")
        return cluster

    def succeeded_jobs(self, since: int) -> frozenset[str]:
        """Names of the jobs of which a run that ended at or after `since` was good."""
        good = {"SUCCESS", "SUCCESS_WITH_FAILURES"}
        return frozenset(
            run.job.name
            for run in self.runs.values()
            if run.job and run.ending and run.ending.result_state in good and (run.end_time or 0) >= since
        )
