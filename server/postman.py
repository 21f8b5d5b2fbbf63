"""Sending what the outbox holds: to people through their channels, reviewers' decisions to the traced run."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused, StoreUnavailable
from core.incident import Approval, ApprovalStatus
from core.recipients import EMAIL, person
from core.settings import Settings
from server import letters
from server.corrections import Corrections, Subject, subject
from store import views
from store.bundles import Along
from store.lanes import Lane
from store.notices import ASKS, CHANGED, SETTLED
from store.outbox import TEST
from store.people import listed
from tools.feedback import Feedback
from tools.notify import ASKING, MISSED, Channels, Receipt
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

AT_ONCE = 20
FIRST_WAIT = timedelta(seconds=30)
SOON = timedelta(seconds=10)
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
        self._corrections = Corrections(runtime, self._channels)
        self._feedback = feedback or Feedback()

    def lanes(self) -> list[Lane]:
        """All ways that messages leave by, each to be delivered by itself; none is left out, whatever is queued."""
        settings = self._runtime.settings
        named = [f"{channel}:{name}".lower() for channel, names in _services(settings) for name in names]
        ways = [EMAIL, "slack", "teams", *named]
        return [*(Lane([way]) for way in ways), Lane(ways, others=True)]

    async def deliver(self, lane: Lane | None = None) -> int:
        """Send what is due on a lane, or on all of them; how many were taken up.

        A message that brings a bug to light is tried again like one that a channel did not take.

        Raises:
            StoreUnavailable: Postgres is away; what was taken comes up again.
        """
        messages = await self._runtime.outbox.take(limit=AT_ONCE, lane=lane)
        # All at once: a dead channel that takes its time to say so must not outlast the hold on the others.
        ends = await asyncio.gather(*map(self._deliver, messages), return_exceptions=True)
        away: BaseException | None = None
        for message, end in zip(messages, ends, strict=True):
            if isinstance(end, Exception) and not isinstance(end, StoreUnavailable):
                log.error("postman.bug", message_id=message.id, kind=message.kind, exc_info=end)
                why = f"Pitstop could not make or send this: {type(end).__name__}."
                await self._failed(message, DeliveryFailed(why, hint="Its log says more."))
            else:
                away = end or away
        if away is not None:
            raise away
        return len(messages)

    async def _deliver(self, message: views.Message) -> None:
        try:
            await self._send(message)
        except (DeliveryFailed, ConfigurationError) as error:
            await self._failed(message, error)

    async def _send(self, message: views.Message) -> None:
        """Send one message, put it off, or drop it."""
        runtime, outbox = self._runtime, self._runtime.outbox
        if message.kind == TEST:
            await self._channels.send(message.recipient, letters.trial(runtime, message))
            await outbox.sent(message.id)
            return
        detail = await runtime.queries.incident(message.incident_id or "")
        if message.kind == "feedback":
            await self._send_feedback(message, detail.incident.trace_run_id)
            await outbox.sent(message.id)
            return
        if message.kind in (SETTLED, CHANGED):
            await self._correct(message, detail.incident)
            return
        about = await subject(runtime, message) if message.kind in ASKING else None
        if about is not None and not about.waits:
            await self._too_late(message, about)
        elif until := self._quiet_until(message, detail.incident):
            await outbox.postpone(message.id, until)
        else:
            along = await outbox.along(message)
            receipt = await self._hand_over(message, about or detail.incident, along)
            await outbox.sent(message.id, receipt, along)
            log.info(
                "postman.sent",
                message_id=message.id,
                kind=message.kind,
                incident_id=message.incident_id,
                along=len(along),
            )

    async def _too_late(self, message: views.Message, about: Subject) -> None:
        """Ask nothing that was answered meanwhile; who was not asked in time is told that."""
        outbox = self._runtime.outbox
        expired = about.group is None and about.approval.status is ApprovalStatus.EXPIRED
        if expired and message.kind == ASKS:
            if until := self._quiet_until(message, about.incident):
                await outbox.postpone(message.id, until)
                return
            missed = message.model_copy(update={"kind": MISSED})
            letter = await letters.write(self._runtime, missed, about.incident, about.approval, None)
            await self._channels.send(message.recipient, letter)
        await outbox.dropped(message.id, f"Too late to ask. {letters.ending(about.approval)}")

    async def _hand_over(
        self, message: views.Message, about: Subject | views.Incident, along: Sequence[Along]
    ) -> Receipt | None:
        """Send it; a group's next message takes the place of its last one where the channel can do that."""
        if not isinstance(about, Subject):
            letter = await letters.write(self._runtime, message, about, None, None, along)
            return await self._channels.send(message.recipient, letter)
        letter = await letters.write(self._runtime, message, about.incident, about.approval, about.group)
        before = None
        if about.group is not None:
            before = await self._runtime.outbox.receipt_in_group(about.group.id, message.recipient)
        if before is not None and await self._channels.update(message.recipient, letter, before):
            return before
        return await self._channels.send(message.recipient, letter)

    async def _correct(self, message: views.Message, incident: views.Incident) -> None:
        """Change the message that asked, where that is possible; tell how it ended only where the policy wants it."""
        outbox = self._runtime.outbox
        asked = await outbox.get(int(message.payload.get("asked") or 0))
        if asked.status == "pending" and asked.attempts:
            # It may be on its way just now: then there will be something to change in a moment.
            await outbox.postpone(message.id, self._runtime.clock.now() + SOON)
        elif asked.status != "sent":
            await outbox.dropped(message.id, "Nothing was asked.")
        elif await self._corrections.correct(asked, over=_is_over(message)):
            await outbox.sent(message.id)
        elif message.kind == SETTLED and message.payload.get("tell", True):
            await self._tell(message, asked, incident)
        else:
            await outbox.dropped(message.id, "There is nothing to tell.")

    async def _tell(self, message: views.Message, asked: views.Message, incident: views.Incident) -> None:
        """Say in a message of its own how it ended, if that is news to its recipient."""
        runtime, outbox = self._runtime, self._runtime.outbox
        about = await subject(runtime, asked, over=_is_over(message))
        rules = runtime.policy.rules_for(incident.job_name, incident.tags, incident.failure_class)
        if about.waits or not rules.tell_decision or not _is_news(about.approval, message.recipient):
            await outbox.dropped(message.id, "There is nothing to tell.")
        elif until := self._quiet_until(message, incident):
            await outbox.postpone(message.id, until)
        else:
            letter = await letters.write(runtime, message, about.incident, about.approval, about.group)
            await self._channels.send(message.recipient, letter)
            await outbox.sent(message.id)

    async def _send_feedback(self, message: views.Message, trace_run_id: str | None) -> None:
        """A decision goes to the run that proposed; without a trace there is nowhere to send it."""
        if trace_run_id is not None:
            approval_id = message.key.split("/")[-2]
            await self._feedback.send(trace_run_id, await self._runtime.store.approval(approval_id))

    def _quiet_until(self, message: views.Message, incident: views.Incident) -> datetime | None:
        rules = self._runtime.policy.rules_for(incident.job_name, incident.tags, incident.failure_class)
        quiet = None if message.kind in URGENT else rules.quiet()
        return quiet.until(self._runtime.clock.now()) if quiet else None

    async def _failed(self, message: views.Message, error: DeliveryFailed | ConfigurationError) -> None:
        now = self._runtime.clock.now()
        # Whoever tries out a channel wants to know now.
        hopeless = (
            isinstance(error, DeliveryRefused) or message.kind == TEST or now - message.created_at > PATIENCE
        )
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(message.attempts - 1, 10))
        along = await self._runtime.outbox.along(message) if hopeless else []
        await self._runtime.outbox.failed(
            message.id, str(error), retry_at=None if hopeless else now + wait, along=along
        )
        log.warning(
            "postman.failed", message_id=message.id, kind=message.kind, given_up=hopeless, error=str(error)
        )
        if not hopeless or not message.incident_id:
            return
        facts = {"kind": message.kind, "recipient": message.recipient, "reason": str(error)}
        told = [(message.id, message.incident_id), *((one.message_id, one.incident_id) for one in along)]
        for message_id, incident_id in told:
            await self._runtime.store.add_event(
                incident_id, "message_failed", facts, key=f"message_failed/{message_id}"
            )


def _is_over(message: views.Message) -> bool:
    """Whether this says that nobody waits any more in a group."""
    return bool(message.payload.get("over"))


def _is_news(approval: Approval, recipient: str) -> bool:
    """Whether how it ended is worth another message: not to whoever decided, and not when it is asked anew."""
    decided_it = bool(approval.decided_by) and listed(person(recipient) or "", [approval.decided_by])
    return approval.status is not ApprovalStatus.SUPERSEDED and not decided_it


def _services(settings: Settings) -> list[tuple[str, Collection[str]]]:
    return [("teams", settings.teams_webhooks), ("apprise", settings.apprise_urls)]
