"""A model's second opinion, held against the catalogue's: what it may change, and what it never may.

The engine's class rests on patterns in the evidence, the model's on a reading that hostile text may have steered.
So the model can make Pitstop surer, less sure, or name a cause where the engine has none; it never leads by itself
to a class that makes something run again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Protocol

from core.actions import TELLS_PEOPLE
from core.errors import ModelError
from core.incident import Category, Diagnosis, Similar
from core.policy import Policy
from core.run import RunFacts
from knowledge.catalogue import UNKNOWN, Catalogue, FailureClass
from tools.consulted import Checked, checked, related
from tools.llm import ModelAnswer, ModelRequest, NoAnswer, Opinion
from tools.prompt import Prompt, build, clean
from tools.spending import Calls, Priced, Spending

#: Below this the engine is unsure, and another class may take the place of its own.
UNSURE = 0.5
#: An agreement takes away this share of the doubt; a disagreement leaves this share of the confidence.
_LESS_DOUBT, _LESS_SURE = 0.2, 0.75
#: What the model says without the engine is never surer than this: less than any automatic rule should ask for.
_ALONE = 0.6
#: Classes that only tell people by the catalogue, but from which a proposal can go further.
_GOES_FURTHER = frozenset({"run_too_long"})


class Asks(Priced, Protocol):
    """A model (see `tools.llm.Model`)."""

    async def diagnose(self, request: ModelRequest) -> ModelAnswer[Opinion]: ...


class Consultation:
    """Asks a model within the policy's budget.

    Args:
        limit: Tokens that a prompt may have.
    """

    def __init__(
        self, model: Asks, catalogue: Catalogue, policy: Policy, calls: Calls, prompt: Prompt, *, limit: int
    ) -> None:
        self._model = model
        self._catalogue = catalogue
        self._spending = Spending(model, policy, calls)
        self._prompt = prompt
        self._limit = limit

    async def second_opinion(
        self,
        local: Diagnosis,
        candidates: Sequence[tuple[FailureClass, float]],
        similar: Sequence[Similar],
        *,
        hint: str = "",
        incident_id: str = "",
        run: RunFacts | None = None,
    ) -> Diagnosis:
        """The local diagnosis, with what the model's answer may change of it.

        Args:
            candidates: The classes that the engine considered, with their scores.
            hint: What a reviewer said about it.
            run: Chooses the policy's entry with the budget; None takes the defaults.

        Returns:
            `Diagnosis.model` says what was asked and what it cost, or under `error` why there is no opinion.
        """
        if not local.evidence:
            return local
        request = await self._request(local, [found for found, _ in candidates], similar, hint)
        facts: dict[str, Any] = {"name": self._model.name}
        spent = await self._spending.refusal(
            request, incident_id=incident_id, run=run, failure_class=local.failure_class
        )
        if spent:
            return local.model_copy(update={"model": {**facts, "error": spent}})
        facts["prompt_sha256"] = request.prompt_sha256
        try:
            answer = await self._model.diagnose(request)
        except NoAnswer as error:
            await self._spending.record(error.usage, request, incident_id)
            return local.model_copy(update={"model": {**facts, **error.usage.facts(), "error": str(error)}})
        await self._spending.record(answer.usage, request, incident_id)
        facts |= answer.usage.facts()
        trusted = not local.injection_suspected
        try:
            opinion = checked(answer.opinion, request.ids, self._catalogue, local, trusted=trusted)
        except ModelError as error:
            return local.model_copy(update={"model": {**facts, "error": str(error)}})
        weighed = self._weighed(local, opinion, {found.name for found, _ in candidates})
        return weighed.model_copy(update={"model": {**facts, **opinion.facts()}})

    async def _request(
        self, local: Diagnosis, candidates: list[FailureClass], similar: Sequence[Similar], hint: str
    ) -> ModelRequest:
        # Redacting and counting large texts takes a while: not on the loop.
        return await asyncio.to_thread(
            build,
            self._prompt,
            evidence=local.evidence,
            similar=similar,
            classes=self._classes(local, candidates),
            hint=hint,
            limit=self._limit,
        )

    def _weighed(self, local: Diagnosis, opinion: Checked, candidates: set[str]) -> Diagnosis:
        """The local diagnosis after the model's opinion."""
        named = opinion.failure_class
        if named.name == local.failure_class:
            return _agreed(local, opinion)
        unsure = local.confidence < UNSURE or local.failure_class == UNKNOWN
        supported = named.name in candidates
        if (
            named.name != UNKNOWN
            and unsure
            and not local.injection_suspected
            and (supported or _tells(named))
        ):
            return _taken(local, opinion, supported=supported)
        own = self._catalogue.get(local.failure_class)
        said = f"The model {self._model.name} would say {named.name} ({named.title}), not {own.name}"
        said += f": {opinion.root_cause}" if opinion.grounded else "."
        return local.model_copy(update={"confidence": local.confidence * _LESS_SURE, "disagreement": said})

    def _classes(self, local: Diagnosis, candidates: list[FailureClass]) -> list[FailureClass]:
        """What the model may choose from: the engine's candidates, and where it is unsure those that sound alike."""
        own = [c for c in candidates if c.name != UNKNOWN]
        if local.confidence < UNSURE or local.failure_class == UNKNOWN or len(own) < 2:
            text = " ".join([local.root_cause, *(e.text for e in local.evidence)])
            own += related(text, self._catalogue, without={c.name for c in own})
        return [self._catalogue.classes[UNKNOWN], *own]


def _agreed(local: Diagnosis, opinion: Checked) -> Diagnosis:
    """Surer, unless the evidence tries to steer whoever reads it. The engine's sentence stands where it has one."""
    update: dict[str, Any] = {"origin": "catalogue+model"}
    if local.failure_class == UNKNOWN:
        if opinion.grounded:
            update["root_cause"] = opinion.root_cause
    elif not local.injection_suspected:
        update["confidence"] = local.confidence + _LESS_DOUBT * (1 - local.confidence)
    return local.model_copy(update=update)


def _taken(local: Diagnosis, opinion: Checked, *, supported: bool) -> Diagnosis:
    """The model's class in place of one that the engine is unsure of. All but the name comes from the catalogue."""
    named = opinion.failure_class
    facts = {"where": local.facts["where"]} if "where" in local.facts else {}
    if supported:
        facts |= _facts(named, local)
    cited = [e for n, e in enumerate(local.evidence, start=1) if f"E{n}" in opinion.cited]
    rest = [e for e in local.evidence if e not in cited]
    return local.model_copy(
        update={
            "failure_class": named.name,
            "category": Category(named.category),
            "transient": named.transient,
            "root_cause": opinion.root_cause if opinion.grounded else f"{named.title}. {local.root_cause}",
            "evidence": [*cited, *rest],
            "confidence": min(opinion.confidence, _ALONE),
            "facts": facts,
            "origin": "catalogue+model" if supported else "model",
            "disagreement": f"The catalogue's engine by itself would say {local.failure_class}, without being sure of it.",
        }
    )


def _tells(found: FailureClass) -> bool:
    """Whether this class can only lead to telling people."""
    return found.action in TELLS_PEOPLE and found.name not in _GOES_FURTHER


def _facts(found: FailureClass, local: Diagnosis) -> dict[str, str]:
    """What the class's own patterns read from the evidence."""
    read: dict[str, str] = {}
    for name, patterns in found.facts.items():
        matches = (re.search(pattern, e.text) for pattern in patterns for e in local.evidence)
        value = next((group for match in matches if match for group in match.groups() if group), "")
        if value:
            read[name] = clean(value)
    return read
