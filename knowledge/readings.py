"""MiniLM's vectors of single word pieces beside those of whole texts, from one and the same pass."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knowledge.embeddings import BATCH, MAX_CHARS, MiniLM

if TYPE_CHECKING:
    import numpy as np

#: Word pieces whose vectors are kept: 1.5 kB each.
CACHED_PIECES = 100_000


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
        self._held = 0

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading for each text, in order; of long ones the first 256 pieces. Blocks: call it from a thread.

        Raises:
            ConfigurationError: The weights are missing or not the expected ones.
        """
        cut = [text[:MAX_CHARS] for text in texts]
        with self._reading:
            fresh = [text for text in dict.fromkeys(cut) if text not in self._readings]
            found = dict(zip(fresh, self._computed(fresh), strict=True)) if fresh else {}
            readings = [found[text] if text in found else self._readings[text] for text in cut]
            for text, reading in found.items():
                self._readings[text] = reading
                self._held += len(reading.pieces)
            for text in cut:
                self._readings.move_to_end(text)
            while self._held > CACHED_PIECES:
                self._held -= len(self._readings.popitem(last=False)[1].pieces)
        return readings

    def _compute(self, texts: Sequence[str]) -> list[list[float]]:
        return [reading.whole.tolist() for reading in self.read(texts)]

    def _computed(self, texts: Sequence[str]) -> list[Reading]:
        model = self._model = self._model or self._load(self._found())
        outputs = model.encode(list(texts), batch_size=BATCH, output_value=None, show_progress_bar=False)
        return [_reading(output, model.tokenizer.convert_ids_to_tokens) for output in outputs]


def _reading(output: Any, pieces_of: Callable[[list[int]], list[str]]) -> Reading:
    """From what sentence-transformers gives for one text; the first and last piece are marks of the model's own."""
    import numpy as np

    mask = output["attention_mask"].bool()
    rows = output["token_embeddings"][mask].numpy()[1:-1]
    whole = output["sentence_embedding"].numpy()
    return Reading(
        tuple(pieces_of(output["input_ids"][mask].tolist()[1:-1])),
        rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12),
        whole / max(float(np.linalg.norm(whole)), 1e-12),
    )
