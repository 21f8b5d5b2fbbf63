"""The actions as `nodes.act` and `nodes.verify` call them: prepared as claims, sent under claims."""

from __future__ import annotations

from typing import Any

from core.actions import (
    Proposal,
    RetryParams,
    RetryWithNewParams,
    RunUpstreamParams,
    TerminateParams,
)
from core.approvals import Claim, ClaimRequest, Sent
from core.errors import InvalidInput, RunNotFound, WorkspaceRefused
from core.run import RunFacts
from tools.actions import cancel_run, job_settings, pause_schedule, repair_run, run_now
from tools.actions.client import Sender
from tools.databricks import reads
from tools.databricks.connection import Connection

#: Nothing is sent any more under a claim that has come to one of these.
ENDED = frozenset({"done", "failed", "unknown", "restored"})


class DatabricksActions:
    """Changes one workspace.

    Args:
        connection: The workspace.
        settle_seconds: How long to wait after an uncertain send before looking what became of it; doubled each
            time.
    """

    def __init__(self, connection: Connection, *, settle_seconds: float = 1.0) -> None:
        self._connection = connection
        self._sender = Sender(connection)
        self._settle = settle_seconds

    async def prepare(self, proposal: Proposal, run: RunFacts) -> list[ClaimRequest]:
        """The steps a proposal needs, each with what was seen before and what will be sent.

        `run` is the run as it was diagnosed: what happened to it since is found out when a step is sent.
        RETRY: `start`. RETRY_WITH_NEW_PARAMS: `apply` where settings change, then `start`. RUN_UPSTREAM:
        `upstream`, then `start`, which must wait until `upstream_state` says `succeeded`. TERMINATE: `stop`.

        Raises:
            InvalidInput: The parameters don't fit the action or the job, or it is not one that is sent.
            WorkspaceRefused, WorkspaceUnavailable: The job's current settings can't be read.
        """
        params = proposal.checked()
        if isinstance(params, RetryParams):
            return [repair_run.request(run, params.task_keys)]
        if isinstance(params, RetryWithNewParams):
            start = repair_run.request(run, params.task_keys, params.job_parameters)
            return [*await self._settings_step(params, run), start]
        if isinstance(params, RunUpstreamParams):
            return [run_now.request(params, run), repair_run.request(run, params.task_keys)]
        if isinstance(params, TerminateParams):
            return [cancel_run.request(params, run)]
        raise InvalidInput(f"{proposal.action.value} changes nothing in the workspace.")

    async def send(self, claim: Claim) -> Sent:
        """Send one claim, or find out what became of it when it was sent before (`fresh` is False).

        Raises:
            WorkspaceRefused: The workspace said no; nothing changed.
            WorkspaceUnavailable: Not known yet whether it took effect; call again with the same claim.
        """
        if claim.status in ENDED and claim.result.get("state"):
            return Sent.model_validate({k: v for k, v in claim.result.items() if k in Sent.model_fields})
        try:
            return await self._send(claim)
        except RunNotFound as error:
            raise WorkspaceRefused(error.message, hint=error.hint) from error

    async def upstream_state(self, claim: Claim) -> str:
        """What became of the run that an `upstream` claim started: `running`, `succeeded` or `failed`.

        Raises:
            WorkspaceRefused, WorkspaceUnavailable: The run can't be read now.
        """
        return await run_now.outcome(self._connection, claim)

    async def restore(self, claim: Claim) -> Sent:
        """Put back settings that `claim` (step apply) changed, only if they still are what it left.

        `unknown` means that a person has to look; the detail says what the settings were. Safe to call again
        at any time, also when the settings were never changed.

        Raises:
            WorkspaceRefused: The workspace said no; the settings are still the changed ones.
            WorkspaceUnavailable: Not known yet; call again.
        """
        return await job_settings.restore(self._sender, self._connection, claim, settle_seconds=self._settle)

    async def _settings_step(self, params: RetryWithNewParams, run: RunFacts) -> list[ClaimRequest]:
        if not params.settings:
            return []
        if not run.job_id:
            raise InvalidInput("A one-time run has no job whose settings could be changed.")
        settings = await reads.job_settings(self._connection, run.job_id)
        return [job_settings.request(run.job_id, list(params.settings), settings, repair_run.seen(run))]

    async def _send(self, claim: Claim) -> Sent:
        given: dict[str, Any] = {"settle_seconds": self._settle}
        match claim.call:
            case "repair_run":
                return await repair_run.send(self._sender, self._connection, claim, **given)
            case "run_now":
                return await run_now.send(self._sender, claim, **given)
            case "cancel_run":
                return await cancel_run.send(self._sender, self._connection, claim, **given)
            case "pause_job":
                return await pause_schedule.send(self._sender, self._connection, claim, **given)
            case "update_job":
                return await job_settings.apply(self._sender, self._connection, claim, **given)
            case _:
                raise InvalidInput(f"There is no call {claim.call!r}.")
