"""Reads evidence and names causes: the catalogue's engine, the triad, and a language model where one is configured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from core.actions import Action, Proposal
from core.incident import Approval, Diagnosis, Similar, Triad
from core.policy import Rules
from core.run import RunFacts, TaskFacts, TaskOutput
from tools.consultation import Consultation
from tools.diagnosis import QUESTION, Engine, answer, case_of_outputs, query
from tools.injection import suspected
from tools.lookup import Lookup, enriched, wanted
from tools.program_lines import with_program
from tools.proposals import check_edit, propose
from tools.redaction import redact, redact_json
from tools.triad import score
from tools.triad.judge import Judge

#: The end of a longer text is kept: that is where runs fail. In characters.
WHOLE_TEXT = 5_000_000
#: What is left of a line that was cut is dropped, or so much of it.
_LONGEST_LINE = 20_000
#: Texts of a task that `TaskOutput` has a field for.
_FIELDS = frozenset({"error", "error_trace", "logs", "notebook_result", "source"})
#: Similar texts that count as context of the answer; what ranks lower is for the reviewer to look at.
CONTEXTS = 1

Embed = Callable[[Sequence[str]], list[list[float]]]


class RawOutput(Protocol):
    """A task's output before redaction (see `tools.databricks.RawOutput`)."""

    texts: dict[str, str]
    cluster_events: list[dict[str, Any]]
    missing: list[str]
    logs_truncated: bool
    notebook_truncated: bool


def _end_of(text: str, *, cut: bool) -> str:
    """The end of a text, from a line's beginning on: half of a secret would not be known for one.

    `cut` says that the text lacks its beginning already.
    """
    if len(text) <= WHOLE_TEXT and not cut:
        return text
    text = text[-WHOLE_TEXT:]
    first = text.find("\n", 0, _LONGEST_LINE)
    return text[first + 1 :] if first >= 0 else text[_LONGEST_LINE:] if len(text) > _LONGEST_LINE else text


def _without_orders(similar: Sequence[Similar]) -> list[Similar]:
    return [s for s in similar if not suspected(f"{s.title}\n{s.text}")]


class Investigator:
    """Everything between what a run left behind and a proposal.

    Args:
        engine: Names causes without any model.
        embed: Sentence embeddings for the triad; None leaves its lexical part.
        consultation: Asks a language model beside the engine; None never does.
        lookup: Says what is there of a table, schema or column that an error names; None never asks.
        judge: Has a language model judge the triad too; None never does.
    """

    def __init__(
        self,
        engine: Engine,
        embed: Embed | None,
        consultation: Consultation | None,
        lookup: Lookup | None = None,
        judge: Judge | None = None,
    ) -> None:
        self._engine = engine
        self._embed = embed
        self._consultation = consultation
        self._judge = judge
        self._lookup = lookup

    def clean(self, run: RunFacts) -> RunFacts:
        """The run with every text in it redacted."""
        return RunFacts.model_validate(redact_json(run.model_dump(mode="json")).value)

    def redact(self, output: RawOutput, task: TaskFacts, run: RunFacts) -> tuple[TaskOutput, dict[str, str]]:
        """The redacted output in short, and the redacted whole texts to keep as artifacts, by name."""
        whole: dict[str, str] = {}
        count = 0
        for name, text in output.texts.items():
            if name == "state_message":
                continue  # it stands in the run's facts
            clean = redact(_end_of(text, cut=name == "logs" and output.logs_truncated))
            whole[name] = clean.text
            count += clean.count
        if output.cluster_events:
            whole["cluster_events"] = json.dumps(redact_json(output.cluster_events).value, ensure_ascii=False)
        short = TaskOutput(
            task_key=task.task_key,
            run_id=task.run_id,
            error=whole.get("error", "").splitlines()[0] if whole.get("error") else "",
            logs_truncated=output.logs_truncated,
            notebook_truncated=output.notebook_truncated,
            missing=[redact(m).text for m in output.missing],
            secrets_redacted=count,
        )
        return short, whole

    async def query(
        self, run: RunFacts, outputs: Sequence[TaskOutput], *, widen: int = 0
    ) -> tuple[str, dict[str, str]]:
        """What to search the knowledge with, built from evidence, and the exact keys beside it.

        `widen` counts the tries before: each says less, and so finds more.
        """
        local = await asyncio.to_thread(lambda: self._engine.diagnose(case_of_outputs(run, outputs)))
        words = query(local, self._engine.catalogue.get(local.failure_class), widen=widen)
        keys = {"job": run.job_name, "failure_class": local.failure_class, "fingerprint": local.fingerprint}
        return words, {key: value for key, value in keys.items() if value}

    async def diagnose(
        self,
        run: RunFacts,
        outputs: Sequence[TaskOutput],
        similar: Sequence[Similar],
        *,
        hint: str = "",
        incident_id: str = "",
    ) -> Diagnosis:
        """Category, class, root cause and evidence; a model's answer only where it stands up to the engine's.

        What was retrieved and gives orders is not shown to the model.
        """
        case = await asyncio.to_thread(case_of_outputs, run, outputs, hint=redact(hint).text)
        local = await asyncio.to_thread(self._engine.diagnose, case)
        local = await asyncio.to_thread(with_program, local, outputs)
        named = wanted(local, outputs) if self._lookup else None
        if self._lookup and named:
            local = enriched(local, await self._lookup.look_up(named))
        honest = await asyncio.to_thread(_without_orders, similar)
        if len(honest) < len(similar):
            local = local.model_copy(update={"injection_suspected": True})
        if self._consultation is None:
            return local
        candidates = await asyncio.to_thread(self._engine.candidates, case)
        return await self._consultation.second_opinion(
            local, candidates, honest, hint=hint, incident_id=incident_id, run=run
        )

    async def evaluate(
        self,
        diagnosis: Diagnosis,
        similar: Sequence[Similar],
        *,
        incident_id: str = "",
        run: RunFacts | None = None,
    ) -> Triad:
        """The RAG triad of the diagnosis over its evidence and what was retrieved; by a model too where one judges."""
        contexts = [e.text for e in diagnosis.evidence] + [s.text for s in similar[:CONTEXTS] if s.text]
        said = self.answer(diagnosis)
        local = await asyncio.to_thread(score, QUESTION, contexts, said, self._embed)
        if self._judge is None:
            return local
        return await self._judge.second_look(
            local,
            QUESTION,
            contexts,
            said,
            incident_id=incident_id,
            run=run,
            failure_class=diagnosis.failure_class,
        )

    def propose(
        self,
        diagnosis: Diagnosis,
        run: RunFacts,
        rules: Rules,
        *,
        attempt: int,
        low_support: bool,
        tried: Sequence[dict[str, Any]] = (),
        jobs: Mapping[str, int] = MappingProxyType({}),
    ) -> Proposal:
        """The one action to propose, its parameters from the run's own settings, clamped by class and rules."""
        return propose(
            diagnosis,
            run,
            rules,
            self._engine.catalogue,
            attempt=attempt,
            low_support=low_support,
            tried=tried,
            find_job=lambda producer: jobs.get(producer.job_name or ""),
        )

    def answer(self, diagnosis: Diagnosis) -> str:
        """The diagnosis as the sentences that the triad scores and the reviewer reads."""
        return answer(diagnosis)

    def check_edit(
        self, rules: Rules, failure_class: str, approval: Approval, params: dict[str, Any]
    ) -> None:
        """Whether a reviewer's edit stays within what the class and the policy allow.

        Raises:
            InvalidInput: It doesn't; the message names the parameter and its range.
        """
        action = Action(approval.proposal.action)
        check_edit(rules, self._engine.catalogue.get(failure_class), action, approval.proposal.params, params)
