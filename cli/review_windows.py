"""The windows of `pitstop review`: one for each decision, one that tells, one that helps.

A window sends its decision itself, so that what the service says about it is read where it can be mended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, RadioSet, Static

from cli.plain import line
from cli.review_fields import Choice, rating, text_field, value_of, widget_of
from cli.review_story import difference
from core.actions import Proposal
from core.errors import InvalidInput, PitstopError
from server.console import proposals
from server.console.words import deed

Json = Mapping[str, Any]
Send = Callable[[str, dict[str, Any]], Awaitable[Any]]

_RATING = {"rating-none": None, "rating-yes": True, "rating-no": False}
_THEN = {"then-nothing": "nothing", "then-terminate": "terminate", "then-take_over": "take_over"}


@dataclass(frozen=True)
class Target:
    """What is decided on, as it was shown: its hash goes with the decision."""

    path: str
    sha256: str
    proposal: Json
    incident: Json
    #: How many a group's decision answers for; 0: it is one incident's own.
    members: int = 0

    @property
    def name(self) -> str:
        """What the decision is about, on one line."""
        job = line(self.incident.get("job_name") or f"run {self.incident.get('run_id')}")
        return f"{job} and what failed with it ({self.members} in all)" if self.members else job

    def body(self, kind: str, **more: Any) -> dict[str, Any]:
        """The decision as the service takes it."""
        bound = {"sha256" if self.members else "payload_sha256": self.sha256}
        return {"decision": kind, **bound, **{k: v for k, v in more.items() if v not in (None, "")}}


@dataclass(frozen=True)
class Outcome:
    """How a window ended: what to say, and whether the decision was refused."""

    said: str
    refused: bool = False


class Window(ModalScreen[Outcome | None]):
    """Base: a title, what is in it, where a mistake is said, and how to leave."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Leave"), ("ctrl+s", "send", "Send")]
    HINT = "ctrl+s send   tab next field   esc leave"

    def __init__(self, target: Target, send: Send) -> None:
        super().__init__()
        self.target = target
        self._send = send
        self._sending = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window", can_focus=False):
            yield Static(Text(self.heading(), style="bold"))
            yield from self.content()
            yield Static(Text(""), id="mistake")
            yield Static(Text(self.HINT, style="dim"))

    def heading(self) -> str:
        """What this window is for."""
        raise NotImplementedError

    def content(self) -> ComposeResult:
        """The fields."""
        raise NotImplementedError

    def body(self) -> dict[str, Any]:
        """What is sent. Raises: InvalidInput: a field can't be read."""
        raise NotImplementedError

    def comment(self, id: str = "comment") -> str:
        """What was written into the field of this id."""
        return self.query_one(f"#{id}", Input).value.strip()

    def useful(self) -> bool | None:
        """Whether the analysis was found useful."""
        pressed = self.query_one("#rating", RadioSet).pressed_button
        return _RATING.get(pressed.id or "") if pressed else None

    def on_input_submitted(self) -> None:
        """Enter in a field of one line sends."""
        self.action_send()

    def action_leave(self) -> None:
        """Close without deciding; not while the decision is on its way."""
        if not self._sending:
            self.dismiss(None)

    def action_send(self) -> None:
        """Decide."""
        if self._sending:
            return
        try:
            body = self.body()
        except InvalidInput as error:
            self._mistake(error)
            return
        self._sending = True
        self._mistake("Sending ...")
        self.deliver(body)

    @work
    async def deliver(self, body: dict[str, Any]) -> None:
        """Send; a mistake that can be mended here is shown here, everything else ends the window."""
        try:
            await self._send(self.target.path, body)
        except InvalidInput as error:
            self._sending = False
            self._mistake(error)
        except PitstopError as error:
            self.dismiss(Outcome(str(error), refused=True))
        else:
            self.dismiss(Outcome(f"{self.said()}: {self.target.name}"))

    def said(self) -> str:
        """The decision in a word or two, once it is taken."""
        raise NotImplementedError

    def _mistake(self, what: object) -> None:
        shown = self.query_one("#mistake", Static)
        shown.update(Text(line(what), style="bold"))
        shown.scroll_visible()


class Approve(Window):
    """The proposal once more, and a second key for it."""

    HINT = "enter approve   tab next field   esc leave"

    def heading(self) -> str:
        return f"Approve: {deed(self.target.proposal['action'])}, for {self.target.name}?"

    def content(self) -> ComposeResult:
        yield Static(difference(self.target.proposal, self.target.incident), classes="facts")
        yield text_field("comment", "Comment (may stay empty)")
        yield from rating()

    def body(self) -> dict[str, Any]:
        return self.target.body("approve", comment=self.comment(), useful=self.useful())

    def said(self) -> str:
        return "Approved"


class Edit(Window):
    """A field for each parameter; ranges are the policy's, and the service holds the values against them."""

    def __init__(self, target: Target, send: Send) -> None:
        super().__init__(target, send)
        self._proposal = Proposal.model_validate(target.proposal)
        self._fields = proposals.fields(self._proposal)

    def heading(self) -> str:
        return f"Edit and approve: {deed(self.target.proposal['action'])}, for {self.target.name}"

    def content(self) -> ComposeResult:
        for number, field in enumerate(self._fields):
            hint = f" ({line(field.hint)})" if field.hint else ""
            yield Static(Text(f"{line(field.label)}{hint}"))
            yield widget_of(field, f"field-{number}")
        yield text_field("comment", "Comment (may stay empty)")
        yield from rating()

    def body(self) -> dict[str, Any]:
        form = {
            field.name: value_of(self.query_one(f"#field-{number}"))
            for number, field in enumerate(self._fields)
        }
        params = proposals.read_form(self._proposal, form).model_dump(mode="json")
        return self.target.body("edit", params=params, comment=self.comment(), useful=self.useful())

    def said(self) -> str:
        return "Approved as edited"


class Reject(Window):
    """The reason, and what else is to happen."""

    HINT = "enter in the reason rejects   tab next field   space choose   esc leave"

    def heading(self) -> str:
        return f"Reject: {deed(self.target.proposal['action'])}, for {self.target.name}"

    def content(self) -> ComposeResult:
        yield text_field("comment", "Reason, for the team and the audit trail")
        run, incident = ("runs", "incidents") if self.target.members else ("run", "incident")
        with RadioSet(id="then", compact=True):
            yield Choice("Nothing else", value=True, id="then-nothing")
            yield Choice(f"Also stop the {run}", id="then-terminate")
            yield Choice(f"I take the {incident} over by hand", id="then-take_over")
        yield from rating()

    def body(self) -> dict[str, Any]:
        pressed = self.query_one("#then", RadioSet).pressed_button
        then = _THEN[pressed.id or "then-nothing"] if pressed else "nothing"
        return self.target.body("reject", comment=self.comment(), then=then, useful=self.useful())

    def said(self) -> str:
        return "Rejected"


class Respond(Window):
    """A hint: Pitstop thinks again with it as evidence, and asks anew."""

    HINT = "enter send   esc leave"

    def heading(self) -> str:
        return f"A hint for {self.target.name}: Pitstop thinks again with it, and asks anew"

    def content(self) -> ComposeResult:
        yield text_field("comment", "What Pitstop should know")
        yield from rating()

    def body(self) -> dict[str, Any]:
        if not self.comment():
            raise InvalidInput("Write the hint first.")
        return self.target.body("respond", comment=self.comment(), useful=self.useful())

    def said(self) -> str:
        return "Thinking again"


class Notice(ModalScreen[None]):
    """Something that must be read: it stays until a key says so."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,enter,q,space,question_mark", "dismiss", "Close")]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window"):
            yield Static(Text(self._title, style="bold"))
            yield Static(Text(self._text))
            yield Static(Text("esc close", style="dim"))
