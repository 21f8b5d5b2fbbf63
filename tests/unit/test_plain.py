"""What the command line prints is text: nothing in it steers the terminal, and nothing is read as markup."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from cli.plain import cell, line, plain, to_json

#: Anything a terminal acts on, or a reader does not see.
ACTIVE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

ATTACKS = [
    ("\x1b]0;title\x07after", "after"),
    ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
    ("\x1b]52;c;cGFzdGVk\x07x", "x"),
    ("\x9d0;title\x9cafter", "after"),
    ("\x1bP+q544e\x1b\\after", "after"),
    ("\x1b[2J\x1b[1;1Hcleared", "cleared"),
    ("\x9b31mred\x9b0m", "red"),
    ("\x1b[?1049hother screen", "other screen"),
    ("\x1b(0line drawing", "line drawing"),
    ("\x1bcreset", "reset"),
    ("a\x08\x08b", "ab"),
    ("100%\rok", "100%\nok"),
    ("\x1b]0;never ended\nnext line", "\nnext line"),
    ("cart\u202egnp.exe", "cartgnp.exe"),
    ("in\u200bvisible\ufeff\U000e0041", "invisible"),
    ("nul\x00bell\x07", "nulbell"),
    ("lone \ud800 half", "lone  half"),
    ("tab\tand Ünïcode 日本 ✓\nstay", "tab\tand Ünïcode 日本 ✓\nstay"),
]


@pytest.mark.parametrize(("given", "shown"), ATTACKS)
def test_a_terminal_is_not_steered(given: str, shown: str) -> None:
    assert plain(given) == shown
    assert not ACTIVE.search(plain(given))
    assert "\n" not in line(given) and not ACTIVE.search(line(given))


@pytest.mark.parametrize("given", [given for given, _ in ATTACKS])
def test_json_says_all_of_it_and_shows_none_of_it(given: str) -> None:
    text = to_json({"log": given})
    assert not ACTIVE.search(text.replace("\n", ""))
    assert json.loads(text) == {"log": given}


def test_one_piece_after_another_makes_no_sequence() -> None:
    for given in ("\x1b\x1b[31m[31m", "\x1b[\x1b[0m31mx", "\x1b\x07[31mx", "\x9b\x1b[m31m"):
        assert not ACTIVE.search(plain(given)), given


def test_rich_reads_no_markup_in_it() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system="truecolor", width=200)
    console.print(cell("[red]x[/] [link=https://evil.example]y[/link] [/nothing] \\[b]"), highlight=False)
    assert screen.getvalue() == "[red]x[/] [link=https://evil.example]y[/link] [/nothing] \\[b]\n"
