"""Opening and losing the Chroma database: every failure of it becomes `KnowledgeUnavailable`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

from core.errors import KnowledgeUnavailable
from core.settings import reach_directly
from knowledge.chroma_process import HOST
from knowledge.chroma_server import Server

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

#: How far the graph is searched: above Chroma's 100, for recall among 100,000 incidents.
EF_SEARCH = 200
REBUILD_HINT = "`pitstop knowledge rebuild` makes it again."
#: Chroma's client would wait for ever, and has no setting for it.
TIMEOUT_SECONDS = 60.0
REACH_SECONDS = 10.0

Answer = TypeVar("Answer")


class OtherEmbeddings(KnowledgeUnavailable):
    """The vectors in the store are another model's."""


class _Gone(KnowledgeUnavailable):
    """Our own server went away; the next use starts another."""


class Database:
    """One Chroma database, behind the server of a folder, which is started where none runs, or behind one named.

    Args:
        path: The folder; made when it is not there. Ignored when `url` is given.
        url: A Chroma server, such as `http://127.0.0.1:8000`.
        embedder: The name of what makes the vectors; collections made by another are refused.
    """

    def __init__(self, *, path: Path | None, url: str | None, embedder: str) -> None:
        self._server = Server(path) if path is not None and url is None else None
        self._url = url
        if self._server is None and url is None:
            raise ValueError("a folder or a server is needed")
        self._embedder = embedder
        self._client: Client | None = None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return str(self._server.folder) if self._server else str(self._url)

    def client(self) -> Client:
        """The open client. Raises: KnowledgeUnavailable."""
        if self._client is None:
            with self.failures():
                self._client = self._open()
        return self._client

    def collection(self, name: str) -> Collection:
        """A collection for cosine distance, made when it is not there. Raises: KnowledgeUnavailable."""
        client = self.client()
        with self.failures():
            found = client.get_or_create_collection(
                name,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_search": EF_SEARCH}},
                metadata={"embedder": self._embedder},
            )
        made_by = (found.metadata or {}).get("embedder")
        if made_by != self._embedder:
            raise OtherEmbeddings(
                f"The vector store was made with {made_by}, and the embeddings are now {self._embedder}'s.",
                hint=REBUILD_HINT,
            )
        return found

    def drop(self, name: str) -> None:
        """Delete a collection, if it is there. Raises: KnowledgeUnavailable."""
        from chromadb.errors import NotFoundError

        client = self.client()
        with self.failures(), contextlib.suppress(NotFoundError):
            client.delete_collection(name)

    def existing(self, name: str) -> Collection | None:
        """A collection if it is there and of this embedder. Raises: KnowledgeUnavailable."""
        from chromadb.errors import NotFoundError

        client = self.client()
        with self.failures(), contextlib.suppress(NotFoundError):
            found = client.get_collection(name, embedding_function=None)
            return found if (found.metadata or {}).get("embedder") == self._embedder else None
        return None

    def lasting(self, work: Callable[[], Answer]) -> Answer:
        """Do `work`, which must be harmless twice, once more when our own server went away meanwhile.

        Raises:
            KnowledgeUnavailable: It went away again, or what `work` raises.
        """
        try:
            return work()
        except _Gone:
            return work()

    def set_aside(self, stamp: str) -> None:
        """Move a folder that can't be read out of the way. Raises: KnowledgeUnavailable."""
        self._forget()
        if self._server is not None:
            self._server.set_aside(stamp)

    def close(self) -> None:
        """Let go of the server; the next use opens it again."""
        self._forget()
        if self._server is not None:
            self._server.leave()

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what Chroma raises into KnowledgeUnavailable, and forget the client so that the next call reopens."""
        import httpx
        from chromadb.errors import ChromaError

        try:
            yield
        except _failures() as error:
            self._forget()
            said = f"{type(error).__name__}: {str(error)[:300]}"
            if isinstance(error, ChromaError) and "expecting embedding with dimension" in str(error):
                raise OtherEmbeddings(
                    f"The vectors in the store at {self.place} are of another model: {said}.",
                    hint=REBUILD_HINT,
                ) from error
            gone = self._server is not None and isinstance(error, httpx.TransportError)
            raise (_Gone if gone else KnowledgeUnavailable)(
                f"The vector store at {self.place} can't be used: {said}.",
                hint="Check that the Chroma server runs." if self._url else REBUILD_HINT,
            ) from error

    def _open(self) -> Client:
        import chromadb
        import httpx
        from chromadb.config import Settings

        if self._server is not None:
            reach_directly(HOST)
            host, port, secure = HOST, self._server.use(), False
        else:
            address = urlsplit(str(self._url))
            secure = address.scheme == "https"
            host, port = address.hostname or "localhost", address.port or (443 if secure else 8000)
            httpx.get(f"{self._url}/api/v2/heartbeat", timeout=REACH_SECONDS)
        client = chromadb.HttpClient(
            host=host, port=port, ssl=secure, settings=Settings(anonymized_telemetry=False)
        )
        client._server._session.timeout = httpx.Timeout(TIMEOUT_SECONDS)  # type: ignore[attr-defined]
        return cast("Client", client)

    def _forget(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*_failures()):
                client.close()


def _failures() -> tuple[type[Exception], ...]:
    """What Chroma's clients raise: its own errors, the transport's, and ValueError for a server that is away."""
    import httpx
    from chromadb.errors import ChromaError

    return ChromaError, httpx.HTTPError, OSError, ValueError
