"""Several real processes on one data folder: they share one Chroma server, and none is missed when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest

from core.errors import KnowledgeUnavailable
from knowledge import chroma_server
from knowledge.chroma_server import Server, answers

#: A process that does what it is told, a line each, with vectors that need no model.
PROGRAM = """
import sys
from pathlib import Path
from core.errors import KnowledgeUnavailable
from knowledge.index import Index
from knowledge.incident_memory import IncidentMemory

class Letters:
    name = "letters"
    def embed(self, texts):
        counts = [[text.lower().count(c) + 0.01 for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
        return [[c / sum(v * v for v in row) ** 0.5 for c in row] for row in counts]

index = Index(Letters(), redact=str, runbooks=list, path=Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    word, _, text = line.strip().partition(" ")
    try:
        if word == "put":
            print(index.put([IncidentMemory(id=text, title=text, fingerprint=text)]), flush=True)
        else:
            print(*[match.id for match in index.search(text, keys={"fingerprint": text})], flush=True)
    except KnowledgeUnavailable as error:
        print("!", error, flush=True)
index.close()
"""


class Process:
    """One process with an index on a folder."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._said() == "ready"

    def do(self, line: str) -> str:
        stdin = cast("IO[str]", self.process.stdin)
        stdin.write(f"{line}\n")
        stdin.flush()
        return self._said()

    def leave(self) -> None:
        cast("IO[str]", self.process.stdin).close()
        assert self.process.wait(30) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _said(self) -> str:
        return cast("IO[str]", self.process.stdout).readline().strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "chroma"


@pytest.fixture
def two(folder: Path) -> Iterator[tuple[Process, Process]]:
    both = Process(folder), Process(folder)
    yield both
    for one in both:
        one.kill()


def address(folder: Path) -> tuple[int, int]:
    found = json.loads((folder.with_name("chroma.server") / "address").read_text())
    return found["pid"], found["port"]


def ended(pid: int, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_what_one_process_remembers_the_other_finds(two: tuple[Process, Process], folder: Path) -> None:
    first, second = two
    assert first.do("put apples") == "1"
    assert second.do("find apples") == "apples"
    assert second.do("put pears") == "1"
    assert first.do("find pears").split()[0] == "pears"
    pid, _ = address(folder)
    first.leave()
    assert second.do("find apples").split()[0] == "apples", "the one that started it has left"
    second.leave()
    assert ended(pid), "the last one stops it"
    third = Process(folder)
    assert third.do("find apples").split()[0] == "apples"
    third.leave()


def test_a_killed_user_is_no_user_and_a_killed_server_is_replaced(
    two: tuple[Process, Process], folder: Path
) -> None:
    first, second = two
    first.do("put apples")
    second.do("find apples")
    pid, _ = address(folder)
    first.kill()
    assert second.do("find apples") == "apples"
    os.kill(pid, signal.SIGKILL)
    assert second.do("put pears") == "1", "it notices by itself"
    assert second.do("find pears").split()[0] == "pears"
    assert second.do("find apples").split()[0] == "apples"
    pid, _ = address(folder)
    second.kill()
    assert ended(pid), "a server without users ends"


def test_both_at_once_start_one_server(two: tuple[Process, Process], folder: Path) -> None:
    for one in two:
        cast("IO[str]", one.process.stdin).write("put apples\n")
        cast("IO[str]", one.process.stdin).flush()
    assert [one._said() for one in two] == ["1", "1"]
    assert two[0].do("find apples") == "apples"


def test_a_server_that_keeps_silent_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chroma_server, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(chroma_server, "STOP_SECONDS", 0.5)
    monkeypatch.setattr(chroma_server, "HEARTBEAT_SECONDS", 0.2)
    first, second = Server(folder), Server(folder)
    first.use()
    pid, _ = address(folder)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert answers(second.use())
        assert address(folder)[0] != pid
    finally:
        second.leave()
        first.leave()
    assert not list(folder.parent.glob("chroma.server/address"))


def test_what_cannot_be_served_is_named_with_what_to_do(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file")
    server = Server(folder)
    with pytest.raises(KnowledgeUnavailable, match=r"does not start: .*\n?.*pitstop knowledge rebuild"):
        server.use()
    server.leave()


def test_a_proxy_is_not_asked_for_the_way_to_this_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "example.com")
    one = Process(folder)
    assert one.do("put apples") == "1"
    one.leave()
