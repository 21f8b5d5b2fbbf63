"""Messages drawn as their clients lay them out, from the very JSON that Pitstop posts. Not the clients themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Environment, FileSystemLoader, StrictUndefined

Json = Mapping[str, Any]


def _unknown(what: Any) -> NoReturn:
    raise ValueError(f"No drawing for {what!r}.")


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.globals["unknown"] = _unknown


def slack(
    blocks: Sequence[Json],
    view: Json | None = None,
    answered: Sequence[Json] = (),
    asks: Json | None = None,
) -> str:
    """A page with a message's Block Kit blocks; beside it a window, what a button asks, and the message afterwards.

    Raises:
        ValueError: A block has a type that has no drawing.
    """
    return _ENVIRONMENT.get_template("slack.html").render(
        blocks=blocks, view=view, answered=answered, asks=asks
    )


def teams(card: Json) -> str:
    """A page with an adaptive card.

    Raises:
        ValueError: An element has no drawing: those that read Markdown have none.
    """
    return _ENVIRONMENT.get_template("teams.html").render(card=card)
