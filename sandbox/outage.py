"""Outages: something that many jobs need is away, so that all of them fail until it is back.

An outage is a folder `outages/NAME/` with a `scenario.yaml` (see `sandbox.scenario`) whose job and `other_jobs` are
patterns: as many jobs as are wanted are made after them in turn, and as many runs are started. Their tasks say
`succeeds_if: {outage_over: NAME}`.
"""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

from core.errors import NotFound
from sandbox.jobs import Job, Play
from sandbox.scenario import load_scenario
from sandbox.script import JobScript
from sandbox.stage import Stage
from sandbox.workspace import Workspace

DIRECTORY = Path(__file__).parent / "outages"


class Outages:
    """Begins and ends outages; which go on is kept in the workspace."""

    def __init__(self, workspace: Workspace, stage: Stage, directory: Path = DIRECTORY) -> None:
        self.workspace = workspace
        self.stage = stage
        self.directory = directory

    def begin(self, name: str, *, jobs: int, runs: int) -> tuple[list[Job], list[int]]:
        """Let it begin: the jobs made, and the ids of the runs started, spread evenly over the jobs.

        Raises:
            NotFound: There is no outage of this name.
            ConfigurationError: Its file is wrong.
        """
        if "/" in name or name.startswith("."):
            raise NotFound(f"There is no outage {name!r}.")
        scenario = load_scenario(self.directory / name)
        self.workspace.outages.add(name)
        made = []
        for number, pattern in zip(
            range(jobs), itertools.cycle([scenario, *scenario.other_jobs]), strict=False
        ):
            play = Play(scenario, self.workspace.timeline.now)
            made.append(self.stage.create_job(_numbered(pattern, number + 1), play))
        started = [self.stage.engine.start(job.settings, job=job) for job in _spread(made, runs)]
        return made, [run.run_id for run in started]

    def end(self, name: str) -> bool:
        """It is over; False when it was not going on."""
        going_on = name in self.workspace.outages
        self.workspace.outages.discard(name)
        return going_on


def _numbered(pattern: JobScript, number: int) -> JobScript:
    job = copy.deepcopy(pattern.job)
    job["name"] = f"{job['name']}-{number:02}"
    return JobScript(
        job=job,
        tasks=pattern.tasks,
        history=pattern.history,
        history_every_seconds=pattern.history_every_seconds,
    )


def _spread(jobs: list[Job], runs: int) -> list[Job]:
    return list(itertools.islice(itertools.cycle(jobs), runs))
