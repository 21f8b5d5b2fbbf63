"""`pitstop knowledge` and `pitstop triad`, as a person types them, on real parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.errors import InvalidInput
from knowledge.imports import TeamKnowledge

RECORDS = [
    {
        "question": "Who wrote Hamlet?",
        "contexts": ["Hamlet is a tragedy that William Shakespeare wrote about 1600."],
        "answer": "William Shakespeare wrote Hamlet about 1600.",
    },
    {
        "question": "Who wrote Hamlet?",
        "contexts": ["Hamlet is a tragedy that William Shakespeare wrote about 1600."],
        "answer": "Christopher Marlowe wrote Hamlet in 1580.",
    },
]


@pytest.fixture
def home(open_folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PITSTOP_DATA_DIR", str(open_folder))
    monkeypatch.setenv("DATABASE_URL", database_url)
    return open_folder


def pitstop(*words: str, **more: Any) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False, **more)


def test_a_teams_history_is_imported_found_and_survives_a_rebuild(home: Path, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(
        "id,summary,error,fix\n7,Ledger closed,E-7741 posting window,Reopen it\n"
    )
    (tmp_path / "ledger.md").write_text(
        "---\ntitle: The ledger's window\nclasses: [user_raised]\ncategory: data\n---\n## Do\nAsk finance.\n"
    )
    taken = json.loads(pitstop("knowledge", "import", str(tmp_path / "history.csv"), "--json").output)
    assert taken == {"incidents": 1, "pages": 0, "unchanged": 0, "skipped": [], "notes": []}
    assert "ledger" in pitstop("knowledge", "add", str(tmp_path / "ledger.md")).output

    def found() -> set[str]:
        words = ("knowledge", "search", "posting window of the ledger", "--class", "user_raised", "--json")
        return {match["id"] for match in json.loads(pitstop(*words).output)}

    assert {"imported-7", "ledger"} <= found()
    before = json.loads(pitstop("knowledge", "stats", "--json").output)
    assert (before["incidents"], before["team_incidents"], before["team_pages"]) == (1, 1, 1)
    for file in (home / "chroma").rglob("*"):
        if file.is_file():
            file.write_bytes(b"broken")
    pitstop("knowledge", "rebuild")
    assert {"imported-7", "ledger"} <= found()
    assert list(home.glob("chroma.broken-*")), "the broken folder is kept"


def test_what_is_left_out_of_an_import_is_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"title": "fine"}\n{"nothing": 1}\n')
    result = pitstop("knowledge", "import", str(tmp_path / "history.jsonl"))
    assert result.exit_code == 1
    assert "line 2: it has neither title, cause nor message" in result.output
    assert len(list(TeamKnowledge(home / "knowledge", str, dict).incidents())) == 1


@pytest.mark.parametrize("lexical", [False, True])
def test_triad_scores_each_record_in_order(tmp_path: Path, lexical: bool) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    result = pitstop("triad", str(file), "--jsonl", *(["--lexical"] if lexical else []))
    assert result.exit_code == 0
    right, wrong = (json.loads(line) for line in result.stdout.splitlines())
    assert set(right) == {"faithfulness", "answer_relevance", "context_precision"}
    assert right["faithfulness"] > wrong["faithfulness"] + 0.5


def test_triad_goes_on_after_a_bad_line_and_says_which(tmp_path: Path) -> None:
    lines = json.dumps(RECORDS[0]) + '\n\nnot json\n{"contexts": 3}\n' + json.dumps(RECORDS[1]) + "\n"
    result = pitstop("triad", "-", "--jsonl", "--lexical", input=lines)
    assert result.exit_code == 1
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [sorted(row)[0] for row in rows] == ["answer_relevance", "error", "error", "answer_relevance"]
    assert "line 3" in rows[1]["error"]
    assert "line 4" in rows[2]["error"]
    table = pitstop("triad", "-", "--lexical", input=json.dumps(RECORDS[0]) + "\n")
    assert table.exit_code == 0
    assert "faithfulness" in table.output
    with pytest.raises(InvalidInput, match="does not exist"):
        pitstop("triad", str(tmp_path / "nothing.jsonl"))
