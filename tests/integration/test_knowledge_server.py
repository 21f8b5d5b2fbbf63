"""The index behind a real Chroma server, shared by two processes' worth of clients, and its server going away."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.errors import KnowledgeUnavailable
from knowledge.embeddings import MiniLM
from knowledge.incident_memory import IncidentMemory
from knowledge.index import Index
from knowledge.runbooks import Runbook

PAGES = [
    Runbook(id="dns", title="A host name has no address", classes=["dns_failure"], text="Ask the resolver.")
]
DNS = IncidentMemory(id="i1", title="weather: dns_failure", fingerprint="f1", failure_class="dns_failure")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    program = Path(sys.executable).with_name("chroma")
    with (tmp_path / "chroma.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "run", "--path", tmp_path / "served", "--host", "127.0.0.1", "--port", str(port)],
            stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/api/v2/heartbeat", timeout=2)
                break
            except httpx.TransportError:
                assert process.poll() is None, (tmp_path / "chroma.log").read_text()
                time.sleep(0.1)
        yield url, process
    finally:
        process.kill()
        process.wait()


def test_two_clients_share_one_index_and_both_say_when_it_is_away(
    server: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, process = server
    embedder = MiniLM()
    writer, reader = (Index(embedder, redact=str, runbooks=lambda: PAGES, url=url) for _ in range(2))
    assert reader.counts() == {"incidents": 0, "runbooks": 1}
    assert writer.put([DNS]) == 1
    keys = {"fingerprint": "f1", "failure_class": "dns_failure"}
    assert [match.id for match in reader.search("no address", keys=keys)] == ["i1", "dns"]
    assert writer.rebuild([DNS.model_copy(update={"id": "i2"})]) == 1
    assert {match.id for match in reader.search("no address", keys=keys)} == {"dns", "i2"}
    process.kill()
    process.wait()
    for index in (writer, reader):
        with pytest.raises(KnowledgeUnavailable, match="Check that the Chroma server runs"):
            index.search("no address", keys=keys)
        index.close()
