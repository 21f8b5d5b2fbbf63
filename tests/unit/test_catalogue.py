"""The catalogue: our own files are sound, the user's are laid over them, and mistakes are pointed at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.actions import Action
from core.errors import ConfigurationError
from core.incident import Category
from knowledge.catalogue import UNKNOWN, load_catalogue

CATALOGUE = load_catalogue()

GOOD = """
family: ours
classes:
  - name: nightly_gate
    title: The nightly gate is closed
    category: data
    action: NOTIFY_OWNER
    recognise:
      - text: ['gate (\\w+) is closed']
    facts:
      gate: ['gate (\\w+) is']
    cause:
      - "The gate {gate} is closed."
      - "A gate is closed: {message}."
    owner: "Ask the people of the gate to open it."
"""


def test_it_covers_every_category_widely() -> None:
    counts = dict.fromkeys(Category, 0)
    for found in CATALOGUE.classes.values():
        counts[found.category] += 1
    assert len(CATALOGUE.classes) >= 150
    assert min(counts.values()) >= 8, counts


@pytest.mark.parametrize("name", sorted(CATALOGUE.classes))
def test_a_class_is_consistent(name: str) -> None:
    found = CATALOGUE.classes[name]
    assert found.recognise or name in (UNKNOWN, "run_too_long", "data_source_error", "object_in_wrong_state")
    assert name not in found.beats
    assert (found.action is Action.RETRY) <= found.transient
    assert found.category is not Category.UNKNOWN or found.action in (
        Action.ESCALATE,
        Action.NOTIFY_OWNER,
    ), "nobody reruns what nobody understands"
    assert found.category not in (Category.SYNTAX, Category.PERMISSION) or not found.transient


@pytest.mark.parametrize(
    ("sqlstate", "category"),
    [
        ("42P01", "data"),
        ("42V01", "data"),
        ("42703", "syntax"),
        ("42601", "syntax"),
        ("42ZZZ", "syntax"),
        ("42501", "permission"),
        ("28P01", "permission"),
        ("22012", "data"),
        ("23503", "data"),
        ("2D521", "data"),
        ("40P01", "data"),
        ("08006", "network"),
        ("53100", "resource"),
        ("53300", "resource"),
        ("54011", "resource"),
        ("55P03", "timeout"),
        ("57014", "timeout"),
        ("58030", "infrastructure"),
        ("P0001", "data"),
        ("42K03", "data"),
        ("42K02", "syntax"),
        ("0A000", "syntax"),
        ("39000", "syntax"),
    ],
)
def test_an_unseen_error_is_placed_by_its_sqlstate(sqlstate: str, category: str) -> None:
    placed = CATALOGUE.placed(sqlstate)
    assert placed is not None
    assert placed.category == category


def test_what_has_no_place_stays_unknown() -> None:
    assert CATALOGUE.placed("XX000") is None
    assert CATALOGUE.get("of_a_newer_version").name == UNKNOWN


def test_spark_conditions_have_their_sqlstate() -> None:
    assert CATALOGUE.sqlstate_of("TABLE_OR_VIEW_NOT_FOUND") == "42P01"
    assert CATALOGUE.sqlstate_of("UNRESOLVED_COLUMN.WITH_SUGGESTION") == "42703"
    assert CATALOGUE.sqlstate_of("NOT_THERE") is None


def test_the_users_folder_is_laid_over_ours(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(GOOD)
    (tmp_path / "mine.yaml").write_text(
        GOOD.replace("nightly_gate", "name_error").replace("family: ours", "family: mine")
    )
    catalogue = load_catalogue(tmp_path)
    assert catalogue.classes["nightly_gate"].family == "ours"
    assert catalogue.classes["name_error"].category is Category.DATA
    assert len(catalogue.classes) == len(CATALOGUE.classes) + 1


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("category: data", "category: dta", 6, "category"),
        ("title: The nightly gate is closed", "titel: x", 4, "title"),
        ("action: NOTIFY_OWNER", "action: TERMINATE", 4, "action must be one of"),
        ("action: NOTIFY_OWNER", "action: RETRY", 4, "transient"),
        ("'gate (\\w+) is closed'", "'gate (\\w+ is closed'", 9, "regular expression"),
        ("'gate (\\w+) is closed'", "'<<nothing>>'", 9, "no phrase"),
        ("'gate (\\w+) is'", "'gate is'", 11, "group"),
        ("{message}.", "{colour}.", 13, "{colour}"),
        ("- text:", "- txt:", 9, "txt"),
        ("category: data", "category: data\n    change: [{setting: a, by: y2}]", 7, "xN"),
    ],
)
def test_a_mistake_is_pointed_at(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_catalogue(tmp_path)
    assert f"{file}:{line}:" in str(caught.value), str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", ":2: not YAML"),
        ("- a\n- b", "a mapping"),
        (GOOD + GOOD.split("classes:")[1], "defined twice"),
        (GOOD.replace("action: N", "beats: [nobody]\n    action: N"), "nobody, which does not exist"),
        (
            GOOD.replace("nightly_gate", "name_error").replace(
                "action: N", "beats: [job_aborted]\n    action: N"
            )
            + GOOD.split("classes:")[1]
            .replace("nightly_gate", "job_aborted")
            .replace("action: N", "beats: [name_error]\n    action: N"),
            "each beat the other",
        ),
    ],
)
def test_a_file_that_is_no_family_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "ours.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        load_catalogue(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="PITSTOP_CATALOGUE_DIR"):
        load_catalogue(tmp_path / "nowhere")
