"""What people are told of an incident: a subject, a plain text and an HTML page, made from its facts.

Only the facts named here are shown; raw logs are never among them. Log text is hostile input: it is redacted,
cut, freed of control characters, and escaped in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import ValidationError

from core.actions import Proposal
from core.errors import InvalidInput
from core.stakes import COSTS, stakes
from core.words import deed, words
from tools.notify.group import group_words, news_words
from tools.redaction import redact

Json = Mapping[str, Any]

MAX_SUBJECT = 150
MAX_CAUSE = 1000
MAX_LINES = 2000
MAX_EVIDENCE = 3
MAX_TRIED = 5
MAX_PARAMS = 20
MAX_MEMBERS = 30

#: Kind of message -> (how its subject begins, what its first sentence says).
KINDS = {
    "approval": ("Your approval is needed", "Pitstop proposes an action and waits for a person to decide."),
    "reminder": (
        "Still waiting for your decision",
        "Nobody has decided on this yet, and the time for it is running out.",
    ),
    "settled": ("Nothing to do any more", "This has been decided, or needs no decision any more."),
    "missed": (
        "Nobody could be asked in time",
        "This question could not be sent before its time was over. Without an answer Pitstop does nothing.",
    ),
    "critical": (
        "A critical job failed",
        "A critical job failed; this goes out at once, beside any proposal.",
    ),
    "escalation": ("Escalated", "Pitstop can't mend this by itself. Somebody has to look."),
    "notification": ("Your job failed", "This failure needs its owner: a rerun would not mend it."),
    "restore_failed": (
        "Settings were not restored",
        "Job settings that were changed for a retry could not be put back. Please put them back by hand.",
    ),
    "test": (
        "This channel works",
        "Somebody tried out this channel. Nothing has failed, and there is nothing to do.",
    ),
    "broken": ("Pitstop is stuck", "Pitstop can't go on with this incident until somebody has looked."),
}
#: The kind that tells of a question which never left.
MISSED = "missed"
#: Kinds that ask for a decision.
ASKING = frozenset({"approval", "reminder"})
_OTHER = ("News", "Something happened in this incident.")
#: Control characters but line feed and tab, and those that turn the direction of text around.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Ask:
    """The question in a message, for channels that can take the answer: one approval, as it was when it was sent."""

    approval_id: str
    payload_sha256: str


@dataclass(frozen=True)
class AskGroup:
    """A question about all members of a group that wait, as they were: how many, and how many as the one shown."""

    group_id: str
    sha256: str
    pending: int
    alike: int


@dataclass(frozen=True)
class Message:
    """A message ready for any channel. `key` is the same for each try to send it.

    `shown` are the facts that the texts were made of, clean, redacted and cut, for channels with a form of
    their own.
    """

    subject: str
    text: str
    html: str
    key: str = ""
    link: str | None = None
    shown: Json = field(default_factory=dict)
    ask: Ask | AskGroup | None = None


def compose(
    kind: str, facts: Json, *, link: str | None = None, key: str = "", ask: Ask | AskGroup | None = None
) -> Message:
    """A message about an incident.

    Args:
        kind: Why it is sent; one of `KINDS`, any other gets a general beginning.
        facts: The incident as JSON, as far as it is known: `incident_id`, `run`, `diagnosis`, `triad`,
            `prediction`, `proposal` (each as in `core`), `tried`, `note`, `low_support`; `group`, when it is
            asked about together with others (see `group_words`); `said`, a sentence of Pitstop's own about this
            message, such as who delegated it.
            `members`, all that it is about where that is more than one incident (each with `job`, `job_id`, `run_id`,
            `cause`, `link`).
        link: Where to see the incident and decide; only http and https addresses are shown.
        key: Identifies the message, so that a second try can be known for one.
        ask: What an answer would be to.
    """
    run, diagnosis = _part(facts, "run"), _part(facts, "diagnosis")
    begins, sentence = KINDS.get(kind, _OTHER)
    members = [one for one in facts.get("members") or [] if isinstance(one, Mapping)]
    if group := _part(facts, "group"):
        begins, sentence = map(_line, group_words(group), (100, 400))
    elif len(members) > 1:
        begins, sentence = map(_line, news_words(kind, begins, sentence, members), (100, 400))
    job = _line(run.get("job_name") or run.get("run_name") or f"run {run.get('run_id', '')}", 100)
    category = _line(diagnosis.get("category") or "", 40)
    subject = f"[Pitstop] {begins}: {job}" + (f" ({category})" if category else "")
    shown = {
        "headline": begins,
        "sentence": sentence,
        "said": _line(facts.get("said") or "", 400),
        "asks": kind in ASKING,
        "job": job,
        "run_id": run.get("run_id"),
        "run_url": _address(run.get("run_page_url")),
        "category": category,
        "failure_class": _line(diagnosis.get("failure_class") or "", 80),
        "cause": _text(diagnosis.get("root_cause") or "", MAX_CAUSE),
        "evidence": _evidence(diagnosis),
        "scores": _scores(facts, diagnosis),
        "low_support": bool(facts.get("low_support")),
        "tried": _tried(facts),
        "proposal": _proposal(_part(facts, "proposal"), run, several=bool(group)),
        "note": _text(facts.get("note") or "", MAX_CAUSE),
        "members": [_member(one) for one in members[:MAX_MEMBERS]] if len(members) > 1 else [],
        "more_members": max(0, len(members) - MAX_MEMBERS),
        "link": _address(link),
        "incident_id": _line(facts.get("incident_id") or "", 60),
    }
    return Message(
        subject=_line(subject, MAX_SUBJECT),
        text=_ENVIRONMENT.get_template("incident.txt").render(shown),
        html=_ENVIRONMENT.get_template("incident.html").render(shown),
        key=key,
        link=shown["link"],
        shown=shown,
        ask=ask,
    )


def _member(member: Json) -> dict[str, Any]:
    """One line of the list of those that a message is about."""
    return {
        "job": _line(member.get("job") or "", 100),
        "run_id": member.get("run_id"),
        "cause": _line(member.get("cause") or "", 160),
        "link": _address(member.get("link")),
    }


def _evidence(diagnosis: Json) -> list[dict[str, str]]:
    """The decisive ranges of lines, the first being the most decisive."""
    found = [entry for entry in diagnosis.get("evidence") or [] if isinstance(entry, dict)]
    return [
        {
            "where": _line(f"{entry.get('source', '')}, line {entry.get('line_start', '')}", 200),
            "text": _text(entry.get("text") or "", MAX_LINES),
        }
        for entry in found[:MAX_EVIDENCE]
    ]


def _scores(facts: Json, diagnosis: Json) -> list[tuple[str, str]]:
    """Confidence, the triad and the prediction, as far as they are there."""
    triad, prediction = _part(facts, "triad"), _part(facts, "prediction")
    scores = [("Confidence", _percent(diagnosis.get("confidence")))]
    scores += [
        (name, _percent(triad.get(key)))
        for name, key in (
            ("Supported by the evidence", "faithfulness"),
            ("Answers the question", "answer_relevance"),
            ("What was found fits", "context_precision"),
        )
    ]
    chance = _percent(prediction.get("probability"))
    if chance:
        chance = f"{chance} ({_percent(prediction.get('low'))} to {_percent(prediction.get('high'))})"
        tries = prediction.get("trials")
        chance += f", from {tries} earlier tries" if tries else ""
    scores.append(("Chance that it holds", chance))
    return [(name, value) for name, value in scores if value]


def _tried(facts: Json) -> list[str]:
    found = [entry for entry in facts.get("tried") or [] if isinstance(entry, dict)]
    return [
        _line(f"{entry.get('attempt', '?')}. {deed(entry.get('action'))}: {words(entry.get('result'))}", 300)
        for entry in found[-MAX_TRIED:]
    ]


def _proposal(proposal: Json, run: Json, *, several: bool) -> dict[str, Any] | None:
    """The proposal with what it changes, costs and risks; `several`: one decision answers for other runs too."""
    if not proposal.get("action"):
        return None
    return {
        "action": _line(proposal["action"], 40),
        "deed": _line(deed(proposal["action"]), 80),
        "reason": _text(proposal.get("reason") or "", MAX_CAUSE),
        "diff": _diff(_part(proposal, "params")),
        # What one run costs says nothing of what all of them cost.
        "stakes": [pair for pair in _stakes(proposal, run) if not (several and pair[0] == COSTS)],
        "risks": [_line(risk, 300) for risk in (proposal.get("risks") or [])[:5]],
    }


def _stakes(proposal: Json, run: Json) -> list[tuple[str, str]]:
    """What the action costs, and what is lost if it is wrong; nothing of one whose parameters don't fit it."""
    try:
        found = stakes(Proposal.model_validate(proposal), run)
    except (ValidationError, InvalidInput):
        return []
    return [(heading, _line(sentence, 300)) for heading, sentence in found]


def _diff(params: Json) -> list[tuple[str, str | None, str]]:
    """The parameters as (what, the current value or None, the proposed one), changed settings first."""
    changes: list[tuple[str, str | None, str]] = []
    plain: list[tuple[str, str | None, str]] = []
    for name, value in params.items():
        for entry in value if isinstance(value, list) else []:
            if isinstance(entry, Mapping) and "proposed" in entry:
                old = entry.get("current")
                told = "not set" if old is None else _line(old, 200)
                changes.append((_line(entry.get("path", ""), 200), told, _line(entry["proposed"], 200)))
        if value and not (isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value)):
            plain.append((_line(name, 80), None, _line(_shown(value), 300)))
    return [*changes, *plain][:MAX_PARAMS]


def _shown(value: Any) -> str:
    """A parameter's value in words: changed settings as `path: old -> new`."""
    if isinstance(value, dict) and "proposed" in value:
        return f"{value.get('path', '')}: {value.get('current', 'unset')} -> {value['proposed']}"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_shown(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return ", ".join(_shown(entry) for entry in value)
    return str(value)


def _percent(value: Any) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _address(value: Any) -> str | None:
    """A web address, if it is one."""
    if not isinstance(value, str) or not re.fullmatch(r"https?://[!-~]+", value):
        return None
    return value


def _line(value: Any, limit: int) -> str:
    """One line of text."""
    return " ".join(_text(value, 4 * limit).split())[:limit]


def _text(value: Any, limit: int) -> str:
    """Text of several lines, clean, redacted and cut."""
    plain = str(value).encode("utf-8", errors="replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    clean = redact(_CONTROL.sub("", plain)).text
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _part(facts: Json, name: str) -> Json:
    value = facts.get(name)
    return value if isinstance(value, Mapping) else {}
