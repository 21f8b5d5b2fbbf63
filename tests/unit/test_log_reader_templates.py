"""Lines of one template share an id, failures of one kind share a fingerprint, and a good run's lines weigh less."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.templates import templates as command
from tools.log_reader import Templates, primary, read_text, templates_of_path, templates_of_text
from tools.log_reader.headers import parse_header
from tools.log_reader.masking import mask_ids, mask_variables

SPARK = """\
17/06/09 20:10:48 INFO storage.BlockManager: Found block rdd_42_20 locally
17/06/09 20:10:49 INFO storage.BlockManager: Found block rdd_7_1 locally
17/06/09 20:10:49 INFO storage.MemoryStore: Block broadcast_3 stored as values in memory (estimated size 29.4 KB, free 434.4 KB)
17/06/09 20:10:50 INFO storage.MemoryStore: Block broadcast_3_piece0 stored as bytes in memory (estimated size 9.4 KB, free 1.4 GB)
17/06/09 20:10:51 INFO executor.Executor: Running task 1.0 in stage 3.0 (TID 40)
17/06/09 20:10:52 INFO executor.Executor: Running task 17.0 in stage 12.0 (TID 4711)
17/06/09 20:10:53 INFO executor.Executor: Finished task 1.0 in stage 3.0 (TID 40). 2060 bytes result sent to driver
""".splitlines()
#: (lines of one template each, and which of them belong together)
GROUPS = {
    "states stay apart": [
        "2015-10-18 18:01:48,963 INFO [main] mapreduce.TaskImpl: task_1_m_000000 Task Transitioned from NEW to SCHEDULED",
        "2015-10-18 18:01:49,963 INFO [main] mapreduce.TaskImpl: task_1_m_000001 Task Transitioned from SCHEDULED to RUNNING",
    ],
    "few fixed words stay apart": [
        "Jul 27 14:41:59 host kernel: BIOS-e820: 0000000000000000 - 00000000000a0000 (usable)",
        "Jul 27 14:41:59 host kernel: BIOS-e820: 00000000000f0000 - 0000000000100000 (reserved)",
    ],
    "services stay apart": [
        "Jul 27 14:42:01 host rc: cupsd startup succeeded",
        "Jul 27 14:42:02 host rc: hcid startup succeeded",
    ],
}
TOGETHER = {
    "users": [
        "Jun 15 04:06:18 host su(pam_unix)[21416]: session opened for user cyrus by (uid=0)",
        "Jun 16 04:06:19 host su(pam_unix)[2]: session opened for user news by (uid=0)",
    ],
    "addresses": [
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: Received block blk_38865 of size 67108864 from /10.251.42.84",
        "081109 203807 222 INFO dfs.DataNode$PacketResponder: Received block blk_-69522 of size 3 from /10.250.1.1",
    ],
    "lists of values": [
        "081111 085220 19 INFO dfs.FSNamesystem: BLOCK* ask 10.250.14.38:50010 to replicate blk_1 to datanode(s) 10.251.122.38:50010 10.251.122.39:50010",
        "081111 085220 19 INFO dfs.FSNamesystem: BLOCK* ask 10.250.14.38:50010 to replicate blk_2 to datanode(s) 10.251.122.38:50010",
    ],
    "paths, urls, durations": [
        "2026-11-02 03:10:01,123 INFO load: wrote /mnt/lake/a/part-1.parquet to https://x.dev/a?b=1 in 12 ms",
        "2026-11-03 04:10:01,999 INFO load: wrote /mnt/raw/b to s3://bucket/y in 1.5 s",
    ],
    "nested brackets in the header": [
        "2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774] - Notification time out: 3200",
        "2015-07-29 19:41:44,747 - INFO  [QuorumPeer[myid=2]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774] - Notification time out: 400",
    ],
}


def ids(lines: Sequence[str]) -> list[str]:
    found = Templates()
    signatures = [found.learn(line) for line in lines]
    return [found.template_of(signature) for signature in signatures]


def test_lines_of_a_template_share_its_id() -> None:
    a, b, c, d, e, f, g = ids(SPARK)
    assert a == b and e == f
    assert len({a, c, d, e, g}) == 5


@pytest.mark.parametrize("name", GROUPS)
def test_different_templates_stay_apart(name: str) -> None:
    assert len(set(ids(GROUPS[name] * 3))) == len(GROUPS[name])


@pytest.mark.parametrize("name", TOGETHER)
def test_variables_are_left_out(name: str) -> None:
    assert len(set(ids(TOGETHER[name]))) == 1


def test_ids_depend_on_the_template_alone() -> None:
    assert ids(SPARK) == ids([*SPARK[3:], *SPARK])[4:]
    assert [t.id for t in Templates.of(SPARK).templates()] == [
        t.id for t in Templates.of(SPARK[::-1]).templates()
    ]


def test_counts_add_up() -> None:
    found = Templates.of(SPARK * 10).templates()
    assert sum(t.count for t in found) == 70
    assert found[0].count >= found[-1].count


def test_many_different_lines_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from tools.log_reader import templates as module

    monkeypatch.setattr(module, "MAX_SIGNATURES", 100)
    words = ["".join(chr(97 + (n // 26**i) % 26) for i in range(4)) for n in range(2000)]
    found = Templates.of(f"{a} {b} {a} {b}" for a, b in zip(words, words[::-1], strict=True))
    assert len(found.templates()) < 2000
    assert sum(t.count for t in found.templates()) == 2000


def test_the_command_prints_an_id_for_every_line(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n".join(SPARK) + "\n")
    app = typer.Typer()
    app.command()(command)
    runner = CliRunner()
    rows = [json.loads(line) for line in runner.invoke(app, [str(log), "--jsonl"]).output.splitlines()]
    assert [row["line"] for row in rows] == list(range(1, 8))
    assert [row["template_id"] for row in rows] == ids(SPARK)
    shown = json.loads(runner.invoke(app, [str(log), "--json"]).output)
    assert shown["lines"] == 7 and shown["templates"] == 5
    assert "Running task <*> in stage <*> (TID <*>)" in runner.invoke(app, [str(log)]).output


FAILURE = (
    "26/11/02 03:10:01 INFO X: run {run}\n"
    'Traceback (most recent call last):\n  File "/Workspace/{folder}/load.py", line {line}, in main\n    save(df)\n'
    '  File "/databricks/python/lib/python3.11/site-packages/lib/io.py", line 9, in save\n    raise OSError(m)\n'
    "OSError: can't write /mnt/lake/{table}/{uuid}/part-{run}.parquet on {host} after {run} ms\n"
)
ONE = {
    "run": 17,
    "folder": "a",
    "line": 12,
    "table": "sales",
    "uuid": "94bab888-65fb-48fb-8b12-131c6274b3f3",
    "host": "10.0.0.4:4040",
}
TWO = {
    "run": 99,
    "folder": "a",
    "line": 14,
    "table": "sales",
    "uuid": "ed95b380-4ccd-480f-996f-2d21b6d21867",
    "host": "10.9.1.7:5050",
}


def test_the_same_failure_of_another_run_has_the_same_fingerprint() -> None:
    one = read_text(FAILURE.format(**ONE), "driver.log").fingerprint
    assert one and one == read_text(FAILURE.format(**TWO), "stderr").fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("OSError", "ValueError"),
        lambda text: text.replace("sales", "customers"),
        lambda text: text.replace("can't write", "can't read"),
        lambda text: text.replace("in main", "in other"),
    ],
)
def test_another_failure_has_another_fingerprint(change) -> None:
    text = FAILURE.format(**ONE)
    assert read_text(change(text), "driver.log").fingerprint != read_text(text, "driver.log").fingerprint


def test_masks() -> None:
    assert mask_variables("took 12.5 ms on 10.0.0.1:80 for 0xdeadbeef") == "took <*> on <*> for <*>"
    assert mask_ids("table `sales_v2` at 2026-11-02 03:10:01") == "table `sales_v<*>` at <*>"
    assert mask_ids("cluster 1120-020003-q7x2kd") != "cluster 1120-020003-q7x2kd"


def test_what_a_good_run_also_says_weighs_less(tmp_path: Path) -> None:
    noise = "26/11/02 03:10:01 ERROR Metrics: could not reach collector 10.0.0.{}\n"
    bad = "26/11/02 03:10:00 ERROR gate: table mart.sales is empty\n" + noise.format(4)
    assert "collector" in primary([read_text(bad, "driver.log")])[0].message
    good = tmp_path / "good.log"
    good.write_text("26/11/01 03:10:00 INFO gate: fine\n" + noise.format(9))
    for known in (templates_of_path(good), templates_of_text(good.read_text())):
        assert "mart.sales is empty" in primary([read_text(bad, "driver.log", good=known)])[0].message


def test_without_any_error_the_new_line_at_the_end_is_shown() -> None:
    usual = "loading a\nloading b\nno errors, cache invalid\n"
    bad = usual + "\nwaiting for lock\nnothing to do: source table missing for 2026-11-02\n"
    good = templates_of_text(usual + "waiting for lock\n")
    assert "source table missing" in primary([read_text(bad, "out.log", good=good)])[0].message


@pytest.mark.parametrize(
    ("line", "level", "stamp"),
    [
        ("26/11/21 08:14:45 WARN TaskSetManager: Lost task", "WARN", 1795248885.0),
        ("2026-11-21 08:14:45,116 ERROR etl: x", "ERROR", 1795248885.116),
        ("2026-11-21T08:14:45.116Z [main] FATAL c.a.B - x", "FATAL", 1795248885.116),
        ("2026-11-21T09:14:45+01:00 INFO x", "INFO", 1795248885.0),
        ("[2026-11-21, 08:14:45 UTC] {local_task_job.py:102} WARNING - x", "WARN", 1795248885.0),
        ("[Sat Nov 21 08:14:45 2026] [error] x", "ERROR", 1795248885.0),
        ("Nov 21, 2026 8:14:45 AM com.acme.Foo bar", None, 1795248885.0),
        ("ERROR:root:x", "ERROR", None),
        ("[ERROR] Failed to execute goal", "ERROR", None),
        ("08:14:45  Database Error in model a", None, None),
        ("java.lang.IllegalStateException: x", None, None),
        ("\tat a.b.C.d(C.java:1)", None, None),
    ],
)
def test_headers(line: str, level: str | None, stamp: float | None) -> None:
    header = parse_header(line)
    assert (header.level if header else None) == level
    assert (header.timestamp if header else None) == stamp


def test_a_list_at_a_lines_end_is_one_variable() -> None:
    lines = [
        f"Installing collected packages: {names}" for names in ("six", "numpy, six", "pandas, idna, attrs")
    ]
    lines += [f"Successfully installed {names}" for names in ("six-1.16.0", "numpy-1.26.4 six-1.16.0")]
    assert [t.text for t in Templates.of(lines).templates()] == [
        "Installing collected packages: <*>",
        "Successfully installed <*>",
    ]


def test_what_a_request_did_tells_lines_apart() -> None:
    lines = [
        f'10.0.0.{n} "{method} /v2/{n}f{n}/servers HTTP/1.1" status: 200 len: {n} time: 0.{n}'
        for method in ("GET", "POST")
        for n in range(20)
    ]
    assert len(Templates.of(lines).templates()) == 2
