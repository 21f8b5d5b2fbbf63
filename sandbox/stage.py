"""Puts a scenario on: its jobs with their past, its files, the run that fails, and what people do meanwhile."""

from __future__ import annotations

import copy
from pathlib import Path

from core.errors import NotFound
from sandbox import job_settings
from sandbox.engine import Engine
from sandbox.jobs import Job, Play
from sandbox.past import add_history
from sandbox.runs import GOOD, Run
from sandbox.scenario import Event, Scenario, load_scenario, load_scenarios
from sandbox.script import JobScript, WebhookMode
from sandbox.webhooks import DESTINATION
from sandbox.workspace import Workspace

#: A job created through the API with this tag plays the scenario that it names.
SCENARIO_TAG = "sandbox_scenario"


class Stage:
    """Starts scenarios from a directory, any number of times: each time with jobs of its own."""

    def __init__(self, workspace: Workspace, engine: Engine, directory: Path | None) -> None:
        self.workspace = workspace
        self.engine = engine
        self.directory = directory
        self.plays: list[Play] = []
        engine.on_started.append(self._run_started)
        engine.on_ended.append(self._run_ended)

    def scenarios(self) -> dict[str, Scenario]:
        """All scenarios by name.

        Raises:
            ConfigurationError: One of them is wrong.
        """
        return load_scenarios(self.directory) if self.directory else {}

    def start(
        self, name: str, *, clock_speed: float | None = None, webhook: WebhookMode | None = None
    ) -> Play:
        """Put a scenario on and start the run it is about; the two settings override the file's.

        Raises:
            NotFound: There is no scenario of this name.
            ConfigurationError: It is wrong.
        """
        scenario = self._load(name)
        changes = {"clock_speed": clock_speed, "webhook": webhook}
        scenario = scenario.model_copy(update={k: v for k, v in changes.items() if v is not None})
        play = Play(scenario, self.workspace.timeline.now)
        self.plays.append(play)
        self._place_files(scenario)
        for script in (*scenario.other_jobs, scenario):
            job = self.create_job(script, play)
            play.job_ids.append(job.job_id)
        job = self.workspace.jobs[play.job_ids[-1]]
        run = self.engine.start(
            job.settings,
            job=job,
            parameters=scenario.run.job_parameters,
            trigger=scenario.run.trigger,
            ago_seconds=scenario.run.started_ago_seconds,
        )
        play.run_id = run.run_id
        self._run_started(run)
        return play

    def adopt(self, job: Job) -> None:
        """Let a job that was created through the API play a scenario, when a tag of it names one.

        Raises:
            NotFound: There is no scenario of this name.
            ConfigurationError: It is wrong.
        """
        name = (job.settings.get("tags") or {}).get(SCENARIO_TAG)
        if name is None:
            return
        scenario = self._load(str(name))
        self._place_files(scenario)
        job.script, job.play = scenario, Play(scenario, self.workspace.timeline.now, [job.job_id])

    def _load(self, name: str) -> Scenario:
        if self.directory is None or "/" in name or name.startswith("."):
            raise NotFound(f"There is no scenario {name!r}.")
        return load_scenario(self.directory / name)

    def create_job(self, script: JobScript, play: Play) -> Job:
        """Make a job with its past; `play` says which scenario's files its tasks leave behind."""
        settings = copy.deepcopy(script.job)
        settings.setdefault("webhook_notifications", {"on_failure": [{"id": DESTINATION}]})
        now = self.workspace.timeline.now
        job = Job(self.workspace.new_id(), job_settings.complete(settings), now, script=script, play=play)
        self.workspace.jobs[job.job_id] = job
        add_history(self.workspace, job, script)
        return job

    def _place_files(self, scenario: Scenario) -> None:
        now = self.workspace.timeline.now
        for path, name in scenario.workspace.items():
            self.workspace.files.put_object(path, scenario.read(name), now, self.workspace.new_id())
        for path, name in scenario.dbfs.items():
            self.workspace.files.put(path, scenario.read(name), now)
        if scenario.unity_catalog is not None:
            self.workspace.metastore.add(scenario.unity_catalog)

    def _run_started(self, run: Run) -> None:
        self._set_off(run, "started")

    def _run_ended(self, run: Run) -> None:
        if run.ending and run.ending.result_state not in GOOD:
            self._set_off(run, "failed")

    def _set_off(self, run: Run, when: str) -> None:
        """Schedule the scenario's events of this kind, each once."""
        play = run.job.play if run.job else None
        if play is None or run.run_id != play.run_id:
            return
        for number, event in enumerate(play.scenario.events):
            if event.when == when and number not in play.events_done:
                play.events_done.add(number)
                self._schedule(run, event)

    def _schedule(self, run: Run, event: Event) -> None:
        def act() -> None:
            self.by_hand(run, event.do)

        self.engine.tasks.after(run, event.after_seconds, act)

    def by_hand(self, run: Run, what: str) -> bool:
        """A person repairs or cancels a run in the workspace. False when there is nothing to repair or cancel."""
        now = self.workspace.timeline.now
        if what == "cancel":
            done = self.engine.cancel(run)
            if done:
                self.workspace.journal.action(
                    "cancel", now, {"run_id": run.run_id}, by="person", job_id=run.job_id, run_id=run.run_id
                )
            return done
        if not run.ending or run.ending.result_state in GOOD:
            return False
        body = {"run_id": run.run_id, "rerun_all_failed_tasks": True}
        repair_id = self.engine.repair(
            run, rerun_all_failed_tasks=True, latest_repair_id=run.latest_repair_id
        )
        self.workspace.journal.action(
            "repair", now, body, by="person", job_id=run.job_id, run_id=run.run_id, repair_id=repair_id
        )
        return True
