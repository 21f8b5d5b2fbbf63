"""Slack: a message with buttons, changed in its place once it is decided, through whatever door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.settings import Settings
from tools.notify.message import Message
from tools.notify.slack_blocks import blocks, plain

TIMEOUT_SECONDS = 10
#: What trying again does not mend; anything else may pass, or be mended in Slack's settings.
_FINAL = frozenset(
    {"is_archived", "invalid_blocks", "msg_too_long", "message_not_found", "cant_update_message"}
)
_HINTS = {
    "channel_not_found": "Check the channel's name in the policy, and invite the app to it.",
    "not_in_channel": "Invite the app to the channel.",
    "missing_scope": "Give the app the scopes of docs/review.md and install it again.",
}
_SIGN_IN = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})


def slack_client(settings: Settings) -> AsyncWebClient:
    """Slack's Web API with the bot's token. Raises: ConfigurationError: none is set."""
    if settings.slack_bot_token is None:
        raise ConfigurationError(
            "PITSTOP_SLACK_BOT_TOKEN: Slack is not configured.",
            hint="Set it and PITSTOP_SLACK_SIGNING_SECRET, as docs/review.md says.",
        )
    return AsyncWebClient(
        token=settings.slack_bot_token.get_secret_value(),
        base_url=f"{settings.slack_api_url}/",
        timeout=TIMEOUT_SECONDS,
    )


class SlackChannel:
    """Posts to channels (`#name` or an id) and people (their id) of one Slack workspace.

    Raises:
        ConfigurationError: There is no bot token.
    """

    def __init__(self, settings: Settings) -> None:
        self._client = slack_client(settings)

    async def send(self, recipient: str, message: Message) -> Mapping[str, Any]:
        """Post it; what `update` needs to find it again.

        Raises:
            DeliveryRefused: Slack will never take it. DeliveryFailed: Not now, or not as things are set up.
        """
        answer = await self._call("chat_postMessage", channel=recipient, message=message)
        return {"channel": str(answer.get("channel") or recipient), "ts": str(answer.get("ts") or "")}

    async def update(self, message: Message, receipt: Mapping[str, Any]) -> None:
        """Put `message` in the place of the one posted before. Raises: as `send`."""
        await self._call(
            "chat_update", channel=str(receipt["channel"]), ts=str(receipt["ts"]), message=message
        )

    async def check(self) -> str:
        """The workspace's name, and nothing posted. Raises: DeliveryFailed."""
        try:
            return str((await self._client.auth_test()).get("team") or "")
        except SlackApiError as error:
            raise explained(error) from error
        except (TimeoutError, SlackClientError, aiohttp.ClientError, OSError) as error:
            raise DeliveryFailed(f"Slack can't be reached: {type(error).__name__}.") from error

    async def _call(self, method: str, *, message: Message, **where: str) -> Mapping[str, Any]:
        call = getattr(self._client, method)
        try:
            answer = await call(
                text=plain(message.subject),
                blocks=blocks(message),
                unfurl_links=False,
                **({"unfurl_media": False} if method == "chat_postMessage" else {}),
                **where,
            )
        except SlackApiError as error:
            raise explained(error) from error
        except (TimeoutError, SlackClientError, aiohttp.ClientError, OSError) as error:
            raise DeliveryFailed(f"Slack can't be reached: {type(error).__name__}.") from error
        return answer.data if isinstance(answer.data, dict) else {}


def explained(error: SlackApiError) -> DeliveryFailed:
    """Slack's refusal as ours, without the token that the SDK's own error may show."""
    said = str(error.response.get("error") or "unknown")[:100]
    if said in _FINAL:
        return DeliveryRefused(f"Slack refuses the message: {said}.")
    hint = "Check PITSTOP_SLACK_BOT_TOKEN." if said in _SIGN_IN else _HINTS.get(said, "")
    return DeliveryFailed(f"Slack did not take the message: {said}.", hint=hint)
