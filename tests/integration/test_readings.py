"""Word pieces read by the packaged MiniLM, and what the triad makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from knowledge import readings
from knowledge.readings import Reader
from tools.triad import score
from tools.triad.alignment import ALIGNED, aligned

SOURCE = "The council closed the library after the mayor praised the school."


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def test_a_reading_has_the_pieces_and_the_vector_of_the_text(reader: Reader) -> None:
    (reading, nothing) = reader.read(["The librarians vanished.", ""])
    assert reading.pieces[0] == "the" and reading.pieces[-1] == "."
    assert reading.vectors.shape == (len(reading.pieces), 384)
    assert np.allclose(np.linalg.norm(reading.vectors, axis=1), 1.0, atol=1e-5)
    assert np.allclose(reading.whole, reader.embed(["The librarians vanished."])[0], atol=1e-5)
    assert nothing.pieces == () and nothing.vectors.shape == (0, 384)


def test_what_was_read_is_not_read_again_and_not_kept_for_ever(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "CACHED_PIECES", 20)
    first = reader.read(["one text of a few words"])[0]
    assert reader.read(["one text of a few words"])[0] is first
    texts = [f"text number {n} of several words" for n in range(10)]
    assert [r.pieces[2] for r in reader.read(texts)] == [str(n) for n in range(10)]
    assert reader.read(["one text of a few words"])[0] is not first


def test_the_same_words_in_another_role_are_matched_less_well(reader: Reader) -> None:
    there, same, swapped, strange = reader.read(
        [
            SOURCE,
            "The council closed the library.",
            "The mayor closed the school.",
            "Fry the onions in butter.",
        ]
    )
    rows = {name: dict(zip(ALIGNED, aligned(r, [there]), strict=True)) for name, r in
            (("same", same), ("swapped", swapped), ("strange", strange))}  # fmt: skip
    for name in ALIGNED:
        assert rows["same"][name] > rows["swapped"][name] > rows["strange"][name]
    assert aligned(same, []) == [0.0] * len(ALIGNED)


def test_whole_triads_with_word_pieces(reader: Reader) -> None:
    def faithfulness(answer: str) -> float:
        return score("What did the council do?", [SOURCE], answer, reader.embed, reader.read).faithfulness

    assert faithfulness("The council closed the library.") > 0.6
    assert faithfulness("The mayor closed the school.") < faithfulness("The council closed the library.")
    assert faithfulness("The onions were fried in butter.") < 0.2
