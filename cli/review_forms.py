"""What the windows of `pitstop review` ask for, one form for each key, and what each sends to the service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from cli.plain import line
from cli.review_fields import Choices, rating, text_field, value_of, widget_of
from cli.review_story import difference, pending
from core.actions import Proposal
from core.errors import InvalidInput
from server.console import proposals
from server.console.words import deed, left

Json = Mapping[str, Any]

OPTIONAL_COMMENT = "Comment (may stay empty)"


@dataclass(frozen=True)
class Target:
    """What is decided on, as it was shown: its hash goes with the decision."""

    #: Where it is under `/api/v1`: an approval, or a group.
    path: str
    sha256: str
    proposal: Json
    incident: Json
    #: How many a group's decision answers for; 0: it is one incident's own.
    members: int = 0
    #: Whether an edit leaves it to somebody else to approve.
    separate: bool = False

    @property
    def name(self) -> str:
        """What the decision is about, on one line."""
        job = line(self.incident.get("job_name") or f"run {self.incident.get('run_id')}")
        return f"{job} and what failed with it ({self.members} in all)" if self.members else job

    @property
    def deed(self) -> str:
        """What is proposed, in few words."""
        return deed(self.proposal["action"])

    def body(self, kind: str, **more: Any) -> dict[str, Any]:
        """The decision as the service takes it."""
        bound = {"sha256" if self.members else "payload_sha256": self.sha256}
        return {"decision": kind, **bound, **_given(**more)}


def target_of(incident: Json, group: Json | None) -> Target | None:
    """What a decision is on; None when nothing of it waits."""
    approval = pending(incident)
    if approval is None or (group is not None and group["sha256"] is None):
        return None
    if group is None:
        path = f"/approvals/{approval['id']}"
        separate = bool(approval.get("separate_duties"))
        return Target(path, approval["payload_sha256"], approval["proposal"], incident, separate=separate)
    path = f"/groups/{group['id']}"
    return Target(path, group["sha256"], approval["proposal"], incident, members=group["pending"])


class Form(ABC):
    """Base: fields, and what is made of them.

    Args:
        target: What it is about.
    """

    #: What is asked of the target.
    VERB: ClassVar[str] = "decision"
    HINT: ClassVar[str] = "ctrl+s send   tab next field   esc leave"
    #: The title over why the service refused.
    REFUSED: ClassVar[str] = "Not decided"
    COMMENT: ClassVar[str] = OPTIONAL_COMMENT

    def __init__(self, target: Target) -> None:
        self.target = target
        self._comment = text_field("comment", self.COMMENT)

    @property
    def comment(self) -> str:
        """What was written into the comment."""
        return self._comment.value.strip()

    @abstractmethod
    def heading(self) -> str:
        """What the window is for."""

    @abstractmethod
    def fields(self) -> ComposeResult:
        """What is filled in, from the top."""

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """What is sent. Raises: InvalidInput: a field can't be read."""

    @abstractmethod
    def done(self, answer: Json) -> str:
        """What has happened, in a word or two, by the service's answer."""


class Deciding(Form):
    """Base of the four decisions: whoever decides may rate the analysis with it."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._rating = rating()

    def fields(self) -> ComposeResult:
        yield from self.asked()
        yield self._rating

    def asked(self) -> ComposeResult:
        """What is filled in beside the rating."""
        yield self._comment

    def decision(self, kind: str, **more: Any) -> dict[str, Any]:
        """The decision with the comment and the rating."""
        return self.target.body(kind, comment=self.comment, useful=self._rating.chosen, **more)


class Approve(Deciding):
    """The proposal once more, and a second key for it."""

    HINT = "enter approve   tab next field   esc leave"

    def heading(self) -> str:
        return f"Approve: {self.target.deed}, for {self.target.name}?"

    def asked(self) -> ComposeResult:
        yield Static(difference(self.target.proposal, self.target.incident), classes="facts")
        yield self._comment

    def body(self) -> dict[str, Any]:
        return self.decision("approve")

    def done(self, answer: Json) -> str:
        return "Approved"


class Edit(Deciding):
    """A field for each parameter; ranges are the policy's, and the service holds the values against them."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._proposal = Proposal.model_validate(target.proposal)
        found = enumerate(proposals.fields(self._proposal))
        self._inputs = [(field, widget_of(field, f"field-{number}")) for number, field in found]

    def heading(self) -> str:
        then = "Edit; somebody else approves it" if self.target.separate else "Edit and approve"
        return f"{then}: {self.target.deed}, for {self.target.name}"

    def asked(self) -> ComposeResult:
        for field, widget in self._inputs:
            hint = f" ({line(field.hint)})" if field.hint else ""
            yield Static(Text(f"{line(field.label)}{hint}"))
            yield widget
        yield self._comment

    def body(self) -> dict[str, Any]:
        form = {field.name: value_of(widget) for field, widget in self._inputs}
        params = proposals.read_form(self._proposal, form).model_dump(mode="json")
        return self.decision("edit", params=params)

    def done(self, answer: Json) -> str:
        waits = answer.get("status") == "pending"
        return "Edited; it waits for somebody else's approval" if waits else "Approved as edited"


class Reject(Deciding):
    """The reason, and what else is to happen."""

    HINT = "enter in the reason rejects   tab next field   space choose   esc leave"
    COMMENT = "Reason, for the team and the audit trail"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        run, incident = ("runs", "incidents") if target.members else ("run", "incident")
        answers = {
            "Nothing else": "nothing",
            f"Also stop the {run}": "terminate",
            f"I take the {incident} over by hand": "take_over",
        }
        self._then = Choices(answers, "then")

    def heading(self) -> str:
        return f"Reject: {self.target.deed}, for {self.target.name}"

    def asked(self) -> ComposeResult:
        yield self._comment
        yield self._then

    def body(self) -> dict[str, Any]:
        return self.decision("reject", then=self._then.chosen)

    def done(self, answer: Json) -> str:
        return "Rejected"


class Respond(Deciding):
    """A hint: Pitstop thinks again with it as evidence, and asks anew."""

    HINT = "enter send   esc leave"
    COMMENT = "What Pitstop should know"

    def heading(self) -> str:
        return f"A hint for {self.target.name}: Pitstop thinks again with it, and asks anew"

    def body(self) -> dict[str, Any]:
        if not self.comment:
            raise InvalidInput("Write the hint first.")
        return self.decision("respond")

    def done(self, answer: Json) -> str:
        return "Thinking again"


class Delegate(Form):
    """Another approver is asked too."""

    VERB, HINT, REFUSED = "delegate", "enter send   tab next field   esc leave", "Nobody was asked"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._to = text_field("to", "Who: an approver, as the policy names them")

    def heading(self) -> str:
        return f"Ask somebody else too, about {self.target.name}. You may still decide."

    def fields(self) -> ComposeResult:
        yield self._to
        yield self._comment

    def body(self) -> dict[str, Any]:
        to = self._to.value.strip()
        if not to:
            raise InvalidInput("Write whom to ask first.")
        return _given(to=to, comment=self.comment)

    def done(self, answer: Json) -> str:
        return f"{line(self._to.value)} is asked too"


class Extend(Form):
    """More time to decide, once."""

    VERB, HINT, REFUSED = "extend", "enter send   tab next field   esc leave", "No more time"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._hours = text_field("hours", "Hours more (empty: as long again as there was)")

    def heading(self) -> str:
        return f"More time for {self.target.name}; it can be taken once"

    def fields(self) -> ComposeResult:
        yield self._hours
        yield self._comment

    def body(self) -> dict[str, Any]:
        given = self._hours.value.strip()
        try:
            seconds = float(given) * 3600 if given else None
        except ValueError as error:
            raise InvalidInput("Hours are a number, such as 4 or 0.5.") from error
        return _given(seconds=seconds, comment=self.comment)

    def done(self, answer: Json) -> str:
        return f"More time ({left(answer['expires_at'])})"


def _given(**values: Any) -> dict[str, Any]:
    """What was filled in."""
    return {name: value for name, value in values.items() if value not in (None, "")}


#: The forms by what they do.
FORMS: dict[str, type[Form]] = {
    "approve": Approve,
    "edit": Edit,
    "reject": Reject,
    "respond": Respond,
    "delegate": Delegate,
    "extend": Extend,
}
