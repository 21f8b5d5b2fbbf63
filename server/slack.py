"""Deciding from Slack: a click or a window becomes a decision of the reviewer behind the Slack user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from core.errors import Forbidden, InvalidInput, PitstopError
from core.incident import Approval, DecisionKind, Reviewer
from server import slack_fields, slack_views
from server.console.forms import read_decision
from server.letters import public_address
from server.metrics import Metrics
from server.problems import Problem, ProblemError, from_exception
from server.routes.approvals import record_decision
from store.decisions import may_decide
from tools.notify.slack import slack_client
from tools.notify.slack_blocks import APPROVE, EDIT, REJECT, RESPOND, plain
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

#: Slack waits for 3 s; what takes longer is answered for, and finished afterwards.
PATIENCE_SECONDS = 2.0
_WINDOWS = {EDIT: DecisionKind.EDIT, REJECT: DecisionKind.REJECT, RESPOND: DecisionKind.RESPOND}
_SUBMITTED = {f"pitstop_{kind.value}": kind for kind in _WINDOWS.values()}
_AWAY = (SlackClientError, aiohttp.ClientError, OSError, asyncio.TimeoutError)

#: What is still to be done once the request was answered.
Later = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class About:
    """What a button or a window is about, who used it, and where an answer is seen."""

    approval_id: str
    payload_sha256: str
    user: str
    channel: str

    def metadata(self) -> dict[str, str]:
        """What a window carries, so that its submission is about the same."""
        return {"a": self.approval_id, "h": self.payload_sha256, "c": self.channel}


class SlackDoor:
    """One interaction at a time; what can't be done is said to the user alone, in Slack.

    Args:
        runtime: The parts.
        metrics: Where decisions are counted.
    """

    def __init__(self, runtime: Runtime, metrics: Metrics) -> None:
        self._runtime = runtime
        self._metrics = metrics
        self._client = slack_client(runtime.settings)

    async def handle(self, payload: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Later | None]:
        """What to answer to an interaction whose signature was checked, and what to do after that.

        Raises:
            InvalidInput: It is none that our messages can make.
        """
        kind = payload.get("type")
        if kind == "block_actions":
            return None, self._clicked(payload)
        if kind == "view_submission":
            return await self._submitted(payload)
        if kind in ("view_closed", "block_suggestion"):
            return None, None
        raise InvalidInput("This is no interaction with a message of Pitstop's.")

    def _clicked(self, payload: Mapping[str, Any]) -> Later | None:
        action = _first(payload.get("actions"))
        name = str(action.get("action_id") or "")
        if name != APPROVE and name not in _WINDOWS:
            return None  # a link was opened
        about = _about(action.get("value"), payload)

        async def later() -> None:
            try:
                if name == APPROVE:
                    await self._decide(about, DecisionKind.APPROVE, {})
                else:
                    await self._open(about, _WINDOWS[name], str(payload.get("trigger_id") or ""))
            except (PitstopError, ProblemError) as error:
                await self._say(about, from_exception(error)[0])

        return later

    async def _submitted(self, payload: Mapping[str, Any]) -> tuple[dict[str, Any] | None, Later | None]:
        """Decide at once if that is quick, so that the window can say what is wrong; else afterwards."""
        view = payload.get("view") or {}
        kind = _SUBMITTED.get(str(view.get("callback_id") or ""))
        if kind is None:
            raise InvalidInput("This is no window of Pitstop's.")
        about = _about(view.get("private_metadata"), payload)
        deciding = asyncio.create_task(self._try(about, kind, view))
        done, _ = await asyncio.wait({deciding}, timeout=PATIENCE_SECONDS)
        if done:
            return await self._in_window(about, deciding.result(), view), None

        async def later() -> None:
            problem = await deciding
            if problem is not None:
                await self._say(about, problem)

        return None, later

    async def _try(self, about: About, kind: DecisionKind, view: Mapping[str, Any]) -> Problem | None:
        try:
            await self._decide(about, kind, view)
        except (PitstopError, ProblemError) as error:
            return from_exception(error)[0]
        return None

    async def _decide(self, about: About, kind: DecisionKind, view: Mapping[str, Any]) -> None:
        approval = await self._runtime.store.approval(about.approval_id)
        reviewer = await self._reviewer(about, approval)
        form = {"payload_sha256": about.payload_sha256, "kind": kind.value}
        if view:
            form |= slack_views.read(kind, approval.proposal, view)
        decision = read_decision(approval.proposal, form)
        await record_decision(self._runtime, about.approval_id, decision, reviewer)
        self._metrics.decisions.labels(kind.value, "slack").inc()

    async def _in_window(
        self, about: About, problem: Problem | None, view: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What the window does: close, mark what is wrong, or say why nothing was decided."""
        if problem is None:
            return {"response_action": "clear"}
        said = " ".join(part for part in (problem.detail, problem.hint) if part)
        if problem.status == 422:
            approval = await self._runtime.store.approval(about.approval_id)
            if wrong := slack_fields.at_fault(approval.proposal, view, said):
                return {"response_action": "errors", "errors": {wrong: said[:1000]}}
        return {"response_action": "update", "view": slack_views.notice(problem.title, said)}

    async def _open(self, about: About, kind: DecisionKind, trigger_id: str) -> None:
        approval = await self._runtime.store.approval(about.approval_id)
        await self._reviewer(about, approval)
        link = f"{public_address(self._runtime)}/console/incidents/{approval.incident_id}"
        window = slack_views.window(kind, approval.proposal, about.metadata(), link)
        try:
            await self._client.views_open(trigger_id=trigger_id, view=window)
        except SlackApiError as error:
            log.warning("slack.no_window", error=str(error.response.get("error")))
            raise InvalidInput("Slack did not open the window.", hint="Click once more.") from None
        except _AWAY as error:
            log.warning("slack.away", error=type(error).__name__)

    async def _reviewer(self, about: About, approval: Approval) -> Reviewer:
        """The reviewer behind the Slack user.

        Raises:
            Forbidden: There is none, or this one may not decide.
        """
        known = self._runtime.settings.slack_users
        name = known.get(about.user) or await self._address(about.user)
        name = known.get(name, name)
        people = self._runtime.people
        reviewer = await people.reviewer(name, approval.approvers, "slack") if name else None
        if reviewer is None:
            raise Forbidden(
                "Pitstop does not know you as a reviewer.",
                hint="Ask whoever looks after Pitstop to name you in the policy or in PITSTOP_SLACK_USERS.",
            )
        if not may_decide(list(approval.approvers), reviewer):
            raise Forbidden(f"{reviewer.name} may not decide on this.")
        return reviewer

    async def _address(self, user: str) -> str:
        """The confirmed e-mail address of a full member of the workspace; empty where there is none."""
        try:
            answer = await self._client.users_info(user=user)
        except SlackApiError as error:
            log.warning("slack.unknown_user", error=str(error.response.get("error")))
            return ""
        except _AWAY as error:
            log.warning("slack.away", error=type(error).__name__)
            return ""
        found: dict[str, Any] = answer.get("user") or {}
        others = ("deleted", "is_bot", "is_stranger", "is_restricted", "is_ultra_restricted")
        if any(found.get(mark) for mark in others) or found.get("is_email_confirmed") is False:
            return ""
        return str((found.get("profile") or {}).get("email") or "")

    async def _say(self, about: About, problem: Problem) -> None:
        """Tell the user, and nobody else in the channel."""
        text = plain(" ".join(part for part in (problem.detail, problem.hint) if part))
        try:
            await self._client.chat_postEphemeral(channel=about.channel, user=about.user, text=text)
        except SlackApiError as error:
            log.warning("slack.not_told", error=str(error.response.get("error")))
        except _AWAY as error:
            log.warning("slack.away", error=type(error).__name__)


def _about(carried: Any, payload: Mapping[str, Any]) -> About:
    """Raises: InvalidInput: the button or the window carries nothing of ours."""
    try:
        value = json.loads(str(carried or ""))
        approval_id, sha256 = str(value["a"]), str(value["h"])
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput("This is no button of Pitstop's.") from error
    user = str((payload.get("user") or {}).get("id") or "")
    channel = str((payload.get("channel") or {}).get("id") or value.get("c") or user)
    return About(approval_id, sha256, user, channel)


def _first(items: Any) -> Mapping[str, Any]:
    found = items[0] if isinstance(items, list) and items else {}
    return found if isinstance(found, dict) else {}
