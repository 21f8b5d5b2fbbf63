"""What is made of the words that a machine saw on a picture: lines, names, and no secrets."""

from __future__ import annotations

import pytest

from knowledge.catalogue import load_catalogue
from tools.ocr import Vocabulary
from tools.ocr.layout import Piece, lines_of
from tools.ocr.secrets import redact_read


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return Vocabulary.of(load_catalogue())


def test_pieces_become_lines_with_their_indentation() -> None:
    pieces = [
        Piece("raise X", 50, 32, 120, 46),
        Piece("Traceback:", 10, 10, 110, 24),
        Piece("here", 150, 11, 190, 25),
    ]
    assert lines_of(pieces) == ["Traceback:    here", "    raise X"]
    assert lines_of([]) == []


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("java.lang.0utofMemoryErr0r: Java heap space", "java.lang.OutOfMemoryError: Java heap space"),
        ("[TABLE_0R_VIEW_N0T_F0UND] The table", "[TABLE_OR_VIEW_NOT_FOUND] The table"),
        ("[TABLE OR VIEW_NOT FOUND] The table", "[TABLE_OR_VIEW_NOT_FOUND] The table"),
        ("[UNRESOLVED_C0LUMN.WlTH_SUGGESTlON] A", "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A"),
        ("ModuleNotFoundEror: No module", "ModuleNotFoundError: No module"),
        ("io.delta.ConcurrentAppendExcepti0n: x", "io.delta.ConcurrentAppendException: x"),
        ("Traceback(most recent cal1 last);", "Traceback (most recent call last):"),
        ("Causedby: java.io.lOException: full", "Caused by: java.io.IOException: full"),
        ('File"/app/etl.py",line12,in main', '  File "/app/etl.py", line 12, in main'),
        (
            "at java.base/java. lang.Thread.run(Thread .java: 840)",
            "\tat java.base/java.lang.Thread.run(Thread.java:840)",
        ),
    ],
)
def test_misread_names_are_mended(words: Vocabulary, read: str, meant: str) -> None:
    assert words.mend([read]) == [meant]


@pytest.mark.parametrize(
    "line",
    [
        "the table or view was not found; check schema not found",
        "HTTPError: 503 Server Error: Service Unavailable for url: https://a.example.com",
        "connect(host=host, connect_timeout=10, timeout=3)",
        "value error while reading the file, memory error avoided",
        "at least two orders are late",
        "df = spark.table('main.sales.orders').withColumn('io', lit(0))",
    ],
)
def test_prose_and_code_stay_as_they_were_read(words: Vocabulary, line: str) -> None:
    assert words.mend([line]) == [line]


def test_what_a_window_broke_is_joined(words: Vocabulary) -> None:
    broken = [
        'OperationalError: connection to server at "10.1.1.5" failed: FATAL: password authentication fail',
        'ed for user "etl"',
        "at the end of the job the rows are counted",
    ]
    assert words.mend(broken) == [broken[0] + broken[1], broken[2]]
    prose = [
        "The table or view that the job of the accountants reads was not found in the",
        "catalog of today",
    ]
    assert words.mend(prose) == [" ".join(prose)]


@pytest.mark.parametrize(
    "after",
    [
        "2026-01-31 08:00:00 INFO next",
        "    indented()",
        "Caused by: java.io.IOException: x",
        "org.apache.spark.SparkException: Job aborted",
        "java.lang.IllegalStateException: x",
        "KeyError: 'day'",
        "\tat java.lang.Thread.run(Thread.java:840)",
    ],
)
def test_what_begins_anew_is_not_joined(words: Vocabulary, after: str) -> None:
    longest = "File /databricks/python/lib/python3.11/site-packages/requests/adapters.py:742, in send(self"
    assert len(words.mend([longest, after])) == 2


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("token=dapi0123456789abcdef0123456789abcdef", "0123456789abcdef"),
        ("using dapi 0123 4567 89ab cdef 0123 4567 89ab cdef to sign in", "89ab"),
        ("using dapl0123456789abcdef0123456789abcdef to sign in", "0123456789"),
        ("export AWS AKlA1234567890ABCDEF", "1234567890"),
        ("passw0rd: hunter2-x9", "hunter2"),
        ("pas sword=Tr0ub4dor&3", "Tr0ub4dor"),
        ("client_5ecret = zK8Q9sdfkjh23 kjhsdf98", "kjhsdf98"),
        ("Authorization; Bearer abc.def.ghi-123", "abc.def"),
        ("acc0unt.key.lake aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5", "aB3dE5"),
    ],
)
def test_secrets_go_as_a_machine_misreads_them(line: str, secret: str) -> None:
    clean = redact_read(f"before\n{line}\nafter")
    assert secret not in clean.text
    assert clean.count >= 1
    assert [clean.text.split("\n")[n] for n in (0, 2)] == ["before", "after"]


def test_a_secret_that_is_wrapped_goes_whole() -> None:
    clean = redact_read("spark.conf.set('k', 'dapi0123456789abcdef01\n23456789abcdef0')\nTraceback follows")
    assert "23456789" not in clean.text
    assert clean.text.endswith("Traceback follows")


@pytest.mark.parametrize(
    "line",
    [
        "org.apache.spark.sql.catalyst.analysis.UnresolvedException$2: token: expired",
        "job 81203948812 run 6c1b2c3d-0a1b-4c5d-8e9f-0123456789ab failed",
        "/Workspace/etl/load_2024_customers_v2/part-00001.py line 12",
        "Invalid password: must be longer",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redact_read(line).text == line
