"""`pitstop bench retrieval`: recall and time of the search among 1,000 to 100,000 incidents, and what it finds."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evals.retrieval import Report


def retrieval(
    sizes: Annotated[
        str, typer.Option(help="Numbers of incidents, with commas between.")
    ] = "1000,10000,100000",
    real: Annotated[
        int, typer.Option(help="So many incidents are really embedded; further vectors are derived.", min=500)
    ] = 4000,
    questions: Annotated[int, typer.Option(help="Questions at each size.", min=20)] = 200,
    folder: Annotated[Path | None, typer.Option(help="Where to put the index for a while.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the measurements as JSON.")] = False,
) -> None:
    """Compare the hybrid search, and Chroma's graph alone, with exact search; ask in other words."""
    from core.errors import InvalidInput
    from evals.retrieval import measure
    from knowledge.embeddings import MiniLM

    try:
        wanted = sorted({int(size) for size in sizes.split(",")})
    except ValueError as error:
        raise InvalidInput(
            "--sizes takes numbers with commas between.", hint="Such as 1000,10000."
        ) from error
    if wanted[0] < 500:
        raise InvalidInput("--sizes: at least 500 incidents are needed.")
    with tempfile.TemporaryDirectory(prefix="pitstop-bench-", dir=folder) as scratch:
        report = measure(
            wanted,
            MiniLM(),
            Path(scratch),
            real=real,
            asked=questions,
            tell=lambda what: typer.echo(f"{what} ...", err=True),
        )
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
        return
    _print(report)


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(
        "incidents", "built in s", "hybrid recall@5", "graph recall@5", title="Against exact search"
    )
    for name in ("hybrid p50", "p99", "graph p50", "p99", "exact p50 ms"):
        table.add_column(name, justify="right")
    for row in report.sizes:
        recalls = f"{row.hybrid_recall:.3f}", f"{row.hnsw_recall:.3f}"
        times = (row.hybrid_p50, row.hybrid_p99, row.hnsw_p50, row.hnsw_p99, row.exact_p50)
        table.add_row(
            f"{row.incidents:,}", f"{row.build_seconds:.1f}", *recalls, *(f"{ms:.1f}" for ms in times)
        )
    console.print(table)
    found = Table("search", "runbook hit@5", "MRR", "incident hit@5", "MRR", title="Asked in other words")
    for line in report.quality:
        figures = (line.runbook_hit, line.runbook_mrr, line.incident_hit, line.incident_mrr)
        found.add_row(line.search, *(f"{figure:.3f}" for figure in figures))
    console.print(found)
    console.print(
        f"{report.real_embeddings:,} incidents really embedded ({report.embedding_seconds:.0f} s); the vector of any"
        " further one is that of a real one of the same failure plus the difference of two real wordings of another."
        f" {report.questions} really embedded questions a size, with the keys of their failure; embedding one takes"
        f" {report.query_embedding_p50:.0f} ms, which the times leave out. Building leaves out embedding and"
        " redaction. All searches go to Pitstop's own Chroma server."
        f" In other words: {report.asks} questions written by hand, to {report.labelled:,} incidents"
        " and all runbooks; right is a runbook for the class, an incident of the class.",
        highlight=False,
    )
