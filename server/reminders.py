"""The round that reminds of unanswered questions: at half of their time, and before their end."""

from __future__ import annotations

import structlog

from store.reminders import LAST, Reminders
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)


async def remind(runtime: Runtime) -> int:
    """Remind who was asked; ask the first of `escalate_to` at half of the time, all of them before its end.

    How many questions it was about. What happens at the end itself is the graph's, as the policy says.
    """
    reminders = Reminders(runtime.db, runtime.clock)
    reminded = 0
    for waiting in await reminders.due(runtime.policy):
        incident, approval = waiting.item.incident, waiting.item.approval
        rules = runtime.policy.rules_for(incident.job_name, incident.tags, incident.failure_class)
        ask_next = rules.escalate_to if waiting.stage == LAST else rules.escalate_to[:1]
        if await reminders.remind(approval.id, waiting.stage, ask_next=ask_next):
            reminded += 1
            log.info("reminders.sent", approval_id=approval.id, stage=waiting.stage)
    return reminded
