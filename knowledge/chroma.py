"""Opening, losing and making again the Chroma database: every failure of it becomes `KnowledgeUnavailable`."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from core.errors import KnowledgeUnavailable

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

#: How far the graph is searched: above Chroma's 100, for recall among 100,000 incidents.
EF_SEARCH = 200
REBUILD_HINT = "`pitstop knowledge rebuild` makes it again."


class Database:
    """One Chroma database, in a folder (one process) or behind a server.

    Args:
        path: The folder; made when it is not there. Ignored when `url` is given.
        url: A Chroma server, such as `http://127.0.0.1:8000`.
        embedder: The name of what makes the vectors; collections made by another are refused.
    """

    def __init__(self, *, path: Path | None, url: str | None, embedder: str) -> None:
        if path is None and url is None:
            raise ValueError("a folder or a server is needed")
        self._path = path
        self._url = url
        self._embedder = embedder
        self._client: Client | None = None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return self._url or str(self._path)

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
            raise KnowledgeUnavailable(
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

    def set_aside(self, stamp: str) -> Path | None:
        """Move a folder that can't be read out of the way; where it went. Raises: KnowledgeUnavailable."""
        self.close()
        if self._url is not None or self._path is None or not self._path.exists():
            return None
        aside = self._path.with_name(f"{self._path.name}.broken-{stamp}")
        try:
            self._path.rename(aside)
        except OSError as error:
            raise KnowledgeUnavailable(
                f"The vector store in {self._path} can't be moved aside: {error}."
            ) from error
        return aside

    def close(self) -> None:
        """Let go of the folder or the connection; the next use opens it again."""
        self._forget()

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what Chroma raises into KnowledgeUnavailable, and forget the client so that the next call reopens."""
        try:
            yield
        except _failures() as error:
            self._forget()
            raise KnowledgeUnavailable(
                f"The vector store at {self.place} can't be used: {type(error).__name__}: {str(error)[:300]}.",
                hint="Check that the Chroma server runs." if self._url else REBUILD_HINT,
            ) from error

    def _open(self) -> Client:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        if self._url is not None:
            address = urlsplit(self._url)
            secure = address.scheme == "https"
            port = address.port or (443 if secure else 8000)
            host = address.hostname or "localhost"
            return cast("Client", chromadb.HttpClient(host=host, port=port, ssl=secure, settings=settings))
        path = cast("Path", self._path)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return cast("Client", chromadb.PersistentClient(path=path, settings=settings))
        except _failures():
            # Chroma keeps the half-open system of a folder that failed, and would hand it out again for good.
            from chromadb.api.shared_system_client import SharedSystemClient

            SharedSystemClient._identifier_to_system.pop(str(path), None)
            raise

    def _forget(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*_failures()):
                client.close()


def _failures() -> tuple[type[Exception], ...]:
    """What Chroma's clients raise: its own errors, the transport's, and ValueError for a server that is away."""
    import httpx
    from chromadb.errors import ChromaError

    return ChromaError, httpx.HTTPError, sqlite3.Error, OSError, ValueError
