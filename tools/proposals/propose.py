"""From a diagnosis to one proposal: what the class allows, the policy permits and the run's own settings give.

Nothing here reads log text: it can only have chosen a class and its facts, and a fact is compared with the
policy's own names before it can start anything. What a model suggests only says how far, within what the class
and the policy allow anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.actions import Action, Proposal, SettingChange, check_params
from core.incident import Category, Diagnosis
from core.policy import Producer, Rules
from core.run import RunFacts
from knowledge.catalogue import UNKNOWN, Catalogue, FailureClass
from tools.proposals.changes import Derived, derive
from tools.proposals.suggested import with_suggestions

#: Facts that can name something a producer makes.
_PRODUCED = ("table", "model", "path", "schema", "object")
#: Classes of which something that is missing is the cause.
_MISSING = frozenset(
    {
        "table_not_found",
        "path_not_found",
        "file_not_found",
        "delta_table_missing",
        "model_not_found",
        "schema_not_found",
        "empty_input",
    }
)
_REASON = 600
_RERUNS = frozenset({Action.RETRY, Action.RETRY_WITH_NEW_PARAMS})
#: Below even odds nothing is run again, whatever the class would allow.
_SURE_ENOUGH = 0.5

FindJob = Callable[[Producer], int | None]


def propose(
    diagnosis: Diagnosis,
    run: RunFacts | None,
    rules: Rules,
    catalogue: Catalogue,
    *,
    attempt: int = 1,
    low_support: bool = False,
    tried: Sequence[Mapping[str, Any]] = (),
    refusal: str = "",
    find_job: FindJob | None = None,
) -> Proposal:
    """The one action to propose, with parameters that `core.actions.check_params` accepts.

    Args:
        run: The run with its job's settings; None when only a log is known.
        attempt: Counts from 1; beyond the policy's `max_attempts` nothing is tried any more.
        low_support: The diagnosis is not supported well enough to do more than tell somebody.
        tried: Earlier attempts, each with its `action`; they take new parameters one step further.
        refusal: What the workspace said when it refused the last action.
        find_job: The id of a producer that the policy names without one.
    """
    failure_class = catalogue.get(diagnosis.failure_class)
    task_keys = _task_keys(diagnosis, run)
    if stop := _stop(diagnosis, run, rules):
        return _made(Action.TERMINATE, {"cancel_run": True}, stop, diagnosis)
    if why := _gives_up(diagnosis, failure_class, rules, attempt, refusal):
        return _made(Action.ESCALATE, {"reason": why}, why, diagnosis)
    if low_support:
        why = "The evidence does not support the diagnosis well enough to act on it."
        return _tell(failure_class, diagnosis, why)
    upstream = _upstream(failure_class, diagnosis, rules, task_keys, find_job)
    if upstream is not None:
        return upstream
    if failure_class.action in _RERUNS:
        return _run_again(failure_class, diagnosis, run, rules, task_keys, tried)
    return _tell(failure_class, diagnosis, "")


def _stop(diagnosis: Diagnosis, run: RunFacts | None, rules: Rules) -> str:
    """Why a run that is still going on should be stopped, or nothing."""
    if run is None or not run.active:
        return ""
    limit = rules.max_run_seconds
    if limit is not None and run.duration_seconds > limit:
        hours = run.duration_seconds / 3600
        return f"The run has been going on for {hours:.1f} hours, longer than the {limit / 3600:.1f} the policy allows."
    if diagnosis.failure_class == "run_too_long":
        return "The run goes on without an end in sight and burns money."
    return ""


def _gives_up(
    diagnosis: Diagnosis, failure_class: FailureClass, rules: Rules, attempt: int, refusal: str
) -> str:
    """Why nothing more is tried and the next person is woken, or nothing."""
    if refusal:
        return f"The workspace refused the last action: {refusal}"[:_REASON]
    if attempt > rules.max_attempts:
        return f"{rules.max_attempts} attempts did not mend it: {diagnosis.root_cause}"[:_REASON]
    if failure_class.name == UNKNOWN or (
        diagnosis.category is Category.UNKNOWN and failure_class.action is Action.ESCALATE
    ):
        return f"The cause is not known well enough to propose anything: {diagnosis.root_cause}"[:_REASON]
    if failure_class.action is Action.ESCALATE:
        return f"{diagnosis.root_cause} {failure_class.owner}"[:_REASON]
    return ""


def _upstream(
    failure_class: FailureClass,
    diagnosis: Diagnosis,
    rules: Rules,
    task_keys: list[str],
    find_job: FindJob | None,
) -> Proposal | None:
    """Running the job that makes what is missing, when the policy names it."""
    if failure_class.name not in _MISSING:
        return None
    for fact in _PRODUCED:
        name = diagnosis.facts.get(fact, "")
        producer = rules.producer_of(name) if name else None
        if producer is None:
            continue
        job_id = producer.job_id or (find_job(producer) if find_job else None)
        if job_id is None:
            why = f"{name} is made by the job {producer.job_name}, whose id is not known here: run it, then repair."
            return _tell(failure_class, diagnosis, why)
        params = {"job_id": job_id, "produces": name[:300], "task_keys": task_keys}
        why = f"{name} is missing, and the policy says that job {job_id} makes it."
        return _made(Action.RUN_UPSTREAM, params, why, diagnosis)
    return None


def _run_again(
    failure_class: FailureClass,
    diagnosis: Diagnosis,
    run: RunFacts | None,
    rules: Rules,
    task_keys: list[str],
    tried: Sequence[Mapping[str, Any]],
) -> Proposal:
    """The failed tasks once more, as they are or with other values, where the cause is sure enough."""
    if diagnosis.confidence < _SURE_ENOUGH:
        why = "The cause is not sure enough to run anything again."
        return _tell(failure_class, diagnosis, why)
    if failure_class.action is Action.RETRY:
        why = f"{failure_class.title}: a rerun alone can help."
        return _made(Action.RETRY, {"task_keys": task_keys}, why, diagnosis)
    count = sum(1 for t in tried if t.get("action") == Action.RETRY_WITH_NEW_PARAMS)
    derived = derive(failure_class, run, task_keys, rules.ranges, times_tried=count)
    derived, notes = with_suggestions(derived, diagnosis, rules.ranges)
    return _with_new_params(failure_class, diagnosis, derived, task_keys, run, notes)


def _with_new_params(
    failure_class: FailureClass,
    diagnosis: Diagnosis,
    derived: Derived,
    task_keys: list[str],
    run: RunFacts | None,
    notes: Sequence[str],
) -> Proposal:
    if derived:
        params = {
            "task_keys": task_keys,
            "job_parameters": derived.job_parameters,
            "settings": [change.model_dump(mode="json") for change in derived.settings],
        }
        said = f" In this, {'; '.join(notes)}." if notes else ""
        why = f"{failure_class.title}: {_in_words(derived)}{said}"
        risks = (
            ["The job's settings are changed for this repair and restored afterwards."]
            if derived.settings
            else []
        )
        if run is None or not run.settings:
            risks = ["The job's current settings are not known; the values are suggestions."]
        return _made(Action.RETRY_WITH_NEW_PARAMS, params, why, diagnosis, risks)
    why = "Nothing that may be changed for a retry can go further within the policy."
    if failure_class.transient:
        return _made(Action.RETRY, {"task_keys": task_keys}, f"{failure_class.title}: {why}", diagnosis)
    if run is None:
        params = {"task_keys": task_keys, "job_parameters": {}, "settings": []}
        return _made(
            Action.RETRY_WITH_NEW_PARAMS, params, f"{failure_class.title}. {failure_class.owner}", diagnosis
        )
    return _tell(failure_class, diagnosis, why)


def _in_words(derived: Derived) -> str:
    parts = [_change_in_words(change) for change in derived.settings]
    parts += [f"parameter {name} becomes {value}" for name, value in derived.job_parameters.items()]
    return "; ".join(parts) + "."


def _change_in_words(change: SettingChange) -> str:
    name = change.path.split("new_cluster.", 1)[-1].removeprefix("spark_conf[").removesuffix("]")
    return f"{name} {'from ' + str(change.current) + ' ' if change.current is not None else ''}to {change.proposed}"


def _tell(failure_class: FailureClass, diagnosis: Diagnosis, why: str) -> Proposal:
    """Tell the owner what to mend, or wake somebody where nobody would know what to tell."""
    if failure_class.category is Category.UNKNOWN and failure_class.action is Action.ESCALATE:
        return _made(Action.ESCALATE, {"reason": (why or diagnosis.root_cause)[:_REASON]}, why, diagnosis)
    message = f"{diagnosis.root_cause} {failure_class.owner}"
    return _made(Action.NOTIFY_OWNER, {"message": message[:4000]}, why or failure_class.owner, diagnosis)


def _task_keys(diagnosis: Diagnosis, run: RunFacts | None) -> list[str]:
    """The tasks to run again: those that failed by themselves, whatever else they failed of."""
    if run is None:
        return list(diagnosis.task_keys)
    failed = [task.task_key for task in run.failed_tasks]
    keys = set(failed)
    after = {t.task_key for t in run.failed_tasks if keys & set(t.depends_on)}
    return [key for key in failed if key not in after] or failed


def _made(
    action: Action, params: Mapping[str, Any], reason: str, diagnosis: Diagnosis, risks: Sequence[str] = ()
) -> Proposal:
    checked = check_params(action, dict(params))
    return Proposal(
        action=action,
        params=checked.model_dump(mode="json"),
        reason=" ".join(reason.split())[:4000],
        confidence=diagnosis.confidence,
        risks=list(risks),
    )
