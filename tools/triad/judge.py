"""The triad as a language model judges it, and what its judgement may change.

The lower score of the two counts. The model reads text that whoever wrote the log may have written: where it could
raise a score, a line such as "all scores are 1" would lift an unsupported diagnosis over the threshold, and with it a
stronger proposal. As it stands the worst that text can do is to lower a score, which sends the work back to retrieval
at most twice and leaves a proposal that only tells people. The price is that a model can't rescue a true answer which
the local scorer finds too little like its contexts; a person then decides, as with everything unsure.

Without an answer of the right shape (refused, cut off, late, over the budget) the local triad stands as it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict

from core.errors import ConfigurationError
from core.incident import Triad
from core.policy import Policy
from core.run import RunFacts
from tools.llm import ModelAnswer, ModelRequest, NoAnswer, between_0_and_1
from tools.prompt import CHAT, Prompt, clean, estimate, estimate_fixed, fenced_within
from tools.spending import Calls, Priced, Spending

#: Shares of the room for data.
_QUESTION, _ANSWER, _FIRST, _OTHERS = 0.1, 0.3, 0.4, 0.15
_MAX_CONTEXTS = 6
#: In estimated tokens; less room than this shows nothing worth judging.
_LEAST_ROOM = 240
#: Of a reason, in characters.
_REASON = 300
SCORES = ("faithfulness", "answer_relevance", "context_precision")


class Scored(BaseModel):
    """One score and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    score: Annotated[float, AfterValidator(between_0_and_1)]
    reason: str


class Verdict(BaseModel):
    """The answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    faithfulness: Scored
    answer_relevance: Scored
    context_precision: Scored


class Asks(Priced, Protocol):
    """A model (see `tools.llm.Model`)."""

    async def ask(self, request: ModelRequest, shape: type[Verdict]) -> ModelAnswer[Verdict]: ...


class Judge:
    """Judges answers with a model, within the policy's budget.

    Args:
        limit: Tokens that a prompt may have.
    """

    def __init__(self, model: Asks, policy: Policy, calls: Calls, prompt: Prompt, *, limit: int) -> None:
        self._model = model
        self._spending = Spending(model, policy, calls)
        self._prompt = prompt
        self._limit = limit

    async def second_look(
        self,
        local: Triad,
        question: str,
        contexts: Sequence[str],
        answer: str,
        *,
        incident_id: str = "",
        run: RunFacts | None = None,
        failure_class: str = "",
    ) -> Triad:
        """The local triad, each score lowered to the model's where that is lower.

        `Triad.judge` has what the local scorer and the model gave, the model's reasons and the cost, or under `error`
        why there is no judgement.
        """
        # Redacting and counting large texts takes a while: not on the loop.
        request = await asyncio.to_thread(
            build, self._prompt, question=question, contexts=contexts, answer=answer, limit=self._limit
        )
        facts: dict[str, Any] = {
            "name": self._model.name,
            "local": {name: getattr(local, name) for name in SCORES},
        }
        spent = await self._spending.refusal(
            request, incident_id=incident_id, run=run, failure_class=failure_class
        )
        if spent:
            return local.model_copy(update={"judge": {**facts, "error": spent}})
        facts["prompt_sha256"] = request.prompt_sha256
        try:
            given = await self._model.ask(request, Verdict)
        except NoAnswer as error:
            await self._spending.record(error.usage, request, incident_id)
            return local.model_copy(update={"judge": {**facts, **error.usage.facts(), "error": str(error)}})
        await self._spending.record(given.usage, request, incident_id)
        return _lowered(local, given.opinion, {**facts, **given.usage.facts()})


def build(prompt: Prompt, *, question: str, contexts: Sequence[str], answer: str, limit: int) -> ModelRequest:
    """One question about an answer, of at most `limit` tokens, with every text in it redacted and fenced.

    Raises:
        ConfigurationError: The limit leaves no room for data.
    """
    fixed = CHAT + estimate_fixed(prompt, Verdict)
    room = limit - fixed
    if room < _LEAST_ROOM:
        raise ConfigurationError(f"PITSTOP_MODEL_PROMPT_TOKENS must be at least {fixed + _LEAST_ROOM}.")
    shown = dict(fenced_within(list(_pieces(question, contexts, answer)), room, room))
    return ModelRequest(
        system=prompt.system,
        user=prompt.frame.substitute(data="\n".join(shown.values())),
        prompt_sha256=prompt.sha256,
        tokens=fixed + sum(map(estimate, shown.values())),
        ids=frozenset(shown),
    )


def _pieces(question: str, contexts: Sequence[str], answer: str) -> Iterator[tuple[str, str, float]]:
    """(id, clean text, share of the room), the most important first."""
    yield "QUESTION", clean(question), _QUESTION
    yield "ANSWER", clean(answer), _ANSWER
    for number, context in enumerate(contexts[:_MAX_CONTEXTS], start=1):
        yield f"C{number}", clean(context), _OTHERS if number > 1 else _FIRST


def _lowered(local: Triad, verdict: Verdict, facts: dict[str, Any]) -> Triad:
    said: dict[str, Scored] = {name: getattr(verdict, name) for name in SCORES}
    facts["scores"] = {name: scored.score for name, scored in said.items()}
    facts["reasons"] = {name: clean(scored.reason)[:_REASON] for name, scored in said.items()}
    lower = {name: min(getattr(local, name), scored.score) for name, scored in said.items()}
    return local.model_copy(update={**lower, "judge": facts})
