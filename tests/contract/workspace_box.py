"""The sandbox as Pitstop's own client and actions see it, for the contract tests of both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.actions import Action, Proposal
from core.approvals import Claim, ClaimRequest, Sent
from core.run import RunFacts
from core.settings import Settings
from tests.contract.jobs_api_box import Box
from tools.actions import DatabricksActions
from tools.databricks import Connection, Workspace


def connection(box: Box, **settings: Any) -> Connection:
    """A connection that gives up early."""
    given = {"workspace_retry_seconds": 1, "workspace_timeout_seconds": 5, **settings}
    return Connection(Settings(databricks_host=box.url, databricks_token=box.token, **given))  # type: ignore[arg-type]


class Parts:
    """Workspace and actions over one sandbox, with what `act` does around them."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.connection = connection(box)
        self.workspace = Workspace(self.connection)
        self.actions = DatabricksActions(self.connection, settle_seconds=0.01)
        self._claims = 0

    async def prepare(self, action: Action, run: RunFacts, **params: Any) -> list[ClaimRequest]:
        """The steps of a proposal."""
        return await self.actions.prepare(Proposal(action=action, params=params), run)

    def claim(self, request: ClaimRequest, **more: Any) -> Claim:
        """A claim as the store makes it: fresh unless said otherwise."""
        self._claims += 1
        fields = {
            "id": f"clm_{self.box.token[:8]}_{self._claims}_{datetime.now(UTC).timestamp()}",
            "incident_id": "inc_1",
            "attempt": 1,
            "approval_id": "apr_1",
            "created_at": datetime.now(UTC).isoformat(),
            "fresh": True,
            **more,
        }
        return Claim(**request.model_dump(), **fields)

    async def retry(self, run_id: int, **params: Any) -> Sent:
        """Propose RETRY and send it at once."""
        (start,) = await self.prepare(Action.RETRY, await self.workspace.run(run_id), **params)
        return await self.actions.send(self.claim(start))

    def repairs(self, run_id: int) -> list[dict[str, Any]]:
        """The repairs that took effect, by whom it may be."""
        return self.box.control.actions(kind="repair", run_id=run_id)

    def updates(self, job_id: int) -> list[dict[str, Any]]:
        """The changes of a job's settings that took effect."""
        return self.box.control.actions(kind="update", job_id=job_id)
