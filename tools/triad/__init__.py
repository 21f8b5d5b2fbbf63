"""The RAG triad: faithfulness, answer relevance and context precision of any answer, scored locally."""

from tools.triad.score import score, texts_of
from tools.triad.support import Embed

__all__ = ["Embed", "score", "texts_of"]
