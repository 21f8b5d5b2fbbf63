"""MiniLM's vectors of single word pieces beside those of whole texts, from one and the same pass."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge.embeddings import BATCH, MAX_CHARS, MiniLM

if TYPE_CHECKING:
    import numpy as np

#: About 60 kB a sentence.
CACHED_READINGS = 2_048


@dataclass(frozen=True)
class Reading:
    """n word pieces without the model's own marks, their (n, 384) unit vectors, and the whole text's unit vector."""

    pieces: tuple[str, ...]
    vectors: np.ndarray
    whole: np.ndarray


class Reader(MiniLM):
    """MiniLM that also gives the vectors of word pieces; what it read lately it does not read again."""

    def __init__(self) -> None:
        super().__init__()
        self._reading = threading.Lock()
        self._readings: OrderedDict[str, Reading] = OrderedDict()

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading for each text, in order; of long ones the first 256 pieces. Blocks: call it from a thread.

        Raises:
            ConfigurationError: The weights are missing or not the expected ones.
        """
        cut = [text[:MAX_CHARS] for text in texts]
        with self._reading:
            fresh = [text for text in dict.fromkeys(cut) if text not in self._readings]
            found = dict(zip(fresh, self._compute_readings(fresh), strict=True)) if fresh else {}
            for text in cut:
                found.setdefault(text, self._readings.get(text, found.get(text)))  # type: ignore[arg-type]
                self._readings[text] = found[text]
                self._readings.move_to_end(text)
            while len(self._readings) > CACHED_READINGS:
                self._readings.popitem(last=False)
        return [found[text] for text in cut]

    def _compute(self, texts: Sequence[str]) -> list[list[float]]:
        return [reading.whole.tolist() for reading in self.read(texts)]

    def _compute_readings(self, texts: Sequence[str]) -> list[Reading]:
        if self._model is None:
            self._model = self._load()
        outputs = self._model.encode(
            list(texts), batch_size=BATCH, output_value=None, show_progress_bar=False
        )
        return [self._of(output) for output in outputs]

    def _of(self, output: dict) -> Reading:
        import numpy as np

        assert self._model is not None
        mask = output["attention_mask"].bool()
        ids = output["input_ids"][mask].tolist()
        rows = output["token_embeddings"][mask[: len(output["token_embeddings"])]].numpy()
        whole = output["sentence_embedding"].numpy()
        inner = rows[1:-1]
        return Reading(
            tuple(self._model.tokenizer.convert_ids_to_tokens(ids[1:-1])),
            inner / np.maximum(np.linalg.norm(inner, axis=1, keepdims=True), 1e-12),
            whole / max(float(np.linalg.norm(whole)), 1e-12),
        )
