"""Deciding from Slack: a click or a window becomes a decision of the reviewer behind the Slack user."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from core.errors import ConfigurationError, Conflict, DeliveryFailed, InvalidInput, PitstopError
from core.incident import DecisionKind
from server import slack_fields, slack_views
from server.console.forms import read_decision
from server.corrections import Corrections
from server.letters import public_address
from server.metrics import Metrics
from server.problems import Problem, ProblemError, from_exception
from server.routes.approvals import record_decision
from server.routes.groups import record_group_decision
from server.slack_users import AWAY, SlackUsers
from tools.notify import Channels
from tools.notify.slack import slack_client
from tools.notify.slack_blocks import APPROVE, EDIT, REJECT, RESPOND, plain
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

#: Slack waits for 3 s; what takes longer is answered for, and finished afterwards.
PATIENCE_SECONDS = 2.0
_WINDOWS = {EDIT: DecisionKind.EDIT, REJECT: DecisionKind.REJECT, RESPOND: DecisionKind.RESPOND}
_SUBMITTED = {f"pitstop_{kind.value}": kind for kind in _WINDOWS.values()}

#: What is still to be done once the request was answered.
Later = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class About:
    """What a button or a window is about, who used it, and where an answer is seen.

    Attributes:
        approval_id: The approval; empty where it is a group's question.
        group_id: The group; empty where it is about one approval.
        sha256: What was shown: the proposal's hash, or the group's.
    """

    approval_id: str
    group_id: str
    sha256: str
    user: str
    channel: str

    def metadata(self) -> dict[str, str]:
        """What a window carries, so that its submission is about the same."""
        which = {"g": self.group_id} if self.group_id else {"a": self.approval_id}
        return {**which, "h": self.sha256, "c": self.channel}


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
        self._users = SlackUsers(runtime, self._client)

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
                await self._refused(about, from_exception(error)[0])

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
            problem = deciding.result()
            draw = partial(self._draw_group, about) if _is_stale(about, problem) else None
            return await self._in_window(about, problem, view), draw

        async def later() -> None:
            problem = await deciding
            if problem is not None:
                await self._refused(about, problem)

        return None, later

    async def _try(self, about: About, kind: DecisionKind, view: Mapping[str, Any]) -> Problem | None:
        try:
            await self._decide(about, kind, view)
        except (PitstopError, ProblemError) as error:
            return from_exception(error)[0]
        return None

    async def _decide(self, about: About, kind: DecisionKind, view: Mapping[str, Any]) -> None:
        if about.group_id:
            await self._decide_on_group(about, kind, view)
        else:
            approval = await self._runtime.store.approval(about.approval_id)
            reviewer = await self._users.reviewer(about.user, approval.approvers)
            form = {"payload_sha256": about.sha256, "kind": kind.value}
            if view:
                form |= slack_views.read(kind, approval.proposal, view)
            decision = read_decision(approval.proposal, form)
            await record_decision(self._runtime, about.approval_id, decision, reviewer)
        self._metrics.decisions.labels(kind.value, "slack").inc()

    async def _decide_on_group(self, about: About, kind: DecisionKind, view: Mapping[str, Any]) -> None:
        """One answer for all members that the message showed; those who wait by now must be the same."""
        group = await self._runtime.groups.get(about.group_id)
        reviewer = await self._users.reviewer(about.user, group.approvers)
        answer = slack_views.read_answer(kind, about.sha256, view)
        await record_group_decision(self._runtime, group.id, answer, reviewer)

    async def _refused(self, about: About, problem: Problem) -> None:
        """Say why nothing was decided; a message that showed what is no longer so shows what is."""
        await self._say(about, problem)
        if _is_stale(about, problem):
            await self._draw_group(about)

    async def _draw_group(self, about: About) -> None:
        """Draw a group's messages anew, as far as Slack takes that now."""
        try:
            await Corrections(self._runtime, Channels(self._runtime.settings)).group(about.group_id)
        except (DeliveryFailed, ConfigurationError) as error:
            log.warning("slack.not_drawn", group_id=about.group_id, error=str(error))

    async def _in_window(
        self, about: About, problem: Problem | None, view: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What the window does: close, mark what is wrong, or say why nothing was decided."""
        if problem is None:
            return {"response_action": "clear"}
        said = " ".join(part for part in (problem.detail, problem.hint) if part)
        if problem.status == 422:
            approval = await self._runtime.store.approval(about.approval_id) if about.approval_id else None
            if wrong := slack_fields.at_fault(approval and approval.proposal, view, said):
                return {"response_action": "errors", "errors": {wrong: said[:1000]}}
        return {"response_action": "update", "view": slack_views.notice(problem.title, said)}

    async def _open(self, about: About, kind: DecisionKind, trigger_id: str) -> None:
        window = await self._window(about, kind)
        try:
            await self._client.views_open(trigger_id=trigger_id, view=window)
        except SlackApiError as error:
            log.warning("slack.no_window", error=str(error.response.get("error")))
            raise InvalidInput("Slack did not open the window.", hint="Click once more.") from None
        except AWAY as error:
            log.warning("slack.away", error=type(error).__name__)

    async def _window(self, about: About, kind: DecisionKind) -> dict[str, Any]:
        """The window for one who may decide. Raises: Forbidden, Conflict: nobody's, or a stale group's."""
        console = f"{public_address(self._runtime)}/console"
        if not about.group_id:
            approval = await self._runtime.store.approval(about.approval_id)
            await self._users.reviewer(about.user, approval.approvers)
            link = f"{console}/incidents/{approval.incident_id}"
            return slack_views.window(kind, approval.proposal, about.metadata(), link)
        if kind is DecisionKind.EDIT:
            raise InvalidInput("A group's parameters are edited member by member, in the console.")
        group = await self._runtime.groups.get(about.group_id)
        await self._users.reviewer(about.user, group.approvers)
        if group.sha256 != about.sha256:
            raise Conflict(
                "The group is not the one that you were shown: members joined, left or changed.",
                hint=f"The message shows it as it is now: {group.pending} wait for a decision.",
            )
        return slack_views.window(kind, None, about.metadata(), f"{console}/groups/{group.id}")

    async def _say(self, about: About, problem: Problem) -> None:
        """Tell the user, and nobody else in the channel."""
        text = plain(" ".join(part for part in (problem.detail, problem.hint) if part))
        try:
            await self._client.chat_postEphemeral(channel=about.channel, user=about.user, text=text)
        except SlackApiError as error:
            log.warning("slack.not_told", error=str(error.response.get("error")))
        except AWAY as error:
            log.warning("slack.away", error=type(error).__name__)


def _is_stale(about: About, problem: Problem | None) -> bool:
    """Whether a group's message showed what is no longer so."""
    return bool(about.group_id) and problem is not None and problem.status == 409


def _about(carried: Any, payload: Mapping[str, Any]) -> About:
    """Raises: InvalidInput: the button or the window carries nothing of ours."""
    try:
        value = json.loads(str(carried or ""))
        group_id = str(value.get("g") or "")
        approval_id, sha256 = "" if group_id else str(value["a"]), str(value["h"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInput("This is no button of Pitstop's.") from error
    user = str((payload.get("user") or {}).get("id") or "")
    channel = str((payload.get("channel") or {}).get("id") or value.get("c") or user)
    return About(approval_id, group_id, sha256, user, channel)


def _first(items: Any) -> Mapping[str, Any]:
    found = items[0] if isinstance(items, list) and items else {}
    return found if isinstance(found, dict) else {}
