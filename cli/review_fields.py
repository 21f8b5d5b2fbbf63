"""The fields of the terminal's windows; what is chosen is seen by its mark, where there is no colour."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Checkbox, Input, RadioButton, RadioSet, TextArea

from server.console.proposals import Field

MAX_COMMENT = 4000


class Choice(RadioButton):
    """One of several; the mark, and not a colour alone, says which it is."""

    def render(self) -> Content:
        return _marked(self)


class Tick(Checkbox):
    """Yes or no, by its mark."""

    def render(self) -> Content:
        return _marked(self)


def _marked(button: Choice | Tick) -> Content:
    return Content.assemble("(x) " if button.value else "( ) ", Content(str(button.label)))


def text_field(id: str, placeholder: str) -> Input:
    """A field of one line."""
    return Input(placeholder=placeholder, max_length=MAX_COMMENT, id=id, compact=True)


def rating() -> ComposeResult:
    """Whether the analysis was of use; said or not."""
    with RadioSet(id="rating", compact=True):
        yield Choice("Not said whether the analysis was useful", value=True, id="rating-none")
        yield Choice("It was useful", id="rating-yes")
        yield Choice("It was not", id="rating-no")


def widget_of(field: Field, id: str) -> Widget:
    """The input of one parameter."""
    if field.kind == "bool":
        return Tick("yes", value=bool(field.value), id=id, compact=True)
    if field.kind == "lines":
        area = TextArea(str(field.value), id=id, compact=True, soft_wrap=False)
        area.styles.height = min(field.rows, 8)
        return area
    return Input(str(field.value), id=id, compact=True)


def value_of(widget: Widget) -> str:
    """What stands in it, as a form sends it."""
    if isinstance(widget, Checkbox):
        return "true" if widget.value else "false"
    return widget.text if isinstance(widget, TextArea) else widget.value if isinstance(widget, Input) else ""
