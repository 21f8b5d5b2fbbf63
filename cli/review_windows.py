"""The windows of `pitstop review`: one that holds a form, one that tells.

A window sends its form itself, so that what the service says about it is read where it can be mended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from cli.client import NoAnswer
from cli.plain import line
from cli.review_forms import Deciding, Form
from core.errors import InvalidInput, PitstopError

#: Posts a body to a path; the key is the same whenever the same is sent again.
Send = Callable[[str, dict[str, Any], str], Awaitable[Any]]


@dataclass(frozen=True)
class Outcome:
    """How a window ended: what to say, and whether it was refused or has answered the question."""

    said: str
    refused: bool = False
    answered: bool = False


class Window(ModalScreen[Outcome | None]):
    """A form under its title, where a mistake is said, and how to leave.

    Args:
        form: What is asked for.
        send: Posts it to the service.
    """

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Leave"), ("ctrl+s", "send", "Send")]

    def __init__(self, form: Form, send: Send) -> None:
        super().__init__()
        self.form = form
        self._send = send
        self._sending = False
        self._nonce = uuid4().hex

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window", can_focus=False):
            yield Static(Text(self.form.heading(), style="bold"))
            yield from self.form.fields()
            yield Static(Text(""), id="mistake")
            yield Static(Text(self.form.HINT, style="dim"))

    def on_input_submitted(self) -> None:
        """Enter in a field of one line sends."""
        self.action_send()

    def action_leave(self) -> None:
        """Close without sending; not while it is on its way."""
        if not self._sending:
            self.dismiss(None)

    def action_send(self) -> None:
        """Send the form."""
        if self._sending:
            return
        try:
            body = self.form.body()
        except InvalidInput as error:
            self._mistake(error)
            return
        self._sending = True
        self._mistake("Sending ...")
        self.deliver(body)

    @work
    async def deliver(self, body: dict[str, Any]) -> None:
        """Send; what can be mended or tried again here is shown here, everything else ends the window."""
        form = self.form
        try:
            answer = await self._send(f"{form.target.path}/{form.VERB}", body, self._key(body))
        except NoAnswer as error:
            self._sending = False
            self._mistake(f"{error.message} It may have been taken; send it again, it is taken once.")
        except InvalidInput as error:
            self._sending = False
            self._mistake(error)
        except PitstopError as error:
            self.dismiss(Outcome(str(error), refused=True))
        else:
            said = f"{form.done(answer)}: {form.target.name}"
            self.dismiss(Outcome(said, answered=isinstance(form, Deciding)))

    def _key(self, body: dict[str, Any]) -> str:
        """Another one for another body: the service refuses a key that was used for something else."""
        return hashlib.sha256(f"{self._nonce}{json.dumps(body, sort_keys=True)}".encode()).hexdigest()

    def _mistake(self, what: object) -> None:
        shown = self.query_one("#mistake", Static)
        shown.update(Text(line(what), style="bold"))
        shown.scroll_visible()


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
