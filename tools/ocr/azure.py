"""Azure Document Intelligence, through langchain-community's loader."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from tools.ocr.layout import Piece, lines_of

#: Seconds that reading one picture may take, uploading and polling included.
PATIENCE = 30.0
_MODEL = "prebuilt-read"


class ReadingFailed(Exception):
    """The service did not read the picture; the message says why, without its address or key."""


class DocumentIntelligence:
    """One resource. Its key is sent to its endpoint and nowhere else."""

    def __init__(self, endpoint: str, key: SecretStr, *, patience: float = PATIENCE) -> None:
        self._endpoint = endpoint
        self._key = key
        self._patience = patience

    def read_lines(self, body: bytes) -> list[str]:
        """The lines on a picture. Blocks until the service has read it.

        Raises:
            ReadingFailed: It refused, failed, found nothing, or took longer than `patience` seconds.
        """
        answer: list[list[str] | ReadingFailed] = []

        def ask() -> None:
            try:
                answer.append(self._ask(body))
            except ReadingFailed as error:
                answer.append(error)

        # The loader waits for the service without end, so it is left behind in a thread that holds nobody up.
        thread = threading.Thread(target=ask, name="document-intelligence", daemon=True)
        thread.start()
        thread.join(self._patience)
        if not answer:
            raise ReadingFailed(f"no answer within {self._patience:g} seconds")
        if isinstance(answer[0], ReadingFailed):
            raise answer[0]
        return answer[0]

    def _ask(self, body: bytes) -> list[str]:
        from azure.core.exceptions import AzureError
        from langchain_community.document_loaders import AzureAIDocumentIntelligenceLoader

        try:
            loader = AzureAIDocumentIntelligenceLoader(
                api_endpoint=self._endpoint,
                api_key=self._key.get_secret_value(),
                bytes_source=body,
                api_model=_MODEL,
                mode="single",
            )
            documents = loader.load()
        # KeyError and TypeError: the client reads the answer's parts unchecked.
        except (AzureError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReadingFailed(_short(error)) from error
        lines = [line for found in documents for line in _lines(found.metadata, found.page_content)]
        if not any(map(str.strip, lines)):
            raise ReadingFailed("it found no text")
        return lines


def _lines(metadata: dict[str, Any], content: str) -> list[str]:
    """The lines with their indentation from where they stand on the page; without places, as they come."""
    pieces = list(_pieces(metadata))
    return lines_of(pieces) if pieces else content.split("\n")


def _pieces(metadata: dict[str, Any]) -> Iterator[Piece]:
    for page in metadata.get("pages") or []:
        for line in page.get("lines") or []:
            polygon, text = line.get("polygon") or [], line.get("content") or ""
            if len(polygon) >= 8 and text:
                xs, ys = polygon[0::2], polygon[1::2]
                yield Piece(text, min(xs), min(ys), max(xs), max(ys))


def _short(error: Exception) -> str:
    """The kind of error and, for an HTTP error, its status: the service's own words may hold what was sent."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return f"HTTP {status}" if status >= 400 else "its operation failed"
    return type(error).__name__
