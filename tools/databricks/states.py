"""The state of a run or a task in one set of words, read from `status` and, where that is missing, `state`."""

from __future__ import annotations

from databricks.sdk.service.jobs import TerminationCodeCode as Code

from tools.databricks.wire import LegacyState, Stated, Status

#: Life cycle states in which something still goes on.
ACTIVE = frozenset({"PENDING", "QUEUED", "RUNNING", "TERMINATING", "BLOCKED", "WAITING_FOR_RETRY", "WAITING"})
#: Results that a person may want to hear of.
FAILED = frozenset({"FAILED", "TIMEDOUT", "SUCCESS_WITH_FAILURES", "MAXIMUM_CONCURRENT_RUNS_REACHED"})
#: Termination codes whose result is not FAILED; `status` alone does not say the result.
_RESULTS = {
    Code.SUCCESS.value: "SUCCESS",
    Code.SUCCESS_WITH_FAILURES.value: "SUCCESS_WITH_FAILURES",
    Code.USER_CANCELED.value: "CANCELED",
    # "Canceled during execution by the Databricks platform; for example, if the maximum run duration was exceeded."
    Code.CANCELED.value: "TIMEDOUT",
    Code.SKIPPED.value: "EXCLUDED",
    Code.DISABLED.value: "DISABLED",
    Code.MAX_CONCURRENT_RUNS_EXCEEDED.value: "MAXIMUM_CONCURRENT_RUNS_REACHED",
    Code.MAX_JOB_QUEUE_SIZE_EXCEEDED.value: "MAXIMUM_CONCURRENT_RUNS_REACHED",
}


def life_cycle(stated: Stated) -> str:
    """The life cycle state. A failed run of several tasks is TERMINATED by `status` and INTERNAL_ERROR by
    `state`; `status` is believed."""
    status, state = _both(stated)
    return status.state or state.life_cycle_state


def result(stated: Stated) -> str | None:
    """The result state, None while it goes on."""
    status, state = _both(stated)
    if life_cycle(stated) in ACTIVE:
        return None
    if state.result_state:
        return state.result_state
    code = status.termination_details.code
    if code:
        return _RESULTS.get(code, "FAILED")
    return "FAILED" if life_cycle(stated) == "INTERNAL_ERROR" else None


def message(stated: Stated) -> str:
    """What the service says about how it ended."""
    status, state = _both(stated)
    return status.termination_details.message or state.state_message


def termination(stated: Stated) -> tuple[str | None, str | None]:
    """The termination's code and type."""
    details = _both(stated)[0].termination_details
    return details.code, details.type


def active(stated: Stated) -> bool:
    """Whether it still goes on."""
    return life_cycle(stated) in ACTIVE


def _both(stated: Stated) -> tuple[Status, LegacyState]:
    return stated.status or Status(), stated.state or LegacyState()
