"""The runbooks: a page for every failure class, each of the same form; and pages of a team that are wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.settings import Settings
from knowledge.catalogue import load_catalogue
from knowledge.runbooks import Runbook, load_runbooks, read_runbook
from tools.redaction import redact
from wiring.knowledge import all_pages

PAGES = load_runbooks()
CLASSES = {c.name: c for c in load_catalogue().classes.values()}
HEADINGS = ["What it looks like", "How to check", "What to do", "When a rerun helps"]
HEAD = "---\ntitle: Ours\nclasses: [driver_oom]\ncategory: resource\n---\n"


def test_every_class_has_one_page_by_its_name_or_by_its_familys() -> None:
    named = Counter(name for page in PAGES for name in page.classes)
    left_to_their_family = {c.name for c in CLASSES.values() if c.runbook in {page.id for page in PAGES}}
    # A class may come a little before its page: retrieval finds the nearest one meanwhile.
    assert len(set(CLASSES) - set(named) - left_to_their_family) <= 5
    assert set(named) - set(CLASSES) == set(), "a page names a class that the catalogue does not have"
    assert [name for name, count in named.items() if count > 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.id)
def test_page_has_the_common_form(page: Runbook) -> None:
    headings = [line[3:] for line in page.text.splitlines() if line.startswith("## ")]
    assert headings == HEADINGS
    assert 120 <= len(page.text.split()) <= 350
    assert not page.classes or page.category in {CLASSES[name].category for name in page.classes}
    assert page.text.count("`") % 2 == 0
    # What looks like a secret would be blotted out of the page in the index.
    assert redact(page.text).count == 0


def test_a_page_is_cut_at_its_headings() -> None:
    page = Runbook(id="a", title="A", text="Intro.\n\n## One\nfirst\n\n## Two\nsecond")
    assert page.sections() == ["Intro.", "One\nfirst", "Two\nsecond"]


def test_a_page_written_on_windows_is_read(tmp_path: Path) -> None:
    file = tmp_path / "ours.md"
    file.write_bytes((HEAD + "Text.\n").replace("\n", "\r\n").encode())
    page = read_runbook(file)
    assert (page.id, page.title, page.classes, page.text) == ("ours", "Ours", ["driver_oom"], "Text.")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("# No head\n", "has no head"),
        ("---\n- a list\n---\nText.\n", "has no head"),
        ("---\ntitle: [\n---\nText.\n", "is not YAML"),
        ("---\nclasses: []\n---\nText.\n", "title"),
        (HEAD.replace("resource", "weather") + "Text.\n", "category"),
        (HEAD.replace("title: Ours", "title: Ours\nowner: me") + "Text.\n", "owner"),
        (HEAD, "text"),
    ],
)
def test_a_wrong_page_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "ours.md"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_runbook(file)
    assert str(file) in str(refused.value)
    assert named in str(refused.value)


def test_a_page_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ours.md"
    file.write_bytes((HEAD + "für\n").encode("latin-1"))
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_runbook(file)


def test_a_teams_page_stands_beside_ours_or_in_for_ours_of_the_same_name(tmp_path: Path) -> None:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "network_tls.md").write_text(HEAD + "Ask the crypto desk.\n")
    (folder / "our_gate.md").write_text(HEAD + "Call the gatekeeper.\n")
    pages = all_pages(Settings(data_dir=tmp_path))
    assert sorted(page.id for page in pages) == sorted([*(page.id for page in PAGES), "our_gate"])
    assert next(page for page in pages if page.id == "network_tls").text == "Ask the crypto desk."
