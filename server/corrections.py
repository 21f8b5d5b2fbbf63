"""Messages that can be changed after they were sent say how their question stands, whatever door it was decided by."""

from __future__ import annotations

from dataclasses import dataclass

from core.incident import Approval, ApprovalStatus
from server import group_links, letters
from store import views
from store.group_views import Group
from store.notices import SETTLED
from tools.notify import Channels, Message
from wiring.runtime import Runtime

#: So often a message is drawn anew because its question changed while it was on its way.
_TIMES = 5


@dataclass(frozen=True)
class Subject:
    """What a message asks about, as it is now.

    Attributes:
        group: Those that one decision answers for; with nobody waiting, how a group ended. None where one approval is
            all that is asked about.
        approval: The one that is shown; one that waits, while one does.
    """

    incident: views.Incident
    approval: Approval
    group: Group | None

    @property
    def waits(self) -> bool:
        """Whether there is anything to decide."""
        if self.group is not None:
            return self.group.pending > 0
        return self.approval.status is ApprovalStatus.PENDING


class Corrections:
    """Draws what was asked anew, in its place."""

    def __init__(self, runtime: Runtime, channels: Channels) -> None:
        self._runtime = runtime
        self._channels = channels

    async def correct(self, asked: views.Message, *, over: bool = False) -> bool:
        """Make a message that was sent say what is so now; False where its channel has no way to.

        With `over` it says how its group ended, whoever joined since.

        What another server draws at the same time may be older and come later: whoever draws last looks again.

        Raises:
            ConfigurationError, DeliveryFailed, DeliveryRefused: As `tools.notify.Channels.update`.
        """
        if asked.receipt is None:
            return False
        letter = await self._drawn(asked, over)
        for _ in range(_TIMES):
            if not await self._channels.update(asked.recipient, letter, asked.receipt):
                return False
            drawn, letter = letter, await self._drawn(asked, over)
            if letter == drawn:
                break
        return True

    async def group(self, group_id: str) -> None:
        """The same for each message that asks about a group. Raises: as `correct`."""
        for asked in await self._runtime.outbox.posted(group_id):
            await self.correct(asked)

    async def _drawn(self, asked: views.Message, over: bool) -> Message:
        about = await subject(self._runtime, asked, over=over)
        message = asked if about.waits else asked.model_copy(update={"kind": SETTLED})
        return await letters.write(self._runtime, message, about.incident, about.approval, about.group)


async def subject(runtime: Runtime, asked: views.Message, *, over: bool = False) -> Subject:
    """What a message with an approval asks about now; `over`: nobody whom it asked about waits any more."""
    approval_id, incident_id = str(asked.payload["approval_id"]), asked.incident_id or ""
    group = None
    if group_id := asked.payload.get("group_id"):
        group = await runtime.groups.get(group_id)
        waiting = [] if over else group_links.waiting(group)
        if over:
            group = group.model_copy(update={"pending": 0})
        if waiting and approval_id not in {item.approval_id for item in waiting}:
            approval_id, incident_id = waiting[0].approval_id, waiting[0].incident_id
        if len(waiting) == 1:
            group = None
    incident = (await runtime.queries.incident(incident_id)).incident
    return Subject(incident, await runtime.store.approval(approval_id), group)
