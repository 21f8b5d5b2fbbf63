"""Runs and jobs as the Jobs API shows them, with both the legacy `state` and the newer `status`."""

from __future__ import annotations

import copy
from typing import Any

from sandbox.jobs import Job
from sandbox.runs import Ending, Round, Run, TaskRun
from sandbox.workspace import Workspace

Json = dict[str, Any]

#: Arrays longer than this come in pages.
PAGE = 100
#: What a task's settings hold that its run shows, too.
_NOT_SHOWN = {"webhook_notifications", "health"}
#: Life cycle states that `status` calls otherwise.
_NEW_NAMES = {"INTERNAL_ERROR": "TERMINATED", "SKIPPED": "TERMINATED", "WAITING_FOR_RETRY": "WAITING"}


def state(life_cycle_state: str, ending: Ending | None) -> Json:
    """The legacy `state`."""
    body: Json = {
        "life_cycle_state": life_cycle_state,
        "state_message": ending.message if ending else "",
        "user_cancelled_or_timedout": bool(ending and ending.stopped),
    }
    if ending:
        body["result_state"] = ending.result_state
    elif life_cycle_state == "QUEUED":
        body["queue_reason"] = "Queued due to reaching maximum concurrent runs of the job."
    return body


def status(life_cycle_state: str, ending: Ending | None) -> Json:
    """The newer `status`, with termination details once it has ended."""
    body: Json = {"state": _NEW_NAMES.get(life_cycle_state, life_cycle_state)}
    if ending:
        body["termination_details"] = {"code": ending.code, "type": ending.type, "message": ending.message}
    elif life_cycle_state == "QUEUED":
        message = "Queued due to reaching maximum concurrent runs of the job."
        body["queue_details"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": message}
    return body


class Presentation:
    """Turns the workspace's objects into JSON."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def run(self, run: Run, *, history: bool = False) -> Json:
        """A whole run with all its arrays: runs/get and, cut down, runs/list."""
        body = self._head(run)
        body["tasks"] = [self.task(run, task_run) for task_run in run.task_runs]
        body["job_clusters"] = copy.deepcopy(run.settings.get("job_clusters") or [])
        body["job_parameters"] = self._parameters(run)
        if history:
            body["repair_history"] = [self._round(round_) for round_ in run.rounds]
        return body

    def listed(self, run: Run, *, expand: bool) -> Json:
        """A run in runs/list: its arrays only on request, and at most the first 100 of each."""
        body = self._head(run)
        if not expand:
            return body
        whole = self.run(run)
        arrays = {key: whole[key] for key in ("tasks", "job_clusters", "job_parameters")}
        body["has_more"] = any(len(array) > PAGE for array in arrays.values())
        return {**body, **{key: array[:PAGE] for key, array in arrays.items()}}

    def task(self, run: Run, task_run: TaskRun) -> Json:
        """A task run as an entry of a run's `tasks`."""
        body = {key: copy.deepcopy(value) for key, value in task_run.task.items() if key not in _NOT_SHOWN}
        return {
            **body,
            "run_id": task_run.run_id,
            "run_page_url": self._url(run, task_run.run_id),
            "attempt_number": task_run.attempt_number,
            **self._times(task_run),
            **self._cluster_instance(task_run),
            "state": state(task_run.life_cycle_state, task_run.ending),
            "status": status(task_run.life_cycle_state, task_run.ending),
        }

    def task_as_run(self, run: Run, task_run: TaskRun) -> Json:
        """A task run by its own id: runs/get of it, and `metadata` of its output."""
        body = {
            "run_id": task_run.run_id,
            "number_in_job": task_run.run_id,
            "job_run_id": run.run_id,
            "original_attempt_run_id": task_run.original_run_id,
            "attempt_number": task_run.attempt_number,
            "run_name": task_run.task_key,
            "creator_user_name": run.creator,
            "run_type": run.run_type,
            "trigger": run.trigger,
            "format": "MULTI_TASK",
            "run_page_url": self._url(run, task_run.run_id),
            "cluster_spec": self._cluster_spec(task_run),
            "tasks": [self.task(run, task_run)],
            **self._times(task_run),
            **self._cluster_instance(task_run),
            "state": state(task_run.life_cycle_state, task_run.ending),
            "status": status(task_run.life_cycle_state, task_run.ending),
        }
        return {**body, **({"job_id": run.job_id} if run.job_id else {})}

    def job(self, job: Job) -> Json:
        """A job with all its settings."""
        return {
            "job_id": job.job_id,
            "creator_user_name": job.creator,
            "run_as_user_name": job.creator,
            "run_as_owner": True,
            "created_time": job.created,
            "settings": copy.deepcopy(job.settings),
        }

    def job_listed(self, job: Job, *, expand: bool) -> Json:
        """A job in jobs/list: its arrays only on request, and at most the first 100 of each."""
        body = self.job(job)
        arrays = ("tasks", "job_clusters", "parameters", "environments")
        body["has_more"] = any(len(job.settings.get(key) or []) > PAGE for key in arrays)
        for key in arrays:
            if key in body["settings"]:
                body["settings"][key] = body["settings"][key][:PAGE]
        if not expand:
            for key in ("tasks", "job_clusters", "environments"):
                body["settings"].pop(key, None)
            del body["has_more"]
        return body

    def _head(self, run: Run) -> Json:
        body: Json = {
            "run_id": run.run_id,
            "number_in_job": run.run_id,
            "job_run_id": run.run_id,
            "original_attempt_run_id": run.run_id,
            "run_name": run.run_name,
            "creator_user_name": run.creator,
            "run_type": run.run_type,
            "trigger": run.trigger,
            "format": "MULTI_TASK",
            "run_page_url": self._url(run, run.run_id),
            "start_time": run.start_time,
            "end_time": run.end_time or 0,
            "run_duration": (run.end_time - run.start_time) if run.end_time else 0,
            # Of a run with tasks these are 0: the tasks have them.
            "setup_duration": 0,
            "execution_duration": 0,
            "cleanup_duration": 0,
            "state": state(run.life_cycle_state, run.ending),
            "status": status(run.life_cycle_state, run.ending),
        }
        if run.job_id:
            body["job_id"] = run.job_id
        if run.settings.get("schedule") and run.trigger == "PERIODIC":
            body["schedule"] = copy.deepcopy(run.settings["schedule"])
        if run.overriding:
            body["overriding_parameters"] = copy.deepcopy(run.overriding)
        return body

    def _parameters(self, run: Run) -> list[Json]:
        defaults = {p["name"]: str(p.get("default", "")) for p in run.settings.get("parameters") or []}
        names = [*defaults, *(name for name in run.parameters if name not in defaults)]
        return [
            {
                "name": name,
                **({"default": defaults[name]} if name in defaults else {}),
                **({"value": run.parameters[name]} if name in run.parameters else {}),
            }
            for name in names
        ]

    def _round(self, round_: Round) -> Json:
        life_cycle_state = round_.ending.life_cycle_state if round_.ending else "RUNNING"
        body: Json = {
            "type": "REPAIR" if round_.repair_id else "ORIGINAL",
            "start_time": round_.start_time,
            "end_time": round_.end_time or 0,
            "state": state(life_cycle_state, round_.ending),
            "status": status(life_cycle_state, round_.ending),
            "task_run_ids": list(round_.task_run_ids),
        }
        return {"id": round_.repair_id, **body} if round_.repair_id else body

    def _times(self, task_run: TaskRun) -> Json:
        start, end = task_run.start_time, task_run.end_time or 0
        running = task_run.running_since
        setup = (running - start) if running and start else 0
        return {
            "start_time": start or 0,
            "end_time": end,
            "setup_duration": setup,
            "execution_duration": (end - running) if running and end else 0,
            "cleanup_duration": 0,
            "run_duration": (end - start) if start and end else 0,
        }

    def _cluster_instance(self, task_run: TaskRun) -> Json:
        cluster = self.workspace.clusters.get(task_run.cluster_id or "")
        if cluster is None:
            return {}
        return {
            "cluster_instance": {
                "cluster_id": cluster.cluster_id,
                "spark_context_id": cluster.spark_context_id,
            }
        }

    def _cluster_spec(self, task_run: TaskRun) -> Json:
        spec: Json = {}
        if task_run.cluster_spec is not None:
            spec["new_cluster"] = copy.deepcopy(task_run.cluster_spec)
        for key in ("job_cluster_key", "existing_cluster_id", "libraries"):
            if task_run.task.get(key):
                spec[key] = copy.deepcopy(task_run.task[key])
        return spec

    def _url(self, run: Run, run_id: int) -> str:
        host, org = self.workspace.url, self.workspace.workspace_id
        return f"{host}/?o={org}#job/{run.job_id or 0}/run/{run_id}"
