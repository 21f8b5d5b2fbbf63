"""What a failed run and a proposal are told as, for clients that know no more of them than their words."""

import re
import textwrap
from typing import Any

from core.actions import Proposal
from core.stakes import stakes
from core.words import deed
from nodes.state import State

#: Columns of the text, lines of each piece of evidence, and characters of each line.
WIDTH, LINES, LINE = 84, 8, 100


def facts(state: State, proposal: Proposal) -> dict[str, Any]:
    """What a reviewer needs beside the proposal, in any client."""
    diagnosis = state.get("diagnosis", {})
    run = state.get("run", {})
    return {
        "incident_id": state["incident_id"],
        "job": run.get("job_name", ""),
        "run_page_url": run.get("run_page_url"),
        "category": diagnosis.get("category"),
        "failure_class": diagnosis.get("failure_class"),
        "root_cause": diagnosis.get("root_cause"),
        "evidence": diagnosis.get("evidence", [])[:3],
        "triad": state.get("triad", {}),
        "prediction": state.get("prediction", {}),
        "low_support": state.get("low_support", False),
        "attempt": state.get("attempt", 1),
        "stakes": [f"{heading}: {said}" for heading, said in stakes(proposal, run)],
    }


def messages(state: State, proposal: Proposal) -> list[dict[str, str]]:
    """The incident as a conversation, which is all that Agent Chat UI shows: the run's failure, and what
    Pitstop makes of it."""
    incident_id = state["incident_id"]
    run = state.get("run", {})
    failed = f"{run.get('job_name') or 'A job without a name'}: run {run.get('run_id', '')} failed."
    asked = f"{incident_id}-{state.get('attempt', 1)}-{state.get('revision', 1)}"
    return [
        {"type": "human", "id": f"{incident_id}-failed", "content": failed},
        {"type": "ai", "id": asked, "content": words(proposal, facts(state, proposal))},
    ]


def refused(state: State, why: str) -> list[dict[str, str]]:
    """The conversation with the reason why the last answer was not accepted."""
    return _and_then(state, "refused", f"Not accepted: {why}")


def ended(state: State, outcome: str) -> list[dict[str, str]]:
    """The conversation with how the incident ended."""
    return _and_then(state, "ended", f"The incident has ended: {outcome.replace('_', ' ')}.")


def _and_then(state: State, what: str, said: str) -> list[dict[str, str]]:
    told = state.get("messages", [])[:2]
    new = {"type": "ai", "id": f"{state['incident_id']}-{what}", "content": _as_code(_wrapped(said))}
    return [*told, new]


def words(proposal: Proposal, known: dict[str, Any], error: str = "") -> str:
    """Cause, proposal and evidence as one block of code.

    Clients read descriptions as Markdown, and in these words stand lines of logs: inside a block of code neither
    picture, link nor heading can come of them.
    """
    parts = [
        f"Not accepted: {error}" if error else "",
        f"Cause: {known.get('root_cause') or 'unknown'}",
        f"Class: {known.get('failure_class')} ({known.get('category')}), attempt {known.get('attempt')}",
        f"Proposal: {deed(proposal.action.value)} ({proposal.action.value}). {proposal.reason}",
        *[f"Risk: {risk}" for risk in proposal.risks],
        *known.get("stakes", []),
        _how_sure(proposal, known),
        *[_quoted(item) for item in _apart(known.get("evidence", []))],
    ]
    return _as_code("\n\n".join(part if "\n" in part else _wrapped(part) for part in parts if part))


def _apart(evidence: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ranges of lines without those that begin where a longer one does: each is read once."""
    longest: dict[tuple[Any, Any], dict[str, Any]] = {}
    for item in evidence:
        begins = (item.get("source"), item.get("line_start"))
        if len(str(item.get("text", ""))) >= len(str(longest.get(begins, {}).get("text", ""))):
            longest[begins] = item
    return list(longest.values())


def _quoted(evidence: dict[str, Any]) -> str:
    lines = str(evidence.get("text", "")).splitlines()[:LINES]
    where = f"{evidence.get('source')}, lines {evidence.get('line_start')} to {evidence.get('line_end')}:"
    cut = [line if len(line) <= LINE else f"{line[: LINE - 1]}\u2026" for line in lines]
    return "\n".join([where, *(f"  {line}" for line in cut)])


def _how_sure(proposal: Proposal, known: dict[str, Any]) -> str:
    said = [f"Confidence {proposal.confidence:.2f}"]
    if chance := known.get("prediction"):
        said.append(
            f"chance that it helps {chance['probability']:.0%} ({chance['low']:.0%} to {chance['high']:.0%})"
        )
    said += [f"{name.replace('_', ' ')} {score:.2f}" for name, score in known.get("triad", {}).items()]
    if known.get("low_support"):
        said.append("what was found supports this weakly")
    return f"{'; '.join(said)}."


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _as_code(text: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}text\n{text}\n{fence}"
