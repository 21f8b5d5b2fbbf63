"""The fields of the terminal's windows; what is chosen is seen by its mark, where there is no colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


class Choices(RadioSet):
    """One answer of several, by their labels; the first until another is chosen."""

    def __init__(self, answers: Mapping[str, Any], id: str) -> None:
        super().__init__(
            *(Choice(label, value=not n) for n, label in enumerate(answers)), id=id, compact=True
        )
        self._values = list(answers.values())

    @property
    def chosen(self) -> Any:
        """The value of the answer that is marked."""
        return self._values[max(0, self.pressed_index)]


def _marked(button: Choice | Tick) -> Content:
    return Content.assemble("(x) " if button.value else "( ) ", Content(str(button.label)))


def text_field(id: str, placeholder: str) -> Input:
    """A field of one line."""
    return Input(placeholder=placeholder, max_length=MAX_COMMENT, id=id, compact=True)


def rating() -> Choices:
    """Whether the analysis was of use; said or not."""
    answers = {"Not said whether the analysis was useful": None, "It was useful": True, "It was not": False}
    return Choices(answers, "rating")


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
