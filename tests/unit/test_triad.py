"""The triad without an embedder: what lowers each score, and that the fitted weights tell good from bad."""

from __future__ import annotations

import numpy as np
import pytest

from evals.triad.logistic import auroc
from evals.triad.passages import contexts_of, read_claims, read_passages
from tools.triad import alignment, relevance, score, support
from tools.triad.claims import as_lines, claims
from tools.triad.score import features_of_claims
from tools.triad.weights import Logistic, load, reliability
from tools.triad.words import number_value, sentences, stem, tokens

PASSAGE = (
    "The council of Norwick voted 31 to 18 on Tuesday to close the old library in Mill Street. Mayor Priya Lal had "
    "asked for a new building, but the costs had risen to 4.2 million euros. The books will be moved to Harwell."
)
QUESTION = "What did the council of Norwick decide?"
GOOD = "The council of Norwick voted 31 to 18 to close the old library."


def faithfulness(answer: str, contexts: list[str] | None = None) -> float:
    return score(QUESTION, contexts or [PASSAGE], answer).faithfulness


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        ("a strange name", "The council of Bedford voted 31 to 18 to close the old library."),
        ("a strange number", "The council of Norwick voted 31 to 16 to close the old library."),
        ("the opposite", "The council of Norwick voted 31 to 18 to open the old library."),
        ("from nowhere", "Firefighters rescued a cat from a burning warehouse near the harbour."),
        (
            "half from nowhere",
            "The council of Norwick voted to close the old library after a fire killed two readers.",
        ),
        ("spliced", "Mayor Priya Lal will be moved to Harwell in Mill Street."),
    ],
)
def test_an_error_lowers_faithfulness(error: str, answer: str) -> None:
    assert faithfulness(answer) < faithfulness(GOOD), error


def test_one_bad_sentence_spoils_an_answer() -> None:
    other = " The books will be moved to Harwell."
    assert faithfulness(GOOD + other) > 0.75
    assert faithfulness(GOOD + other + " Two readers died in Bedford in 1954.") < 0.4


def test_an_answer_without_contexts_or_words_is_unsupported() -> None:
    assert faithfulness(GOOD, [" "]) == 0.0
    assert faithfulness("") == 0.0
    assert score(QUESTION, [PASSAGE], "...").faithfulness == 0.0


def test_an_evasive_or_empty_answer_is_irrelevant() -> None:
    for answer in ("", "I don't know.", "The text gives no information about that."):
        assert score(QUESTION, [PASSAGE], answer).answer_relevance == 0.0
    assert score(QUESTION, [PASSAGE], GOOD).answer_relevance > 0.5


def test_precision_rewards_what_serves_at_the_front() -> None:
    strange = "Fry the onions in butter for ten minutes, then add the lentils and a litre of stock."
    front = score(QUESTION, [PASSAGE, strange, strange], GOOD).context_precision
    back = score(QUESTION, [strange, strange, PASSAGE], GOOD).context_precision
    none = score(QUESTION, [strange, strange], GOOD).context_precision
    assert front > 0.9
    assert none < back < front


def test_a_failure_is_judged_by_its_own_kind() -> None:
    evidence = (
        "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`sales`.`orders` cannot be found. Verify the spelling and "
        "correctness of the schema and catalog. SQLSTATE: 42P01 at orders_daily.py line 10"
    )
    right = score(
        "Why did the run fail?",
        [evidence],
        "orders_daily.py reads the table main.sales.orders, which does not exist.",
    )
    wrong = score("Why did the run fail?", [evidence], "The host name dwh.acme.example cannot be resolved.")
    assert right.faithfulness > wrong.faithfulness + 0.3
    assert right.answer_relevance > wrong.answer_relevance + 0.3


def test_only_a_failed_run_is_judged_as_one() -> None:
    said = "The council of Norwick voted 31 to 18 to close the old library."
    of_history = score("Why did the old library of Norwick fail?", [PASSAGE], said)
    assert of_history.faithfulness == faithfulness(said)
    assert (
        score("Why did the job orders_daily fail?", [PASSAGE], said).faithfulness != of_history.faithfulness
    )


def test_scores_are_bounded_whatever_comes() -> None:
    nasty = [
        "\x00\ufeff" * 50,
        "a" * 300_000,
        "\n" * 1000,
        "١٢٣ 東京 🙂",
        "1.2.3.4.5",
        "((((",
        "e.g. i.e. Dr.",
    ]
    for text in nasty:
        triad = score(text, [text, PASSAGE], text)
        assert all(0.0 <= value <= 1.0 for value in triad.model_dump().values())


def test_the_weights_are_of_the_features_that_are_computed() -> None:
    for kind in ("text", "failure"):
        assert load(f"{kind}/lexical").claim.features == support.LEXICAL
        assert load(f"{kind}/dense").claim.features == support.LEXICAL + support.DENSE
        assert load(f"{kind}/dense").relevance.features == relevance.ANSWER
        assert load(f"{kind}/lexical").context.features == relevance.CONTEXT[:-2]
    assert load("text/pieces").claim.features == support.LEXICAL + support.DENSE + alignment.ALIGNED


def test_a_score_of_three_quarters_is_right_three_times_in_four_on_data_held_back() -> None:
    for kind in ("text/pieces", "text/lexical"):
        (band,) = [band for band in reliability(kind)["held_back"] if band.low == 0.7]
        assert band.n > 100
        assert abs(band.good - 0.75) < 0.1


def test_what_models_say_around_an_answer_is_no_claim() -> None:
    said = (
        "Sure! Here's a summary of the article in 40 words:\n\nBased on the provided information, the mayor resigned. "
        "You should:\n1. Preheat the oven.\n2) Bake it (passage 3) for long [1].\nThe passages do not mention salt. "
        "I hope this helps!"
    )
    assert claims(said) == ["the mayor resigned.", "You should:", "Preheat the oven.", "Bake it for long."]
    framed = f"Sure! Here is the answer:\n\nAccording to the article, {GOOD}\n\nLet me know if you need more!"
    assert faithfulness(framed) == pytest.approx(faithfulness(GOOD), abs=0.02)


def test_declining_claims_nothing_and_answers_nothing() -> None:
    declined = score(QUESTION, [PASSAGE], "The passage does not mention what it cost.")
    assert declined.faithfulness == 1.0
    assert declined.weakest() == 0.0


def test_a_record_is_read_as_lines() -> None:
    record = (
        '{"name": "Olive", "attributes": {"WiFi": "no", "OutdoorSeating": false, "lot": null}, "stars": [4]}'
    )
    assert as_lines(record).splitlines() == [
        "name: Olive",
        "attributes Wi Fi: no",
        "attributes Outdoor Seating: no",
        "stars: 4",
    ]
    assert as_lines("{'a': None, 'b': [1, 2]}") == "b: 1\nb: 2"
    for other in (
        "{not a record",
        "plain text",
        "[" * 100_000,
        "{" * 100_000,
        '{"a":' * 980 + "1" + "}" * 980,
    ):
        assert as_lines(other) == other


def test_sentences_of_a_text_without_capitals_or_spaces() -> None:
    assert sentences("mr. moss left. it rained, i.e. poured! then sun.") == [
        "mr. moss left.",
        "it rained, i.e. poured!",
        "then sun.",
    ]
    assert len(sentences("東京は日本の首都です。人口は多い。")) == 2
    assert score("", ["東京は日本の首都です。"], "東京は日本の首都です。").faithfulness > 0.5
    assert score("", ["東京は日本の首都です。"], "大阪に城がある。").faithfulness < 0.3


def test_labelled_claims_held_back_are_told_apart_better_than_by_overlap() -> None:
    passages = read_passages()
    claims = [c for c in read_claims(passages) if passages[c.passage].held_back]
    contexts = {p.number: contexts_of(p, passages, wide=False) for p in passages}
    model = load("text/lexical").claim
    rows = np.array([features_of_claims(contexts[c.passage], [c.text], None)[0][1] for c in claims])
    good = np.array([c.good for c in claims])
    ours = auroc(good, rows @ np.array(model.weights))
    overlaps = [auroc(good, rows[:, support.LEXICAL.index(name)]) for name in ("unigrams", "bigrams")]
    assert ours > max(overlaps) + 0.03
    by_a_model = np.array([c.kind.startswith("model") for c in claims])
    assert auroc(good[by_a_model], (rows @ np.array(model.weights))[by_a_model]) > 0.8
    as_models_write = np.array([c.kind.startswith("plain") for c in claims])
    plain = [auroc(good[as_models_write], x[as_models_write]) for x in (ours_of(rows, model), rows[:, 0])]
    assert plain[0] > plain[1] + 0.05


def ours_of(rows: np.ndarray, model: Logistic) -> np.ndarray:
    return rows @ np.array(model.weights)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("1,200", "1200"),
        ("2.50", "2.5"),
        ("3k", "3000"),
        ("$4m", "4000000"),
        ("25%", "25"),
        ("21st", "21"),
        ("3.5.1", "3.5.1"),
    ],
)
def test_numbers_have_one_form(raw: str, value: str) -> None:
    assert number_value(raw) == value


def test_words_written_differently_have_one_stem() -> None:
    assert stem("closing") == stem("closed") == stem("closes") == stem("close")
    assert stem("went") == "go"


def test_sentences_end_where_they_end() -> None:
    text = "Dr. Moss met Mr. Reade in St. Ives at 3.15 p.m. They left.\nThen it rained!"
    assert sentences(text)[-1] == "Then it rained!"
    assert sentences(text)[0].startswith("Dr. Moss met Mr. Reade in St. Ives")


def test_identifiers_stay_whole_and_give_their_parts() -> None:
    found = {token.stem for token in tokens("reads main.sales.orders in OrdersJob.scala")}
    assert {"main.sales.orders", "sal", "order", "ordersjob.scala"} <= found
