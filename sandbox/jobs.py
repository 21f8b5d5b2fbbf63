"""A job of the workspace, and the performance of a scenario that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.job_settings import Settings
from sandbox.scenario import Scenario
from sandbox.script import JobScript


@dataclass
class Play:
    """One performance of a scenario: when it was started, and the runs of it that people care for."""

    scenario: Scenario
    started: int
    job_ids: list[int] = field(default_factory=list)
    run_id: int | None = None
    #: Events of the scenario that have been set in motion.
    events_done: set[int] = field(default_factory=set)


@dataclass
class Job:
    """A job. Without a `script` its tasks just succeed."""

    job_id: int
    settings: Settings
    created: int
    creator: str = "data-platform@example.com"
    script: JobScript | None = None
    play: Play | None = None
    #: How often each task was executed, for picking the attempt to play.
    executions: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The job's name."""
        return self.settings.get("name", "Untitled")
