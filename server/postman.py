"""Sending what the outbox holds: to people through their channels, reviewers' decisions to the traced run."""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.incident import ApprovalStatus
from core.policy import QuietHours
from store import views
from store.group_views import GroupSummary
from tools.feedback import Feedback
from tools.notify import Channels, compose
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

AT_ONCE = 20
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
#: A message that could not be sent for this long is given up; the incident goes on all the while.
PATIENCE = timedelta(hours=24)
#: Kinds that don't wait for the morning.
URGENT = frozenset({"critical", "restore_failed", "feedback"})


class Postman:
    """Delivers messages, each at least once, several workers side by side. A dead channel holds up nothing else."""

    def __init__(
        self, runtime: Runtime, channels: Channels | None = None, feedback: Feedback | None = None
    ) -> None:
        self._runtime = runtime
        self._channels = channels or Channels(runtime.settings)
        self._feedback = feedback or Feedback()

    async def deliver(self) -> int:
        """Send what is due; how many were taken up.

        Raises:
            StoreUnavailable: Postgres is away; what was taken comes up again.
        """
        messages = await self._runtime.outbox.take(limit=AT_ONCE)
        # All at once: a dead channel that takes its time to say so must not outlast the hold on the others.
        await asyncio.gather(*(self._deliver(message) for message in messages))
        return len(messages)

    async def _deliver(self, message: views.Message) -> None:
        try:
            await self._send(message)
        except (DeliveryFailed, ConfigurationError) as error:
            await self._failed(message, error)

    async def _send(self, message: views.Message) -> None:
        runtime = self._runtime
        detail = await runtime.queries.incident(message.incident_id or "")
        if message.kind == "feedback":
            await self._send_feedback(message, detail.incident.trace_run_id)
        elif await self._is_stale(message):
            await runtime.outbox.failed(
                message.id, "It was decided before this could be sent.", retry_at=None
            )
            return
        elif until := self._quiet_until(message, detail.incident):
            await runtime.outbox.postpone(message.id, until)
            return
        else:
            incident = detail.incident
            facts = {**incident.facts, "incident_id": incident.id, "note": incident.note}
            link = f"{public_address(runtime)}/console/incidents/{incident.id}"
            if group := await self._group(message):
                facts["group"] = group.model_dump(mode="json")
                link = f"{public_address(runtime)}/console/groups/{group.id}"
            await self._channels.send(
                message.recipient, compose(message.kind, facts, link=link, key=message.key)
            )
        await runtime.outbox.sent(message.id)
        log.info("postman.sent", message_id=message.id, kind=message.kind, incident_id=message.incident_id)

    async def _send_feedback(self, message: views.Message, trace_run_id: str | None) -> None:
        """A decision goes to the run that proposed; without a trace there is nowhere to send it."""
        if trace_run_id is not None:
            approval_id = message.key.split("/")[-2]
            await self._feedback.send(trace_run_id, await self._runtime.store.approval(approval_id))

    async def _is_stale(self, message: views.Message) -> bool:
        """Whether this asks for a decision that was taken meanwhile."""
        approval_id = message.payload.get("approval_id")
        if message.kind != "approval" or not approval_id or await self._group(message):
            return False
        approval = await self._runtime.store.approval(approval_id)
        return approval.status is not ApprovalStatus.PENDING

    async def _group(self, message: views.Message) -> GroupSummary | None:
        """The group that this asks about, if more than one member of it waits for the decision."""
        group_id = message.payload.get("group_id")
        if not group_id:
            return None
        group = await self._runtime.groups.summary(group_id)
        return group if group.pending > 1 else None

    def _quiet_until(self, message: views.Message, incident: views.Incident) -> datetime | None:
        rules = self._runtime.policy.rules_for(incident.job_name, incident.tags, incident.failure_class)
        if rules.quiet_hours is None or rules.critical or message.kind in URGENT:
            return None
        return quiet_until(rules.quiet_hours, self._runtime.clock.now())

    async def _failed(self, message: views.Message, error: DeliveryFailed | ConfigurationError) -> None:
        now = self._runtime.clock.now()
        hopeless = isinstance(error, DeliveryRefused) or now - message.created_at > PATIENCE
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(message.attempts - 1, 10))
        await self._runtime.outbox.failed(message.id, str(error), retry_at=None if hopeless else now + wait)
        log.warning(
            "postman.failed", message_id=message.id, kind=message.kind, given_up=hopeless, error=str(error)
        )
        if hopeless and message.incident_id:
            facts = {"kind": message.kind, "recipient": message.recipient, "reason": str(error)}
            await self._runtime.store.add_event(
                message.incident_id, "message_failed", facts, key=f"message_failed/{message.id}"
            )


def public_address(runtime: Runtime) -> str:
    """Where people reach the console."""
    settings = runtime.settings
    return settings.public_url or f"http://{settings.host}:{settings.port}"


def quiet_until(quiet: QuietHours, now: datetime) -> datetime | None:
    """When the quiet hours that `now` falls into end; None outside of them. Hours may span midnight."""
    local = now.astimezone(ZoneInfo(quiet.timezone))
    start, end = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end)
    if start == end:
        return None
    at = local.time()
    inside = start <= at < end if start < end else at >= start or at < end
    if not inside:
        return None
    ends = local.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    return (ends if ends > local else ends + timedelta(days=1)).astimezone(now.tzinfo)
