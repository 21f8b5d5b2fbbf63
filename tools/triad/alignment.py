"""How well the words of a claim, in their context, are matched by the words of the sentences it should follow from.

After BERTScore's precision (Zhang et al. 2020): each word piece of the claim is matched with the piece of the source
whose contextual vector is nearest. A piece's vector depends on its sentence, so a copied word in another role, such as
the subject of the wrong verb, is matched less well than one that was copied with what stands around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from tools.triad.lexicon import lexicon

if TYPE_CHECKING:
    import numpy as np

#: Names of the features, in the order of `aligned`.
ALIGNED = ("pieces", "pieces_weakest", "pieces_one_sentence", "pieces_pairs")
#: A piece that says nothing by itself counts this much.
_LIGHT = 0.2
#: So many of the worst matched pieces make the weakest.
_WORST = 2


class Reading(Protocol):
    """A text as a transformer reads it: n word pieces, an (n, d) matrix of unit rows, and the text's own unit vector."""

    @property
    def pieces(self) -> Sequence[str]: ...
    @property
    def vectors(self) -> np.ndarray: ...
    @property
    def whole(self) -> np.ndarray: ...


Read = Callable[[Sequence[str]], Sequence[Reading]]


def aligned(claim: Reading, source: Sequence[Reading]) -> list[float]:
    """The features named in `ALIGNED` of one claim, each at most 1; zeros when there is nothing to compare."""
    import numpy as np

    if not len(claim.pieces) or not source:
        return [0.0] * len(ALIGNED)
    weight = np.array([_weight(piece) for piece in claim.pieces])
    #: Rows are pieces of the claim, columns are sentences: the nearest piece of each.
    nearest = np.stack([(claim.vectors @ s.vectors.T).max(axis=1) for s in source if len(s.pieces)], axis=1)
    best = nearest.max(axis=1)
    heavy = np.flatnonzero(weight == 1.0)
    worst = np.sort(best[heavy] if heavy.size else best)[:_WORST]
    pairs = np.minimum(nearest[heavy[:-1]], nearest[heavy[1:]]).max(axis=1) if heavy.size > 1 else best
    return [
        float(np.average(best, weights=weight)),
        float(worst.mean()),
        float(np.average(nearest, axis=0, weights=weight).max()),
        float(pairs.mean()),
    ]


def _weight(piece: str) -> float:
    plain = piece.removeprefix("##")
    return 1.0 if plain.isalnum() and plain not in lexicon().stop else _LIGHT
