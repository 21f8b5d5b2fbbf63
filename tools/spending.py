"""What calls of a language model may still cost, and the record of what they did."""

from __future__ import annotations

from typing import Protocol

from core.policy import Policy
from core.run import RunFacts
from tools.llm import ModelRequest, Usage


class Priced(Protocol):
    """A model with a name and a price (see `tools.llm.Model`)."""

    name: str

    def worst_usd(self, request: ModelRequest) -> float: ...


class Calls(Protocol):
    """The record of calls (see `store.model_calls.ModelCalls`)."""

    async def record(
        self,
        *,
        incident_id: str | None,
        model: str,
        prompt_sha256: str,
        input_tokens: int,
        output_tokens: int,
        usd: float,
        seconds: float = 0.0,
    ) -> None: ...
    async def usd_of(self, incident_id: str) -> float: ...
    async def usd_today(self) -> float: ...


class Spending:
    """Holds a model's calls against the policy's budget."""

    def __init__(self, model: Priced, policy: Policy, calls: Calls) -> None:
        self._model = model
        self._policy = policy
        self._calls = calls

    async def refusal(
        self, request: ModelRequest, *, incident_id: str, run: RunFacts | None, failure_class: str
    ) -> str:
        """Which budget this call could overrun, or nothing. Calls under way at the same time are not seen.

        Args:
            run: Chooses the policy's entry with the budget; None takes the defaults.
        """
        name, tags = (run.job_name, run.tags) if run else ("", {})
        budget = self._policy.rules_for(name, tags, failure_class).budget
        cost = self._model.worst_usd(request)
        if cost <= 0:
            return ""
        of_incident = await self._calls.usd_of(incident_id) if incident_id else 0.0
        if of_incident + cost > budget.per_incident_usd:
            return (
                f"The budget of an incident ({budget.per_incident_usd:g} US dollars) allows no further call."
            )
        if await self._calls.usd_today() + cost > budget.per_day_usd:
            return f"The budget of a day ({budget.per_day_usd:g} US dollars) allows no further call."
        return ""

    async def record(self, usage: Usage, request: ModelRequest, incident_id: str) -> None:
        """Keep what a call used."""
        await self._calls.record(
            incident_id=incident_id or None,
            model=self._model.name,
            prompt_sha256=request.prompt_sha256,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            usd=usage.usd,
            seconds=usage.seconds,
        )
