"""The RAG triad: faithfulness, answer relevance and context precision of any answer, scored locally."""

from tools.triad.score import Claim, claims, score, texts_of
from tools.triad.support import Embed

__all__ = ["Claim", "Embed", "claims", "score", "texts_of"]
