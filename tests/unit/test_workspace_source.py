"""Which line failed, found in traces of all shapes, and its surroundings in the program."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest

from tools.databricks.notebook import page_text
from tools.databricks.source import Place, excerpt, failing_place, line_in_notebook

PLAIN = """Traceback (most recent call last):
  File "/Workspace/Users/me/etl/main.py", line 12, in <module>
    run()
  File "/Workspace/Users/me/etl/load data.py", line 40, in run
    spark.table(name).count()
  File "/databricks/spark/python/pyspark/sql/dataframe.py", line 1200, in count
    return int(self._jdf.count())
"""
IPYTHON = """---------------------------------------------------------------------------
AnalysisException                         Traceback (most recent call last)
File <command-4128>:7
      5 day = "x"
      6
----> 7 df = spark.table("sales")
      8 df.show()

File /databricks/spark/python/pyspark/instrumentation_utils.py:48, in _wrap_function()
     46 start = time.perf_counter()
---> 48     res = func(*args, **kwargs)
"""
MODULE = (
    IPYTHON
    + """
File /Workspace/Repos/etl/lib/load.py:9, in load()
----> 9 raise ValueError(name)
"""
)


@pytest.mark.parametrize(
    ("trace", "place"),
    [
        (PLAIN, Place("/Workspace/Users/me/etl/load data.py", 40)),
        (IPYTHON, Place(None, 7, 'df = spark.table("sales")')),
        (MODULE, Place("/Workspace/Repos/etl/lib/load.py", 9)),
        ("File <command-1>, line 3\nboom", Place(None, 3)),
        ("<command-77> in <module>\n----> 2 boom()", Place(None, 2, "boom()")),
        ('File "/databricks/python/lib/x.py", line 3', None),
        ("ValueError: no", None),
        ("", None),
    ],
)
def test_places(trace: str, place: Place | None) -> None:
    assert failing_place(trace) == place


NOTEBOOK = """# Databricks notebook source
x = 1

# COMMAND ----------

y = 2
load()

# COMMAND ----------
# MAGIC %md text

load()
z = 3
""".splitlines()


@pytest.mark.parametrize(
    ("place", "number"),
    [
        (Place(None, 2, "load()"), 7),
        (Place(None, 3, "load()"), 12),
        (Place(None, 9, "load()"), 7),
        (Place(None, 1, "gone()"), None),
        (Place(None, 4), 13),
        (Place(None, 2), None),
    ],
)
def test_lines_of_a_notebook(place: Place, number: int | None) -> None:
    assert line_in_notebook([*NOTEBOOK], place) == number


def test_the_excerpt_is_numbered_as_the_file() -> None:
    rows = excerpt("/x", [f"line {n}" for n in range(1, 101)], 50).splitlines()
    assert rows[0] == "# /x, line 50"
    assert (rows[1], rows[11], rows[-1]) == ("    40 | line 40", ">   50 | line 50", "    60 | line 60")
    assert excerpt("/x", ["only"], 1).splitlines()[1] == ">    1 | only"


def page(model: object) -> str:
    text = base64.b64encode(urllib.parse.quote(json.dumps(model)).encode()).decode()
    return f"<html><script>var __DATABRICKS_NOTEBOOK_MODEL = '{text}';</script><h1>t</h1></html>"


def test_a_page_with_a_model() -> None:
    commands = [
        {
            "position": 2.0,
            "command": "load()",
            "error": "ValueError: é",
            "errorSummary": "<span>ValueError</span>",
        },
        {"position": 1.0, "command": "x = 1", "results": {"data": [{"data": "<div>one<br>two</div>"}]}},
        "nonsense",
    ]
    assert page_text(page({"commands": commands})).splitlines() == [
        "# Cell 1",
        "x = 1",
        "one",
        "two",
        "",
        "# Cell 2",
        "load()",
        "ValueError",
        "ValueError: é",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<html><style>p{}</style><p>ValueError<script>x()</script></p></html>",
        "<p>ValueError</p><script>__DATABRICKS_NOTEBOOK_MODEL = '!!'</script>",
        "<p>ValueError</p><script>__DATABRICKS_NOTEBOOK_MODEL = 'aGk='</script>",
    ],
)
def test_a_page_without_a_readable_model(text: str) -> None:
    assert page_text(text) == "ValueError"
