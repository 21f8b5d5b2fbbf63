"""Who a Slack user is to Pitstop: the reviewer of their confirmed address, or whom the settings name for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from core.errors import Forbidden
from core.incident import Reviewer
from store.decisions import may_decide
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

#: What the client raises while Slack can't be reached.
AWAY = (SlackClientError, aiohttp.ClientError, OSError, asyncio.TimeoutError)


class SlackUsers:
    """Looks Slack users up.

    Args:
        client: Slack's Web API.
    """

    def __init__(self, runtime: Runtime, client: AsyncWebClient) -> None:
        self._runtime = runtime
        self._client = client

    async def reviewer(self, user: str, approvers: Sequence[str]) -> Reviewer:
        """The reviewer behind the Slack user, where `approvers` may decide.

        Raises:
            Forbidden: There is none, or this one may not decide.
        """
        known = self._runtime.settings.slack_users
        name = known.get(user) or await self._address(user)
        name = known.get(name, name)
        people = self._runtime.people
        reviewer = await people.reviewer(name, approvers, "slack") if name else None
        if reviewer is None:
            raise Forbidden(
                "Pitstop does not know you as a reviewer.",
                hint="Ask whoever looks after Pitstop to name you in the policy or in PITSTOP_SLACK_USERS.",
            )
        if not may_decide(list(approvers), reviewer):
            raise Forbidden(f"{reviewer.name} may not decide on this.")
        return reviewer

    async def _address(self, user: str) -> str:
        """The confirmed e-mail address of a full member of the workspace; empty where there is none."""
        try:
            answer = await self._client.users_info(user=user)
        except SlackApiError as error:
            log.warning("slack.unknown_user", error=str(error.response.get("error")))
            return ""
        except AWAY as error:
            log.warning("slack.away", error=type(error).__name__)
            return ""
        found: dict[str, Any] = answer.get("user") or {}
        others = ("deleted", "is_bot", "is_stranger", "is_restricted", "is_ultra_restricted")
        if any(found.get(mark) for mark in others) or found.get("is_email_confirmed") is False:
            return ""
        return str((found.get("profile") or {}).get("email") or "")
