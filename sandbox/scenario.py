"""The scenario file: one job, how it fails, and what should become of it.

A scenario is a folder `scenarios/NAME/` with a `scenario.yaml` and, beside it, the files it names (logs,
traces, notebook sources, exit values, event lists). A file name ending in `.gz` is unpacked while reading.
Unknown keys are refused, and every file, task and job that is named must exist, so a typo stops the load. All
`seconds` are scenario seconds; the server's `--clock` and the scenario's own `clock_speed` say how many of
them fit into a real one.

    name: executor_oom                 # the folder's name
    title: An aggregation outgrows its executors
    category: resource                 # timeout, resource, permission, syntax, network, data, infrastructure,
                                       # unknown
    expect:                            # what a good agent does; more keys may be added freely
      category: resource
      failure_class: executor_oom
      actions: [RETRY_WITH_NEW_PARAMS] # accepted first proposals, the best one first
      decision: approve                # what a script answers: approve|edit|reject|none
      edit: {}                         # with `decision: edit`: the parameters to send instead
      outcome: resolved                # how the incident ends
      nodes: [fetch, fetch_task, ...]  # the graph's nodes it passes, in order
      attempts: 1                      # how many actions it takes
    clock_speed: 1                     # scenario seconds pass this much faster than the sandbox's clock
    webhook: normal                    # normal|lost|doubled|late|out_of_order, for this scenario's runs
    job: {...}                         # JobSettings exactly as `jobs/create` takes them (name, tags, tasks
                                       # with depends_on and notebook_task/spark_python_task/...,
                                       # job_clusters with new_cluster, parameters, schedule, ...). Without
                                       # `webhook_notifications` the sandbox's own destination is notified
                                       # of failures; an empty mapping means nobody is.
    run:                               # how the failing run is started
      job_parameters: {day: "2026-01-31"}
      trigger: PERIODIC                # PERIODIC|ONE_TIME|...
      started_ago_seconds: 0           # it has been running this long already (real seconds)
    tasks:                             # what each task does; a key may be a glob (`shard_*`), exact keys win,
      aggregate:                       # a task that is not mentioned succeeds
        succeeds_if: {spark_conf: {spark.executor.memory: 8g}}
        success: {seconds: 90}         # the attempt played when `succeeds_if` holds
        past: {logs: good.txt}         # what it left behind in the good runs of the history
        attempts:                      # first execution, second (a retry or a repair), ...; the last repeats
          - result: FAILED
            seconds: 40
            error: "Job aborted due to stage failure: ..."
            error_trace: trace.txt     # file
            cluster_logs: {driver/stderr: stderr.txt, driver/log4j-active.log: log4j.txt}
    workspace: {/Workspace/etl/aggregate: aggregate.py}   # notebooks and files, for workspace/export
    dbfs: {/mnt/landing/_SUCCESS: empty.txt}              # further files on DBFS
    unity_catalog:                     # the metastore; without one the workspace has none
      tables: {main.sales.orders: [order_id, net_amount]}   # with their columns
      schemas: [main.empty]            # further schemas, without tables
      forbidden: [main.hr]             # answered with 403: a catalog, a schema or a table
    history:                           # earlier runs of the job, oldest first
      - {result: SUCCESS, count: 18, seconds: 420}
      - {result: FAILED, failed_tasks: [aggregate], seconds: 130, repaired: true}
    history_every_seconds: 86400       # real seconds between two of them; the last began this long ago
    other_jobs:                        # each with job, tasks, history, history_every_seconds as above
      - job: {name: make_customers, tasks: [{task_key: load, ...}]}
    events:                            # what people do to the run meanwhile
      - {when: failed, after_seconds: 30, do: repair}     # when: started|failed; do: repair|cancel

An attempt's `result` is one of the Jobs API's result states. What the state and the termination details say
is derived from it unless given (`life_cycle_state`, `code`, `type`, `message`). If the settings'
`timeout_seconds` (the task's or the job's) are shorter than the attempt's seconds, it ends TIMEDOUT, whatever
its result. `succeeds_if` is a mapping of which every entry must hold, or a list of mappings of which one
must:

    parameters: {batch: {at_least: 10}, mode: {equals: safe}, region: {any_of: [eu, us]}}   # job parameters
    spark_conf: {spark.executor.memory: 8g, spark.sql.shuffle.partitions: 400}      # at least; 8g is 8192m
    node_type: [Standard_E8ds_v5]      # the cluster's node type is one of these
    driver_node_type: [Standard_E8ds_v5]  # so is the driver's, which without one of its own is the workers'
    elastic_disk: true                 # the cluster's enable_elastic_disk
    num_workers: 4                     # at least (autoscale: its max_workers)
    timeout_seconds: 3600              # the task's or the job's timeout is at least this, or there is none
    job_succeeded: make_customers      # a run of this other job ended well after the scenario was started
    outage_over: storage_endpoint      # this outage (`sandbox.outage`) does not go on
    after_seconds: 120                 # the attempt starts at least this long after the scenario was started
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigurationError, NotFound
from sandbox.catalog import CatalogScript
from sandbox.script import JobScript, Part, Text, WebhookMode

SCENARIO_FILE = "scenario.yaml"


class Expectation(Part):
    """What a good agent makes of the scenario. Further keys are kept in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    category: str
    failure_class: str
    actions: list[str] = Field(min_length=1)
    decision: Literal["approve", "edit", "reject", "none"] = "approve"
    edit: dict[str, Any] = Field(default_factory=dict)
    outcome: str
    nodes: list[str] = Field(default_factory=list)
    attempts: int = 1


class RunStart(Part):
    """How the scenario's run is started."""

    job_parameters: dict[str, Text] = Field(default_factory=dict)
    trigger: str = "PERIODIC"
    started_ago_seconds: float = Field(default=0, ge=0)


class Event(Part):
    """Something a person does to the run: `after_seconds` after it was `started` or has (first) `failed`."""

    when: Literal["started", "failed"] = "failed"
    after_seconds: float = Field(default=0, ge=0)
    do: Literal["repair", "cancel"]


class Scenario(JobScript):
    """A whole scenario; `folder` is where its files are."""

    name: str
    title: str
    category: str
    expect: Expectation
    clock_speed: float = Field(default=1, gt=0)
    webhook: WebhookMode = "normal"
    run: RunStart = RunStart()
    workspace: dict[str, str] = Field(default_factory=dict)
    dbfs: dict[str, str] = Field(default_factory=dict)
    unity_catalog: CatalogScript | None = None
    other_jobs: list[JobScript] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    folder: Path

    @model_validator(mode="after")
    def _is_complete(self) -> Scenario:
        if self.name != self.folder.name:
            raise ValueError(f"name is {self.name!r}, the folder's name is {self.folder.name!r}")
        others = {script.job["name"] for script in self.other_jobs}
        for script in (self, *self.other_jobs):
            for task in script.tasks.values():
                for conditions in task.succeeds_if:
                    if conditions.job_succeeded and conditions.job_succeeded not in others:
                        raise ValueError(f"job_succeeded: {conditions.job_succeeded!r} is none of other_jobs")
        for name in self.files():
            if not (self.folder / name).is_file():
                raise ValueError(f"file {name!r} is missing")
        return self

    def files(self) -> Iterator[str]:
        """The names of all files the scenario needs."""
        for script in (self, *self.other_jobs):
            for task in script.tasks.values():
                for attempt in (*task.attempts, task.success, task.past):
                    yield from attempt.files()
        yield from self.workspace.values()
        yield from self.dbfs.values()

    def read(self, name: str) -> bytes:
        """The content of one of the scenario's files."""
        raw = (self.folder / name).read_bytes()
        return gzip.decompress(raw) if name.endswith(".gz") else raw

    def text(self, name: str) -> str:
        """The content of one of the scenario's files, as text; bytes that are no UTF-8 are replaced."""
        return self.read(name).decode("utf-8", errors="replace")


def load_scenario(folder: Path) -> Scenario:
    """Read `folder/scenario.yaml`.

    Raises:
        NotFound: There is no such file.
        ConfigurationError: It is no YAML, or something in it is wrong; the message says what.
    """
    path = folder / SCENARIO_FILE
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"No scenario in {folder}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {error}.") from error
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path} holds no mapping.")
    try:
        return Scenario.model_validate({**raw, "folder": folder.resolve()})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'scenario'}: {e['msg']}" for e in error.errors()[:5]
        )
        raise ConfigurationError(f"{path}: {faults}.") from error


def load_scenarios(directory: Path) -> dict[str, Scenario]:
    """All scenarios of a directory by name, in the order of their names; other folders are skipped.

    Raises:
        ConfigurationError: One of them is wrong.
    """
    folders = sorted(path.parent for path in directory.glob(f"*/{SCENARIO_FILE}"))
    return {folder.name: load_scenario(folder) for folder in folders}
