"""The diagnosis without a model: from what a failed run left behind to a class, a cause and the lines that prove it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.incident import Category, Diagnosis, Evidence
from knowledge.catalogue import UNKNOWN, Catalogue, FailureClass
from tools.diagnosis import confidence, words
from tools.diagnosis.case import Case
from tools.diagnosis.cause import facts_of, sentence, where
from tools.diagnosis.evidence import evidence_of
from tools.diagnosis.matcher import Matcher
from tools.diagnosis.orders import gives_orders
from tools.diagnosis.ranking import Candidate, rank
from tools.diagnosis.unit import Unit
from tools.diagnosis.units import last_words, units_of
from tools.redaction import redact

RUN_TOO_LONG = "run_too_long"
#: Below this score nothing is recognised.
_FLOOR = 0.04
_UNKNOWN_CONFIDENCE = 0.2


@dataclass(frozen=True)
class Verdict:
    """What one task's units say."""

    task_key: str
    ranking: list[Candidate]
    units: list[Unit]

    @property
    def best(self) -> Candidate | None:
        """The likeliest cause, if anything is recognised."""
        if not self.ranking or self.ranking[0].score < _FLOOR:
            return None
        return self.ranking[0]


class Engine:
    """Diagnoses cases by the catalogue. Pure: the same case gives the same diagnosis; safe to share."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._matcher = Matcher(catalogue)

    def diagnose(self, case: Case) -> Diagnosis:
        """Category, class, root cause and evidence, all redacted. What nothing recognises stays unknown."""
        verdicts = self._verdicts(case)
        verdict = _primary(verdicts, case)
        best = verdict.best if verdict else None
        ranking = verdict.ranking if verdict else []
        failure_class = best.failure_class if best else self._unrecognised(case)
        units = [hit.unit for hit in best.hits] if best else []
        leading = (
            _speaking(units, verdict) if best and best.failure_class.symptom else next(iter(units), None)
        )
        leading = leading or _loudest(verdict)
        facts = facts_of(failure_class, units)
        evidence = evidence_of(best, ranking[1:], case.readings)
        return self._finished(
            case,
            failure_class,
            cause=sentence(failure_class, facts, leading),
            facts={**facts, "where": where(leading)},
            evidence=evidence,
            sure=self._sure(best, ranking[1:]),
            fingerprint=_fingerprint(failure_class, leading, case),
            task_keys=_explained(verdicts, failure_class.name),
        )

    def judge(self, case: Case) -> tuple[Candidate, list[Candidate]] | None:
        """The winning candidate and the others, for the calibration; None when nothing is recognised."""
        verdict = _primary(self._verdicts(case), case)
        return (verdict.best, verdict.ranking[1:]) if verdict and verdict.best else None

    def query(self, case: Case, *, widen: int = 0) -> str:
        """What to search the knowledge with; built from the evidence, never from the raw log."""
        diagnosis = self.diagnose(case)
        return words.query(diagnosis, self.catalogue.get(diagnosis.failure_class), widen=widen)

    def question(self, diagnosis: Diagnosis) -> str:
        """The question that the diagnosis answers, for the triad."""
        return words.QUESTION

    def answer(self, diagnosis: Diagnosis) -> str:
        """The diagnosis as sentences."""
        return words.answer(diagnosis)

    def _unrecognised(self, case: Case) -> FailureClass:
        """A run that is looked at while it goes on, with no failure in sight, goes on for too long."""
        name = RUN_TOO_LONG if case.run and case.run.active and RUN_TOO_LONG in self.catalogue else UNKNOWN
        return self.catalogue.classes[name]

    def candidates(self, case: Case, limit: int = 8) -> list[tuple[FailureClass, float]]:
        """The classes that come into question, best first, with their scores (0..1)."""
        verdict = _primary(self._verdicts(case), case)
        found = verdict.ranking if verdict else []
        return [(c.failure_class, round(min(1.0, c.score), 3)) for c in found[:limit]]

    def _verdicts(self, case: Case) -> list[Verdict]:
        units = units_of(case)
        shared = [unit for unit in units if not unit.task_key]
        keys = list(dict.fromkeys(unit.task_key for unit in units if unit.task_key))
        groups = [(key, [u for u in units if u.task_key == key]) for key in keys] or [("", shared)]
        out = []
        for key, own in groups:
            verdict = Verdict(key, rank(own, self._matcher), own)
            if key and verdict.best is None:
                verdict = Verdict(key, rank([*own, *shared], self._matcher), own)
            if verdict.best is None:
                said = [unit for task in case.tasks if task.task_key == key for unit in last_words(task)]
                verdict = Verdict(key, rank([*own, *said], self._matcher), own or said)
            out.append(verdict)
        return out

    def _sure(self, best: Candidate | None, others: Sequence[Candidate]) -> float:
        if best is None:
            return _UNKNOWN_CONFIDENCE
        return confidence.calibrated(confidence.probability(confidence.features(best, others)))

    def _finished(
        self,
        case: Case,
        failure_class: FailureClass,
        *,
        cause: str,
        facts: Mapping[str, str],
        evidence: Sequence[Evidence],
        sure: float,
        fingerprint: str,
        task_keys: list[str],
    ) -> Diagnosis:
        """The diagnosis with everything that may hold a secret redacted."""
        count = case.secrets_redacted
        shown = []
        for item in evidence:
            clean = redact(item.text)
            count += clean.count
            shown.append(item.model_copy(update={"text": clean.text}))
        return Diagnosis(
            category=Category(failure_class.category),
            failure_class=failure_class.name,
            transient=failure_class.transient,
            root_cause=redact(cause).text,
            evidence=shown,
            confidence=sure,
            fingerprint=fingerprint,
            secrets_redacted=count,
            injection_suspected=gives_orders(case),
            task_keys=task_keys,
            facts={name: redact(value).text for name, value in facts.items()},
        )


def _primary(verdicts: Sequence[Verdict], case: Case) -> Verdict | None:
    """The verdict that most of the run's root tasks agree on, and of those the surest one."""
    roots = _roots(verdicts, case)
    weight: dict[str, float] = {}
    for verdict in roots:
        if verdict.best:
            name = verdict.best.failure_class.name
            weight[name] = weight.get(name, 0.0) + verdict.best.score
    if not weight:
        return roots[0] if roots else None
    name = max(weight, key=lambda n: weight[n])
    agreeing = [v for v in roots if v.best and v.best.failure_class.name == name]
    return max(agreeing, key=lambda v: v.best.score if v.best else 0.0)


def _roots(verdicts: Sequence[Verdict], case: Case) -> list[Verdict]:
    """The verdicts of tasks that did not fail after another failed task they depend on."""
    if case.run is None or len(verdicts) < 2:
        return list(verdicts)
    failed = {verdict.task_key for verdict in verdicts}
    after = {task.task_key for task in case.run.tasks if failed & set(task.depends_on)}
    return [v for v in verdicts if v.task_key not in after] or list(verdicts)


def _explained(verdicts: Sequence[Verdict], name: str) -> list[str]:
    return [v.task_key for v in verdicts if v.task_key and v.best and v.best.failure_class.name == name]


def _speaking(units: Sequence[Unit], verdict: Verdict | None) -> Unit | None:
    """For a symptom, the exception of the same block that says most: the symptom's own words say little."""
    block = units[0].block if units else None
    own = (
        [unit for unit in verdict.units if unit.block is block and unit.decisive] if verdict and block else []
    )
    return own[0] if own and own[0].exception else next(iter(units), None)


def _loudest(verdict: Verdict | None) -> Unit | None:
    """What stands out where nothing is recognised; a bare state such as FAILED only where nothing else is."""
    units = verdict.units if verdict else []
    return max(units, key=lambda unit: (unit.kind != "termination", unit.weight), default=None)


def _fingerprint(failure_class: FailureClass, leading: Unit | None, case: Case) -> str:
    """The reader's fingerprint of the decisive block, else of any source, else one of the class alone."""
    if leading is not None and leading.block is not None and leading.block.fingerprint:
        return leading.block.fingerprint
    found = next((r.fingerprint for r in case.readings if r.fingerprint), "")
    return found or hashlib.sha256(failure_class.name.encode()).hexdigest()[:16]
