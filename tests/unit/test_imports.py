"""A team's own knowledge: what can be imported, under which names, and that no secret comes with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import ConfigurationError, InvalidInput
from knowledge.imports import TeamKnowledge
from tools.redaction import redact

TOKEN = "dapi" + "0123456789abcdef" * 2
PAGE = "---\ntitle: Our ledger\nclasses: [user_raised]\ncategory: data\n---\n## What it looks like\nE-7741\n"


@pytest.fixture
def team(tmp_path: Path) -> TeamKnowledge:
    return TeamKnowledge(tmp_path / "team", lambda text: redact(text).text)


def test_json_lines_of_another_tracker_become_incidents(team: TeamKnowledge, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    rows = [
        {
            "Key": "OPS-1",
            "Summary": "Load failed",
            "Error Message": f"denied {TOKEN}",
            "Fix": "new grant",
            "Status": "resolved",
        },
        {"Key": "OPS-2", "cause": "Disk full", "resolved_at": "2026-01-02", "tags": ["x"]},
        {"Key": "OPS-3"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    taken = team.take(file)
    assert (taken.incidents, len(taken.skipped)) == (2, 1)
    first, second = team.incidents()
    assert (first.id, first.title, first.note, first.outcome) == (
        "imported-OPS-1",
        "Load failed",
        "new grant",
        "resolved",
    )
    assert TOKEN not in first.evidence
    assert "denied" in first.evidence
    assert (second.title, second.finished_at, second.verified) == ("Disk full", "2026-01-02", False)


def test_importing_again_replaces(team: TeamKnowledge, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    for cause in ("unknown", "a lock"):
        file.write_text(f"id,title,root_cause\n7,Load failed,{cause}\n", encoding="utf-8-sig")
        team.take(file)
    assert [memory.root_cause for memory in team.incidents()] == ["a lock"]


def test_records_without_an_id_are_told_apart_by_what_they_say(team: TeamKnowledge, tmp_path: Path) -> None:
    file = tmp_path / "history.json"
    file.write_text(json.dumps({"incidents": [{"title": "A"}, {"title": "B"}, {"title": "A"}]}))
    team.take(file)
    assert sorted(memory.title for memory in team.incidents()) == ["A", "B"]


def test_a_folder_of_runbooks_and_post_mortems(team: TeamKnowledge, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "ledger.md").write_text(PAGE)
    (folder / "deep" / "2026-01 Outage.txt").write_text(
        f"# The resolver was down\n\npassword={TOKEN}\n" + "Long. " * 900
    )
    (folder / "broken.md").write_text("---\ntitle: [\n---\nx")
    (folder / "empty.md").write_text("")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    taken = team.take(folder)
    assert (taken.pages, taken.incidents, len(taken.skipped)) == (2, 0, 2)
    outage, ledger = team.pages()
    assert (ledger.title, ledger.classes) == ("Our ledger", ["user_raised"])
    assert outage.title == "The resolver was down"
    assert TOKEN not in outage.text
    assert len(outage.sections()) > 3
    assert max(map(len, outage.sections())) <= 1000


def test_a_page_is_added_by_name_and_replaced(team: TeamKnowledge, tmp_path: Path) -> None:
    file = tmp_path / "Our Ledger.md"
    for title in ("Our ledger", "Our new ledger"):
        file.write_text(PAGE.replace("Our ledger", title))
        assert team.add(file).id == "our_ledger"
    assert [page.title for page in team.pages()] == ["Our new ledger"]


def test_what_cannot_be_read_is_refused_or_named(team: TeamKnowledge, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        team.take(tmp_path / "nothing")
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    with pytest.raises(InvalidInput, match="can be imported"):
        team.take(tmp_path / "table.xlsx")
    (tmp_path / "bad.jsonl").write_text('{"title": "fine"}\nnot json\n')
    taken = team.take(tmp_path / "bad.jsonl")
    assert (taken.incidents, len(taken.skipped)) == (1, 1)
    (tmp_path / "plain.md").write_text("no head")
    with pytest.raises(ConfigurationError, match="no head"):
        team.add(tmp_path / "plain.md")


def test_a_damaged_file_is_named_with_its_line(team: TeamKnowledge, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"title": "fine"}\n')
    team.take(tmp_path / "a.jsonl")
    with (tmp_path / "team" / "incidents.jsonl").open("a") as stream:
        stream.write("garbage\n")
    with pytest.raises(ConfigurationError, match=r"incidents\.jsonl:2"):
        list(team.incidents())
