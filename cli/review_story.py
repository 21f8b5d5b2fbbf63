"""An incident as the terminal tells it: the cause, the lines, the proposal as a diff, what supports it.

Everything from the service is text: control characters are taken out, and nothing is read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from cli.plain import line, plain
from core.actions import Proposal
from core.stakes import COSTS, stakes
from server.console import proposals
from server.console.words import ago, deed, left, percent, words

Json = Mapping[str, Any]

#: Lines of one range of evidence that are shown; the console has the log whole.
MAX_LINES = 12
MAX_EVIDENCE = 4
MAX_MEMBERS = 40
MAX_EVENTS = 12


class Story:
    """Puts a text together, part by part, with headings that need no colour to be seen."""

    def __init__(self) -> None:
        self.text = Text(overflow="fold")

    def heading(self, words: str) -> None:
        """Begin a part."""
        if self.text:
            self.text.append("\n")
        self.text.append(f"{words.upper()}\n", style="bold underline")

    def say(self, value: Any, *, style: str = "", indent: str = "") -> None:
        """A paragraph of hostile text."""
        for row in plain(value).split("\n"):
            self.text.append(f"{indent}{row}\n", style=style)


def story_of(incident: Json, group: Json | None = None) -> Text:
    """The whole of what a reviewer should see, the weightiest first.

    Args:
        incident: `GET /api/v1/incidents/{id}`.
        group: `GET /api/v1/groups/{id}`, when it is asked about with others.
    """
    story = Story()
    diagnosis = incident.get("diagnosis") or {}
    _head(story, incident, diagnosis)
    if group:
        _group(story, group)
    _proposal(story, incident, several=bool(group))
    _evidence(story, diagnosis)
    _support(story, incident, diagnosis)
    _similar(story, incident.get("similar") or [])
    _events(story, incident.get("events") or [])
    story.text.rstrip()
    return story.text


def pending(incident: Json) -> dict[str, Any] | None:
    """The approval of an incident that waits for a decision."""
    found = [a for a in incident.get("approvals") or [] if a["status"] == "pending"]
    return found[-1] if found else None


def difference(proposal: Json, incident: Json) -> Text:
    """The proposal as a diff: what is, what would be. Marks and not colours alone say which is which."""
    story = Story()
    read = Proposal.model_validate(proposal)
    for change in proposals.changes(read, incident.get("run") or {}):
        story.say(line(change.where or change.what), style="bold")
        story.say(line(change.current), style="red", indent="  - ")
        story.say(line(change.proposed), style="green", indent="  + ")
    styles = {"add": "green", "del": "red", "hunk": "bold"}
    for kind, row in proposals.patch(read):
        story.say(row, style=styles.get(kind, ""), indent="  ")
    story.text.rstrip()
    return story.text


def ending(approval: Json) -> str:
    """How a question ended, and who ended it, in one sentence."""
    action = deed(approval["proposal"]["action"]).lower()
    if approval.get("decided_by"):
        said = f": {line(approval['comment'])}" if approval.get("comment") else ""
        through = f" through {line(approval['channel'])}" if approval.get("channel") else ""
        return f"{line(approval['decided_by'])} has {approval['status']} it ({action}){through}{said}"
    return f"This question is {words(approval['status'])} ({action})."


def _head(story: Story, incident: Json, diagnosis: Json) -> None:
    story.heading(line(incident.get("job_name") or f"run {incident.get('run_id')}"))
    story.say(
        diagnosis.get("root_cause") or incident.get("summary") or "The cause is not known.", style="bold"
    )
    kind = f"{diagnosis.get('category', 'unknown')} / {diagnosis.get('failure_class', 'unknown')}"
    story.say(f"{line(kind)}, confidence {percent(diagnosis.get('confidence'))}")
    where = (
        f"run {incident.get('run_id')}, attempt {incident.get('attempt', 1)}, incident {incident.get('id')}"
    )
    story.say(f"{line(where)}, opened {ago(incident.get('opened_at'))}")
    if diagnosis.get("injection_suspected"):
        story.say("! The log gives orders. They were ignored; read it with that in mind.", style="bold")
    if incident.get("low_support"):
        story.say("! Weakly supported: treat the cause as a guess.", style="bold")
    if diagnosis.get("disagreement"):
        story.say(f"! The model sees it differently: {line(diagnosis['disagreement'])}", style="bold")


def _group(story: Story, group: Json) -> None:
    cause = group["cause"]
    story.heading(f"one cause, {group['pending']} waiting")
    story.say(f"{line(words(cause['kind']))}: {line(cause['value'])}")
    story.say(
        f"One decision answers for {group['pending']} incidents of {group['jobs']} jobs: one goes first, the "
        "rest after it was verified."
    )
    counts = ", ".join(f"{count} {words(state)}" for state, count in sorted(group["counts"].items()))
    story.say(counts)
    members = group["items"]
    for member in members[:MAX_MEMBERS]:
        first = ", goes first" if member["canary"] else ""
        story.say(
            f"{line(member['job_name'])}, run {member['run_id']}: {words(member['state'])}{first}",
            indent="  ",
        )
    if len(members) > MAX_MEMBERS:
        story.say(
            f"... and {len(members) - MAX_MEMBERS} more (`pitstop groups {line(group['id'])}`)", indent="  "
        )


def _proposal(story: Story, incident: Json, *, several: bool) -> None:
    approval = pending(incident)
    proposal = approval["proposal"] if approval else incident.get("proposal")
    if not proposal:
        return
    story.heading("proposal")
    story.say(deed(proposal["action"]), style="bold")
    story.text.append_text(difference(proposal, incident))
    story.text.append("\n")
    story.say(proposal.get("reason") or "")
    for heading, sentence in stakes(Proposal.model_validate(proposal), incident.get("run") or {}):
        # What one run costs says nothing of what all of them cost.
        if not (several and heading == COSTS):
            story.say(f"{heading}: {line(sentence)}")
    for risk in proposal.get("risks") or []:
        story.say(f"Mind: {line(risk)}")
    if approval and approval.get("expires_at"):
        story.say(f"Time left to decide: {left(approval['expires_at'])}")


def _evidence(story: Story, diagnosis: Json) -> None:
    pieces = diagnosis.get("evidence") or []
    if not pieces:
        return
    story.heading("evidence")
    for piece in pieces[:MAX_EVIDENCE]:
        story.say(f"{line(piece['source'])}, lines {piece['line_start']}-{piece['line_end']}", style="bold")
        rows = plain(piece["text"]).split("\n")
        story.say("\n".join(rows[:MAX_LINES]), indent="  | ")
        if len(rows) > MAX_LINES:
            story.say(f"... {len(rows) - MAX_LINES} more lines", indent="  ")


def _support(story: Story, incident: Json, diagnosis: Json) -> None:
    triad, prediction = incident.get("triad") or {}, incident.get("prediction") or {}
    rows = [f"{words(name).capitalize()}: {percent(value)}" for name, value in triad.items()]
    if prediction:
        between = f"{percent(prediction.get('low'))} to {percent(prediction.get('high'))}"
        basis = f"; {line(prediction['basis'])}" if prediction.get("basis") else ""
        rows.append(
            f"Chance that it holds: {percent(prediction.get('probability'))} ({between}), "
            f"{prediction.get('successes', 0)} of {prediction.get('trials', 0)} earlier tries{basis}"
        )
    _part(story, "how sure", rows)


def _similar(story: Story, found: Iterable[Json]) -> None:
    rows = []
    for item in list(found)[:3]:
        ended = f", ended {words(item['outcome'])}" if item.get("outcome") else ""
        rows.append(f"{line(item['title'])} ({words(item['kind'])}, {percent(item.get('score'))}{ended})")
    _part(story, "similar", rows)


def _events(story: Story, events: list[Json]) -> None:
    rows = [f"{str(e['at'])[11:19]} {words(e['kind'])}" for e in events[-MAX_EVENTS:]]
    _part(story, "what happened (UTC)", rows)


def _part(story: Story, heading: str, rows: list[str]) -> None:
    if rows:
        story.heading(heading)
        for row in rows:
            story.say(row)
