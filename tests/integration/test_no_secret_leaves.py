"""Two hundred secrets in everything that failed runs leave behind: none is stored, sent, shown or printed."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
import zstandard
from psycopg import sql

from sandbox.mailbox import Mailbox
from sandbox.process import start_sandbox
from tests.e2e.processes import ROOT, Service, until
from tests.failed_jobs import RESET, UNKNOWN, UNRESOLVED, FailedJob
from tests.fakes.langsmith import LangSmith, running_langsmith
from tests.fakes.openai import OpenAI, running_openai
from tests.fakes.recorder import Recorder, recording
from tests.planted_secrets import Planted, many

ENDED = ("notified", "escalated", "resolved", "closed", "failed", "awaiting_approval", "needs_person")
#: Texts of one line and no markup fit everywhere.
_SHORT = re.compile(r"[ -~]{8,110}")


@dataclass
class Stage:
    """What was planted, and everything that could have let it out."""

    service: Service
    folder: Path
    planted: list[Planted]
    in_runs: list[Planted]
    workspace: Recorder
    model: OpenAI
    traces: LangSmith
    mailbox: Mailbox
    printed: list[str]


class _Deal:
    """Deals the planted texts out, each once: short ones on demand, the others in handfuls."""

    def __init__(self, planted: list[Planted]) -> None:
        order = random.Random(5).sample(planted, len(planted))
        self._short = [p for p in order if _SHORT.fullmatch(p.text) and "PRIVATE" not in p.text]
        self.left = [p for p in order if p not in self._short]
        self.dealt: list[Planted] = []

    def one(self) -> str:
        """A text of one line."""
        self.dealt.append(self._short.pop())
        return self.dealt[-1].text

    def some(self, number: int) -> str:
        """Several texts, each on lines of its own."""
        taken = [self.left.pop() if self.left else self._short.pop() for _ in range(number)]
        self.dealt += taken
        return "\n".join(f"{p.text}\n26/11/21 03:12:44 INFO x: next" for p in taken)


def _jobs(deal: _Deal) -> list[FailedJob]:
    jobs = []
    for n, error in enumerate((RESET, UNRESOLVED, UNKNOWN)):
        said = deal.one()
        jobs.append(
            FailedJob(
                f"job{n}",
                error=f"{error} [{said}]",
                job_name=f"load orders {deal.one()}",
                tags={"note": deal.one(), "team": "t"},
                parameters={"day": "2026-11-21", "options": deal.one(), "url": deal.one()},
                base_parameters={"config": deal.one(), "more": deal.one()},
                spark_conf={"spark.app.note": deal.one()},
                spark_env_vars={"NOTE": deal.one()},
                trace="\n".join(f"    run({deal.one()})" for _ in range(3)),
                source="# Databricks notebook source\n" + "".join(f"# {deal.one()}\n" for _ in range(2)),
                stdout=deal.some(9),
                stderr=deal.some(9),
                log4j=deal.some(9),
                logs=deal.some(12),
                event=deal.one(),
                message=f"Workload failed: {deal.one()}",
            )
        )
    said = {"status": "FAILED", "failed": 3, "message": deal.one(), "config": deal.one()}
    return [*jobs, FailedJob("soft", exit_value=json.dumps(said), soft=True)]


def _unusual(planted: Planted) -> bool:
    """Texts of several secrets of which one is too short to be looked for are planted all the same."""
    return all(len(secret) >= 8 for secret in planted.secrets)


@pytest.fixture(scope="module")
def stage(postgres_url: str) -> Iterator[Stage]:
    """Three jobs failed, their incidents went as far as they can, and everything was looked at once."""
    from tests.postgres import fresh_database

    planted = [p for p in many(seed=311, rounds=1) if _unusual(p)]
    deal = _Deal(planted)
    folder = Path(tempfile.mkdtemp(prefix="pitstop-secrets-"))
    folder.chmod(0o755)
    jobs = _jobs(deal)
    for job in jobs:
        job.write(folder / "scenarios")
    mailbox = Mailbox(folder / "mail")
    mailbox.start()
    sandbox = start_sandbox(clock_speed=50, scenarios=folder / "scenarios")
    with (
        fresh_database(postgres_url) as url,
        recording(sandbox.url) as workspace,
        running_openai() as model,
        running_langsmith() as traces,
    ):
        settings = {
            "DATABRICKS_HOST": workspace.url,
            "PITSTOP_MODEL": "gpt-x",
            "PITSTOP_MODEL_BASE_URL": f"{model.url}/v1",
            "OPENAI_API_KEY": "test",
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": traces.url,
            "LANGSMITH_API_KEY": "lsv2_test",
            "PITSTOP_SMTP_HOST": "127.0.0.1",
            "PITSTOP_SMTP_PORT": str(mailbox.port),
            "PITSTOP_SMTP_SECURITY": "none",
            "PITSTOP_LOG_LEVEL": "DEBUG",
        }
        (folder / "data").mkdir()
        service = Service(url, sandbox, folder / "data", settings)
        in_runs = list(deal.dealt)
        found = Stage(service, folder, planted, in_runs, workspace, model, traces, mailbox, [])
        try:
            _play(found, deal, [job.name for job in jobs])
            yield found
        finally:
            service.close()
            sandbox.stop()
            mailbox.stop()
            shutil.rmtree(folder, ignore_errors=True)


def _play(stage: Stage, deal: _Deal, names: list[str]) -> None:
    service = stage.service
    _import_knowledge(stage, deal)
    service.start()
    runs = {}
    for name in names:
        runs[name] = service.control.start(name)["run_id"]
        service.control.finish(runs[name])
    incidents = [service.at(run_id, *ENDED, seconds=90) for run_id in runs.values()]
    for incident in incidents:
        attached = {"file": ("more.log", deal.some(4).encode())}
        service.http.post(
            f"/api/v1/incidents/{incident['id']}/attachments", files=attached
        ).raise_for_status()
        if incident["status"] == "awaiting_approval":
            answer = service.decide(incident, "respond", comment=f"look again: {deal.one()}")
            assert answer.status_code == 200, answer.text
    for run_id in runs.values():
        again = service.at(run_id, *ENDED, seconds=60)
        if again["status"] == "awaiting_approval":
            until(lambda r=run_id: _asked_anew(service, r), saying="a second proposal")
            service.decide(service.at(run_id, "awaiting_approval"), comment=f"fine, {deal.one()}")
            until(lambda r=run_id: service.repairs(r), saying="the repair")
            service.at(run_id, *ENDED, seconds=60)
    for incident in incidents[:2]:
        _print(stage, "incidents", incident["id"])
    _print(stage, "incidents", incidents[2]["id"], "--json")
    _print(stage, "knowledge", "search", "connection reset", "--json")
    until(lambda: stage.mailbox.messages, saying="a message")
    stage.planted[:] = deal.dealt
    time.sleep(2)  # traces leave in batches


def _asked_anew(service: Service, run_id: int) -> bool:
    found = service.incident_of(run_id)
    return bool(
        found and [a for a in found["approvals"] if a["status"] == "pending"] and len(found["approvals"]) > 1
    )


def _import_knowledge(stage: Stage, deal: _Deal) -> None:
    (stage.folder / "team").mkdir()
    page = stage.folder / "team" / "connection-reset.md"
    page.write_text(f"# Connection reset by peer\n\nRetry it.\n\n{deal.some(6)}\n", encoding="utf-8")
    table = stage.folder / "team" / "past.jsonl"
    rows = [
        {
            "id": f"p{n}",
            "title": f"Connection reset {deal.one()}",
            "root_cause": deal.one(),
            "action": "RETRY",
        }
        for n in range(4)
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    _print(stage, "knowledge", "import", str(page.parent))


def _print(stage: Stage, *command: str) -> None:
    """Run a command as a person would, and keep what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *command],
        cwd=ROOT,
        env={**stage.service.environment, "PITSTOP_TOKEN": stage.service.token, "COLUMNS": "400"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    stage.printed.append(f"{done.stdout}\n{done.stderr}")


# Where it could have got to


def _rows(url: str) -> Iterator[tuple[str, bytes]]:
    """Every value of every table, unpacked."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        ).fetchall()
        for (table,) in tables:
            query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))
            for number, row in enumerate(connection.execute(query).fetchall()):
                for value in row:
                    yield f"table {table}, row {number}", _bytes(value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, memoryview):
        value = bytes(value)
    if isinstance(value, bytes):
        try:
            return value + zstandard.ZstdDecompressor().decompressobj().decompress(value)
        except zstandard.ZstdError:
            return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in folder.rglob("*"):
        if file.is_file():
            yield f"file {file.relative_to(folder)}", file.read_bytes()


def _pages(service: Service) -> Iterator[tuple[str, bytes]]:
    """The API's answers and the console's pages about every incident."""
    with httpx.Client(base_url=service.url, follow_redirects=True, timeout=30) as browser:
        browser.headers.update(service.bearer(service.token))
        paths = ["/console", "/api/v1/incidents?limit=200", "/api/v1/approvals", "/metrics"]
        for item in service.get("/incidents")["items"]:
            one = service.get(f"/incidents/{item['id']}")
            paths += [f"/console/incidents/{item['id']}", f"/console/incidents/{item['id']}/live"]
            paths += [f"/api/v1/incidents/{item['id']}", f"/api/v1/incidents/{item['id']}/events"]
            for artifact in one["artifacts"]:
                paths.append(f"/api/v1/incidents/{item['id']}/artifacts/{artifact['id']}")
                paths.append(f"/console/incidents/{item['id']}/artifacts/{artifact['id']}")
        for path in paths:
            if path.endswith("/events"):
                continue  # a stream; its rows are looked at in the database
            answer = browser.get(path)
            assert answer.status_code == 200, (path, answer.status_code)
            yield f"page {path}", answer.content + html.unescape(answer.text).encode()


def _let_out(stage: Stage) -> dict[str, list[tuple[str, bytes]]]:
    mails = [
        part.get_payload(decode=True) or b""
        for message in stage.mailbox.messages
        for part in message.walk()
        if not part.is_multipart()
    ]
    heads = [str(message.items()).encode() for message in stage.mailbox.messages]
    return {
        "pages": list(_pages(stage.service)),
        "database": list(_rows(stage.service.database_url)),
        "files": list(_files(stage.folder / "data")),
        "model": [("model", stage.model.seen.encode("utf-8", "surrogatepass"))],
        "traces": [(f"trace {n}", body) for n, body in enumerate(stage.traces.bodies)],
        "mail": [("mail", text) for text in [*mails, *heads]],
        "printed": [("printed", text.encode()) for text in stage.printed],
    }


def _forms(secret: str) -> set[bytes]:
    """The secret as it may be written."""
    forms = {secret, quote(secret, safe=""), quote(secret), html.escape(secret), json.dumps(secret)[1:-1]}
    for offset in range(3):
        raw = base64.b64encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
        forms.add(raw[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6])
    return {form.encode() for form in forms if len(form) >= 8}


def _leaks(places: list[tuple[str, bytes]], planted: list[Planted]) -> list[str]:
    import hyperscan

    wanted = [(form, p, s) for p in planted for s in p.secrets for form in sorted(_forms(s))]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[re.escape(form) for form, _, _ in wanted],
        ids=list(range(len(wanted))),
        elements=len(wanted),
        flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(wanted),
    )
    leaks: list[str] = []
    for place, data in places:
        hits: list[int] = []
        database.scan(data, match_event_handler=lambda n, *_: hits.append(n))  # noqa: B023
        leaks += [f"{place}: {wanted[n][1].kind}: {wanted[n][2]!r} of {wanted[n][1].text!r}" for n in hits]
    return leaks


@pytest.fixture(scope="module")
def let_out(stage: Stage) -> dict[str, list[tuple[str, bytes]]]:
    """Everything that left Pitstop or that it keeps, by where it was found."""
    return _let_out(stage)


def test_the_secrets_were_there_to_be_read(stage: Stage) -> None:
    served = stage.workspace.served
    secrets = [secret for planted in stage.in_runs for secret in planted.secrets]
    missing = [s for s in secrets if s not in served and json.dumps(s)[1:-1] not in served]
    assert missing == []
    assert sum(len(p.secrets) for p in stage.planted) >= 200
    assert len({p.kind for p in stage.planted}) >= 20


def test_everything_was_in_use(let_out: dict[str, list[tuple[str, bytes]]]) -> None:
    for name, places in let_out.items():
        assert sum(len(data) for _, data in places) > 1000, name
    tables = {place.split(",")[0] for place, data in let_out["database"] if len(data) > 20}
    assert {
        "table artifacts",
        "table checkpoint_blobs",
        "table checkpoint_writes",
        "table incidents",
    } <= tables
    assert any(b"chroma" in place.encode() for place, _ in let_out["files"])
    assert any(b"[REDACTED:" in data for _, data in let_out["model"])
    assert any(b"[REDACTED:" in data for _, data in let_out["traces"])


@pytest.mark.parametrize("where", ["pages", "database", "files", "model", "traces", "mail", "printed"])
def test_no_secret_got_out(stage: Stage, let_out: dict[str, list[tuple[str, bytes]]], where: str) -> None:
    assert _leaks(let_out[where], stage.planted) == []


def test_the_search_finds_what_is_there(stage: Stage) -> None:
    secret = stage.planted[0].secrets[0]
    for text in (f"x{secret}y", quote(secret, safe=""), base64.b64encode(f"a{secret}".encode()).decode()):
        assert _leaks([("here", text.encode())], stage.planted[:1])
