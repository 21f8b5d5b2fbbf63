"""Text from elsewhere, made safe to print: no control or escape sequence reaches the terminal, no markup is read.

Names and logs are hostile input. `ESC ]0;...` sets a window's title, and worse; C1 characters are the same in one
character; marks of direction show a line in another order than it has.
"""

from __future__ import annotations

import json
import re
from typing import Any

import typer

#: Control characters but line feed and tab, invisible ones, and those that turn the direction of text around.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
    r"|[\U000e0000-\U000e007f]"
)
#: A whole sequence (CSI, OSC and its kin, one of two characters) goes with its introducer.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)


def plain(value: Any) -> str:
    """The text without what a terminal would act on; line feeds and tabs stay."""
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub("", _SEQUENCE.sub("", text))


def line(value: Any) -> str:
    """The same on one line."""
    return " ".join(plain(value).split())


def cell(value: Any) -> str:
    """The same for Rich, which then reads no markup in it: tables and `Console.print` parse every string."""
    from rich.markup import escape

    return escape(plain(value))


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON that a terminal can show: readable Unicode, but what `plain` takes away is written as escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)


def say(value: Any, *, err: bool = False) -> None:
    """Print a text on a line of its own."""
    typer.echo(plain(value), err=err)
