"""`pitstop diagnose` and the files it reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import typer
import zstandard
from typer.testing import CliRunner

from cli.diagnose import diagnose
from core.errors import InvalidInput
from tools.diagnosis.files import case_of_path, run_of

APP = typer.Typer()
APP.command()(diagnose)
RUNNER = CliRunner()

TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/Workspace/jobs/load.py", line 7, in <module>\n'
    '    spark.table("main.sales.orders")\n'
    "pyspark.errors.exceptions.captured.AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view "
    "`main`.`sales`.`orders` cannot be found. SQLSTATE: 42P01\n"
)
RUN = {
    "metadata": {
        "run_id": 12,
        "run_name": "nightly",
        "state": {
            "life_cycle_state": "TERMINATED",
            "result_state": "FAILED",
            "state_message": "Workload failed, see run output for details",
        },
    },
    "error": TRACE.splitlines()[-1],
    "error_trace": TRACE,
}
KEYS = [
    "path",
    "category",
    "failure_class",
    "transient",
    "root_cause",
    "evidence",
    "proposal",
    "confidence",
    "triad",
    "similar",
    "fingerprint",
    "secrets_redacted",
    "injection_suspected",
    "seconds",
]


def answers(*args: str, stdin: bytes | None = None, status: int = 0) -> list[dict[str, Any]]:
    done = RUNNER.invoke(APP, ["--jsonl", *args], input=stdin)
    assert done.exit_code == status, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_folder_gives_the_agreed_fields(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    (tmp_path / "driver.log").write_text("INFO start\n" + TRACE)
    (tmp_path / "screen.png").write_bytes(b"\x89PNG")
    (answer,) = answers(str(tmp_path))
    assert set(KEYS) <= set(answer)
    assert answer["path"] == str(tmp_path)
    assert (answer["category"], answer["failure_class"]) == ("data", "table_not_found")
    assert answer["proposal"]["action"] == "NOTIFY_OWNER"
    assert set(answer["triad"]) == {"faithfulness", "answer_relevance", "context_precision"}
    assert {e["source"] for e in answer["evidence"]} <= {
        "driver.log",
        "run.json#error_trace",
        "run.json#error",
    }
    assert "screen.png" in answer["notes"][0]


def test_lines_count_within_the_text_inside_the_run(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(RUN))
    (answer,) = answers(str(file))
    first = answer["evidence"][0]
    assert first["source"] == "run.json#error_trace"
    assert TRACE.splitlines()[first["line_start"] - 1] == first["text"].splitlines()[0]


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.log", bytes), ("a.log.gz", gzip.compress), ("a.log.zst", zstandard.ZstdCompressor().compress)],
)
def test_logs_are_read_compressed_or_not(tmp_path: Path, name: str, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(TRACE.encode()))
    for path in (tmp_path / name, tmp_path):
        (answer,) = answers(str(path))
        assert answer["failure_class"] == "table_not_found"
        assert answer["evidence"][0]["source"] == name


def test_a_log_comes_through_a_pipe() -> None:
    (answer,) = answers("-", stdin=TRACE.encode())
    assert answer["path"] == "-"
    assert answer["failure_class"] == "table_not_found"


def test_what_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_text(TRACE)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "empty").mkdir()
    paths = [str(tmp_path / n) for n in ("nowhere.log", "bad.json", "list.json", "empty", "good.log")]
    found = answers(*paths, status=1)
    assert [set(a) for a in found[:-1]] == [{"path", "error"}] * 4
    assert found[-1]["failure_class"] == "table_not_found"
    assert [a["path"] for a in found] == paths


def test_a_broken_run_beside_a_good_log_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    (tmp_path / "driver.log").write_text(TRACE)
    (answer,) = answers(str(tmp_path))
    assert answer["failure_class"] == "table_not_found"
    assert "not JSON" in answer["notes"][0]


def test_what_a_good_run_also_says_weighs_less(tmp_path: Path) -> None:
    always = (
        "2026-11-20 03:00:00,000 ERROR probe: java.net.ConnectException: Connection refused\n"
        "2026-11-20 03:00:01,000 ERROR worker: unexpected state of slot 7\n"
    )
    (tmp_path / "good.log").write_text(always * 3 + "INFO done\n")
    (tmp_path / "bad.log").write_text(
        always + "2026-11-20 03:00:02,000 ERROR load: [Errno 28] No space left on device\n"
    )
    (answer,) = answers("--good-log", str(tmp_path / "good.log"), str(tmp_path / "bad.log"))
    assert answer["failure_class"] == "disk_full"


def test_the_cluster_of_the_run_is_what_a_change_is_derived_from(tmp_path: Path) -> None:
    spec = {"new_cluster": {"node_type_id": "m5.xlarge", "num_workers": 2}}
    run = {**RUN, "metadata": {**RUN["metadata"], "task_key": "load", "cluster_spec": spec}}
    trace = "org.apache.spark.SparkException: Total size of serialized results of 9 tasks (1.1 GiB) is bigger than spark.driver.maxResultSize (1024.0 MiB)"
    (tmp_path / "run.json").write_text(json.dumps({**run, "error": trace, "error_trace": trace}))
    (answer,) = answers(str(tmp_path))
    assert answer["proposal"]["action"] == "RETRY_WITH_NEW_PARAMS"
    paths = [change["path"] for change in answer["proposal"]["params"]["settings"]]
    assert paths == [
        "tasks[load].new_cluster.spark_conf[spark.driver.maxResultSize]",
        "tasks[load].new_cluster.driver_node_type_id",
    ]


def test_odd_metadata_is_tolerated() -> None:
    facts = run_of(
        {"run_id": "x", "state": None, "status": {"state": "TERMINATED", "termination_details": 3}}
    )
    assert (facts.run_id, facts.life_cycle_state, facts.termination_code) == (0, "TERMINATED", None)


def test_a_picture_is_refused_where_none_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(InvalidInput, match="picture"):
        case_of_path(tmp_path / "a.png")


def test_a_person_sees_cause_lines_and_proposal(tmp_path: Path) -> None:
    (tmp_path / "driver.log").write_text(TRACE.replace("main.sales.orders", "[bold]x"))
    done = RUNNER.invoke(APP, [str(tmp_path)])
    assert done.exit_code == 0
    for shown in ("table_not_found", "NOTIFY_OWNER", "driver.log:", "TABLE_OR_VIEW_NOT_FOUND", "[bold]x"):
        assert shown in done.output
