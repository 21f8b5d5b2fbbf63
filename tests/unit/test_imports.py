"""A team's own knowledge: what can be imported, under which names, and that no secret comes with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import ConfigurationError, InvalidInput
from core.incident import Category
from knowledge.imports import TeamKnowledge
from tools.redaction import redact

TOKEN = "dapi" + "0123456789abcdef" * 2
CLASSES = {"user_raised": Category.UNKNOWN, "disk_full": Category.RESOURCE}
PAGE = "---\ntitle: Our ledger\nclasses: [user_raised]\ncategory: data\n---\n## What it looks like\nE-7741\n"


@pytest.fixture
def team(tmp_path: Path) -> TeamKnowledge:
    return TeamKnowledge(tmp_path / "team", lambda text: redact(text).text, lambda: CLASSES)


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


def test_a_bad_line_costs_itself_and_is_named_with_what_to_do(team: TeamKnowledge, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    good = [json.dumps({"title": f"Load {n} failed"}).encode() for n in range(4)]
    bad = [b'{"title": "cut of', b'["no object"]', b'{"title": "caf\xe9"}', b'{"id": 3}']
    file.write_bytes(b"\n".join([good[0], bad[0], good[1], bad[1], b"", good[2], bad[2], bad[3], good[3]]))
    taken = team.take(file)
    assert taken.incidents == 4
    assert [line.removeprefix(f"{file}: ").split(":")[0] for line in taken.skipped] == [
        "line 2", "line 4", "line 7", "line 8",
    ]  # fmt: skip
    assert "put one object on each line" in taken.skipped[0]
    assert "UTF-8" in taken.skipped[2]
    assert [memory.title for memory in team.incidents()] == [f"Load {n} failed" for n in range(4)]


def test_a_bad_row_of_a_csv_costs_itself(team: TeamKnowledge, tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(
        "id;summary;cause\n"
        "1;Load failed;a lock\n"
        "2;Load failed;a; lock\n"
        '3;"two\nlines";a lock\n'
        '4;"never closed;a lock\n'
        "5;Load failed;short of memory\n"
        "\n"
        "6;Only a title\n"
    )
    taken = team.take(file)
    assert [memory.id for memory in team.incidents()] == [f"imported-{n}" for n in (1, 3, 5, 6)]
    assert [line.removeprefix(f"{file}: ").split(":")[0] for line in taken.skipped] == ["line 3", "line 6"]
    assert "quote cells" in taken.skipped[0]


def test_words_of_other_trackers_become_ours_or_are_named(team: TeamKnowledge, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    rows = [
        {
            "title": "A",
            "status": "Done",
            "failure_class": "Disk_Full",
            "action": "retry",
            "date": 1764547200000,
        },
        {"title": "B", "status": "In Review", "failure_class": "disk_ful", "action": "restarted the cluster"},
        {"title": "C", "type": "Bug", "category": "Chaos", "closed_at": "31.05.2026"},
        {"title": "D", "id": "x" * 400},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    taken = team.take(file)
    a, b, c, d = team.incidents()
    assert (a.outcome, a.failure_class, a.category, a.action) == (
        "resolved",
        "disk_full",
        "resource",
        "RETRY",
    )
    assert a.finished_at == "2025-12-01T00:00:00+00:00"
    assert (b.outcome, b.failure_class, b.action, b.note) == ("in_review", "", None, "restarted the cluster")
    assert (c.failure_class, c.category, c.finished_at) == ("", "unknown", None)
    assert len(d.id) <= 200
    assert taken.skipped == []
    assert [line.split(": ", 2)[1] for line in taken.notes] == ["line 2", "line 3"]
    assert "did you mean disk_full?" in taken.notes[0]


def test_importing_the_same_again_changes_nothing(team: TeamKnowledge, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "history.csv").write_text("id,title\n1,One\n,Two\n2,Three\n")
    (folder / "ledger.md").write_text(PAGE)
    first = team.take(folder)
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "team").iterdir()}
    again = team.take(folder)
    assert (first.incidents, first.pages, first.unchanged) == (3, 1, 0)
    assert (again.incidents, again.pages, again.unchanged) == (3, 1, 4)
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "team").iterdir()} == before


def test_two_rows_or_pages_of_one_name(team: TeamKnowledge, tmp_path: Path) -> None:
    for year in ("2025", "2026"):
        (tmp_path / "docs" / year).mkdir(parents=True)
        (tmp_path / "docs" / year / "outage.md").write_text(f"# The outage of {year}\nIt was dark.")
    (tmp_path / "docs" / "history.csv").write_text("id,title\n1,One\n1,Another\n")
    taken = team.take(tmp_path / "docs")
    assert sorted(page.title for page in team.pages()) == ["The outage of 2025", "The outage of 2026"]
    assert [memory.title for memory in team.incidents()] == ["Another"]
    assert "line 3: it has the id of line 2" in taken.notes[0]


def test_what_is_not_read_is_said(team: TeamKnowledge, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "note.md").write_text("# A note\nText.")
    (folder / "report.docx").write_bytes(b"PK")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "ours.md").write_text(PAGE.replace("user_raised", "user_rised"))
    taken = team.take(folder)
    assert taken.pages == 1
    said = " ".join(taken.skipped)
    assert "report.docx: .docx is not read; save it as markdown" in said
    assert "latin.txt: it is not UTF-8 text" in said
    assert "did you mean user_raised?" in said


def test_a_json_document_is_named_by_line_or_record(team: TeamKnowledge, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('[{"title": "A"},\n{"title": ')
    (tmp_path / "lines.json").write_text('{"title": "B"}\n{"title": "C"}\n')
    (tmp_path / "mixed.json").write_text('[{"title": "D"}, 7]')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    taken = team.take(tmp_path)
    assert sorted(memory.title for memory in team.incidents()) == ["B", "C", "D"]
    said = " ".join(taken.skipped)
    assert "cut.json: line 2" in said and "mixed.json: record 2" in said and "deep.json: line 1" in said
