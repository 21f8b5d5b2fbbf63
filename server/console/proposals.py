"""A proposal as a person reads and edits it: what changes, and a form field for each parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.actions import (
    Action,
    EscalateParams,
    NotifyParams,
    Params,
    Proposal,
    ProposeFixParams,
    RetryParams,
    RetryWithNewParams,
    RunUpstreamParams,
    TerminateParams,
    check_params,
)
from core.errors import InvalidInput

NOT_SET = "not set"
#: The last name in a setting's path: `...spark_conf[NAME]` or `....NAME`.
_LAST = re.compile(r"(?:spark_conf\[(?P<conf>.+)\]|(?P<field>\w+))$")
_LINE_END = re.compile(r"\r\n?|\n")


@dataclass(frozen=True)
class Change:
    """One line of the diff; `where` is the whole path when `what` is only its last name."""

    what: str
    current: str
    proposed: str
    where: str = ""


@dataclass(frozen=True)
class Field:
    """One input of the edit form; `kind` is `text`, `number`, `bool` or `lines` (one value a line)."""

    name: str
    label: str
    kind: str
    value: str | bool
    hint: str = ""
    rows: int = 3


def changes(proposal: Proposal, run: Mapping[str, Any]) -> list[Change]:
    """What the proposal would change, current against proposed; `run` is `core.run.RunFacts` as JSON."""
    params = proposal.checked()
    match params:
        case RetryWithNewParams():
            return [*_settings(params), *_job_parameters(params, run), *_tasks(params.task_keys, run)]
        case RunUpstreamParams():
            made = Change(params.produces, "missing", f"made by a run of job {params.job_id}, first")
            return [made, *_job_parameters(params, {}), *_tasks(params.task_keys, run)]
        case RetryParams():
            return _tasks(params.task_keys, run)
        case TerminateParams():
            state = str(run.get("life_cycle_state") or "running").lower()
            stop = [Change("this run", state, "cancelled")] if params.cancel_run else []
            return stop + (
                [Change("the job's schedule", "active", "paused")] if params.pause_schedule else []
            )
        case NotifyParams() | EscalateParams():
            people = ", ".join(params.recipients) or "nobody named by the policy"
            return [Change("message to", "nobody told", people)]
        case _:
            return []


def _settings(params: RetryWithNewParams) -> list[Change]:
    return [
        Change(last_name(s.path), _shown(s.current), _shown(s.proposed), where=s.path)
        for s in params.settings
    ]


def last_name(path: str) -> str:
    """`job_clusters[a].new_cluster.spark_conf[spark.executor.memory]` -> `spark.executor.memory`."""
    found = _LAST.search(path)
    return (found["conf"] or found["field"]) if found else path


def _job_parameters(params: RetryWithNewParams | RunUpstreamParams, run: Mapping[str, Any]) -> list[Change]:
    current = run.get("job_parameters") or {}
    return [
        Change(f"parameter {name}", _shown(current.get(name)), value)
        for name, value in params.job_parameters.items()
    ]


def _tasks(keys: list[str], run: Mapping[str, Any]) -> list[Change]:
    states = {t.get("task_key"): t.get("result_state") for t in run.get("tasks") or []}
    if not keys:
        return [Change("all failed tasks", "failed", "run again")]
    return [Change(f"task {key}", str(states.get(key) or "failed").lower(), "run again") for key in keys]


def _shown(value: Any) -> str:
    return NOT_SET if value is None else str(value)


def patch(proposal: Proposal) -> list[tuple[str, str]]:
    """The lines of a proposed patch, each with `add`, `del`, `hunk` or an empty kind."""
    if proposal.action is not Action.PROPOSE_FIX:
        return []
    kinds = {"+": "add", "-": "del", "@": "hunk"}
    return [(kinds.get(line[:1], ""), line) for line in str(proposal.params.get("diff", "")).splitlines()]


def fields(proposal: Proposal) -> list[Field]:
    """A form field for everything of the proposal that may be edited."""
    params = proposal.checked()
    match params:
        case RetryWithNewParams():
            settings = [
                Field(
                    f"setting.{i}",
                    last_name(s.path),
                    "text",
                    str(s.proposed),
                    hint=f"now {_shown(s.current)}",
                )
                for i, s in enumerate(params.settings)
            ]
            return [*settings, *_parameter_fields(params), _task_field(params.task_keys)]
        case RunUpstreamParams():
            job = Field("job_id", "Job to run first", "number", str(params.job_id))
            return [job, *_parameter_fields(params), _task_field(params.task_keys)]
        case RetryParams():
            return [_task_field(params.task_keys)]
        case TerminateParams():
            return [
                Field("cancel_run", "Cancel the run", "bool", params.cancel_run),
                Field("pause_schedule", "Pause the job's schedule", "bool", params.pause_schedule),
            ]
        case NotifyParams():
            return [_recipients(params.recipients), Field("message", "Message", "lines", params.message)]
        case EscalateParams():
            return [_recipients(params.recipients), Field("reason", "Reason", "lines", params.reason)]
        case ProposeFixParams():
            return [Field("diff", f"Patch of {params.path}", "lines", params.diff, rows=12)]
        case _:
            return []


def _parameter_fields(params: RetryWithNewParams | RunUpstreamParams) -> list[Field]:
    return [
        Field(
            f"parameter.{name}",
            f"Parameter {name}",
            "lines" if _LINE_END.search(value) else "text",
            value,
            rows=4,
        )
        for name, value in params.job_parameters.items()
    ]


def _same_text(sent: str, shown: str) -> bool:
    """Whether nobody changed it: a browser sends every line's end as CR LF, and drops one at the beginning."""
    plain = _LINE_END.sub("\n", shown)
    return _LINE_END.sub("\n", sent) in (plain, plain.removeprefix("\n"))


def _task_field(keys: list[str]) -> Field:
    rows = min(8, max(2, len(keys)))
    return Field("task_keys", "Tasks to run again", "lines", "\n".join(keys), hint="one a line", rows=rows)


def _recipients(people: list[str]) -> Field:
    return Field("recipients", "To", "lines", "\n".join(people), hint="one address a line", rows=2)


def read_form(proposal: Proposal, form: Mapping[str, str]) -> Params:
    """The edited parameters: the proposal's own, with what the form says laid over them.

    Raises:
        InvalidInput: A value doesn't fit, or a setting's kind (number, text) was changed.
    """
    params = proposal.checked().model_dump(mode="json")
    for item in fields(proposal):
        raw = form.get(item.name)
        if item.kind == "bool":
            params[item.name] = raw == "true"
        elif raw is None:
            continue
        elif item.name.startswith("setting."):
            setting = params["settings"][int(item.name.removeprefix("setting."))]
            setting["proposed"] = _like(setting["proposed"], raw.strip(), setting["path"])
        elif item.name.startswith("parameter."):
            if not _same_text(raw, str(item.value)):
                params["job_parameters"][item.name.removeprefix("parameter.")] = raw.replace("\r\n", "\n")
        elif item.name in ("task_keys", "recipients"):
            params[item.name] = [line.strip() for line in raw.splitlines() if line.strip()]
        elif item.kind == "number":
            params[item.name] = _like(0, raw.strip(), item.label)
        else:
            params[item.name] = raw.replace("\r\n", "\n")
    return check_params(proposal.action, params)


def _like(old: str | int | float | bool, text: str, name: str) -> str | int | float | bool:
    """`text` read as a value of the kind that `old` is."""
    try:
        if isinstance(old, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(old, int):
            return int(text)
        if isinstance(old, float):
            return float(text)
    except (ValueError, KeyError) as error:
        kind = "true or false" if isinstance(old, bool) else "a number"
        raise InvalidInput(f"{name} must be {kind}, not {text!r}.") from error
    return text
