"""What people answer to a question: decide on it, hand it on, take more time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from core.incident import Approval, Decision, Reviewer
from store import approvals, decisions, handing_over, incidents, review_links
from store.decisions import Answer
from store.engine import raw_connection
from store.idempotency import Keep, unkept
from store.interventions import Interventions
from store.models import ApprovalModel, IncidentModel


@dataclass(frozen=True)
class _Asked:
    """One question, locked."""

    session: AsyncSession
    incident: IncidentModel
    row: ApprovalModel
    claimed: bool

    async def kept(self, keep: Keep) -> Approval:
        """How it stands now, kept as the answer of the request."""
        answer = approvals.view(self.row, self.claimed)
        await keep(self.session, answer)
        return answer


class Answers(Interventions):
    """Each method is one transaction; `keep` is called in it with what is returned."""

    async def decide(
        self,
        approval_id: str,
        decision: Decision,
        reviewer: Reviewer,
        *,
        link: str | None = None,
        keep: Keep = unkept,
    ) -> Approval:
        """Record a decision and queue the wake-up, both or neither. The same one again is returned as it stands.

        `link` is the id of the reviewer's link that it came through; it is used up with the decision.

        Raises:
            NotFound: There is no such approval, or no such link to it.
            Forbidden: This person may not.
            Conflict: Decided before (differently), superseded, for another payload, or for another action; or
                the link was used.
            Gone: Too late.
            InvalidInput: The decision is not whole, or the edited parameters fit neither action nor policy.
        """
        async with self._question(approval_id) as asked:
            session, incident, row = asked.session, asked.incident, asked.row
            said = decision.model_copy(update={"comment": self._clean(decision.comment)})
            answer = Answer(said, reviewer, self._clock.now())
            if link is not None:
                await review_links.use(session, link, approval_id, reviewer, answer.at)
            if await decisions.decide(session, incident, row, answer, self._check_edit):
                await session.flush()
                await self._wake(await raw_connection(session), incident.id)
            return await asked.kept(keep)

    async def delegate(
        self,
        approval_id: str,
        to: str,
        by: Reviewer,
        *,
        comment: str = "",
        named: Collection[str] = (),
        keep: Keep = unkept,
    ) -> Approval:
        """Let another approver decide too, and ask them; `by` keeps the right to.

        Args:
            named: Everyone whom the policy names as an approver of anything.

        Raises:
            NotFound: There is no such approval.
            Forbidden: `by` may not decide on it.
            Conflict, Gone: It is not open any more.
            InvalidInput: `to` is no approver.
        """
        async with self._question(approval_id) as asked:
            handed = handing_over.HandOn(to.strip(), by, self._clean(comment))
            await handing_over.delegate(asked.session, asked.row, handed, named, self._clock.now())
            return await asked.kept(keep)

    async def extend(
        self,
        approval_id: str,
        by: Reviewer,
        *,
        seconds: float | None = None,
        comment: str = "",
        keep: Keep = unkept,
    ) -> Approval:
        """Give an approval more time, once: `seconds`, or as long again as it had.

        Raises:
            NotFound: There is no such approval.
            Forbidden: `by` may not decide on it.
            Conflict: It was extended before, or decided. Gone: Too late.
            InvalidInput: It would be longer than a week.
        """
        async with self._question(approval_id) as asked:
            await handing_over.extend(
                asked.session,
                asked.incident,
                asked.row,
                by,
                seconds=seconds,
                comment=self._clean(comment),
                at=self._clock.now(),
            )
            return await asked.kept(keep)

    @asynccontextmanager
    async def _question(self, approval_id: str) -> AsyncIterator[_Asked]:
        """A transaction with the incident and then its approval locked. Raises: NotFound."""
        async with self._db.transaction() as session:
            incident = await incidents.lock(session, await approvals.incident_of(session, approval_id))
            row, claimed = await approvals.lock(session, approval_id)
            yield _Asked(session, incident, row, claimed)
