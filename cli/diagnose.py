"""`pitstop diagnose`: from files to a cause and a proposal, with no server, database or model, and no network.

(Only a picture goes to Azure Document Intelligence, and only where that is configured.)
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.plain import cell, to_json

if TYPE_CHECKING:
    from core.incident import Diagnosis, Triad
    from knowledge.runbooks import Runbook
    from tools.diagnosis.files import Found
    from tools.log_reader import Templates

_STDIN = "-"


def diagnose(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Logs, run.json files, screenshots, folders holding these, or - for a log on stdin."
        ),
    ],
    jsonl: Annotated[bool, typer.Option("--jsonl", "--json", help="Print one JSON object a line.")] = False,
    good_log: Annotated[
        Path | None, typer.Option(help="The log of a good run; what also stands there weighs less.")
    ] = None,
) -> None:
    """Name the cause of a failed run, show the lines that prove it, and propose what to do."""
    from core.errors import InvalidInput

    diagnoser = Diagnoser(good_log)
    diagnoser.warm(_size(paths))
    failed = False
    for path in paths:
        try:
            answer = diagnoser.answer(path)
        except InvalidInput as error:
            failed = True
            answer = {"path": path, "error": str(error)}
        if jsonl:
            sys.stdout.write(to_json(answer, indent=None) + "\n")
            sys.stdout.flush()
        else:
            _show(answer)
    if failed:
        raise typer.Exit(1)


def _size(paths: list[str]) -> int:
    """How many bytes lie there, as far as that can be seen without reading them."""
    given = [Path(path) for path in paths if path != _STDIN]
    try:
        files = [file for path in given for file in (path.iterdir() if path.is_dir() else [path])]
        return sum(file.stat().st_size for file in files if file.is_file())
    except OSError:
        return 0  # Whoever reads the path will say what is wrong with it.


class Diagnoser:
    """Diagnoses many paths in one process: the catalogue and the runbooks are read once."""

    def __init__(self, good_log: Path | None = None) -> None:
        from core.settings import load_settings
        from knowledge.catalogue import load_catalogue
        from knowledge.runbooks import load_runbooks
        from tools.diagnosis import Engine
        from tools.diagnosis.files import good_templates
        from tools.ocr import PictureReader, Vocabulary

        settings = load_settings()
        self._engine: Engine = Engine(load_catalogue(settings.catalogue_dir))
        self._pictures = PictureReader.of(settings, Vocabulary.of(self._engine.catalogue))
        self._runbooks: list[Runbook] = load_runbooks()
        self._good: Templates | None = good_templates(good_log) if good_log else None

    def warm(self, upcoming: int) -> None:
        """Load what the first diagnosis would wait for; for `upcoming` bytes that pay it, compile the scanners too."""
        from tools.diagnosis import case_of_texts
        from tools.injection_scan import places, worth_compiling
        from tools.log_reader.scan import WORTH_COMPILING_BYTES, scanner_for

        self._engine.diagnose(case_of_texts({"": "Error: x"}))
        if upcoming >= WORTH_COMPILING_BYTES:
            scanner_for(upcoming)
            worth_compiling(upcoming)
            list(places(b"\n"))

    def answer(self, path: str) -> dict[str, Any]:
        """The answer for one path, as `--jsonl` prints it.

        Raises:
            InvalidInput: The path can't be read.
        """
        from core.policy import Rules
        from tools.proposals import propose

        started = time.perf_counter()
        found = self._read(path)
        diagnosis = self._engine.diagnose(found.case)
        run = found.case.run if found.case.run and found.case.run.settings else None
        proposal = propose(diagnosis, run, Rules(), self._engine.catalogue)
        runbook = self._runbook(diagnosis.failure_class)
        similar = [{"id": runbook.id, "title": runbook.title, "score": 1.0}] if runbook else []
        body = {
            "path": path,
            "category": diagnosis.category.value,
            "failure_class": diagnosis.failure_class,
            "transient": diagnosis.transient,
            "root_cause": diagnosis.root_cause,
            "evidence": [e.model_dump(mode="json") for e in diagnosis.evidence],
            "proposal": {
                "action": proposal.action.value,
                "params": proposal.params,
                "reason": proposal.reason,
            },
            "confidence": diagnosis.confidence,
            "triad": self._triad(diagnosis, runbook).model_dump(mode="json"),
            "similar": similar,
            "fingerprint": diagnosis.fingerprint,
            "secrets_redacted": diagnosis.secrets_redacted,
            "injection_suspected": diagnosis.injection_suspected,
            "seconds": round(time.perf_counter() - started, 4),
        }
        return {**body, "notes": found.notes} if found.notes else body

    def _read(self, path: str) -> "Found":
        from core.errors import InvalidInput
        from tools.diagnosis.files import case_of_path, case_of_stream

        if path == _STDIN:
            return case_of_stream(sys.stdin.buffer, good=self._good)
        if not Path(path).exists():
            raise InvalidInput(f"{path} does not exist.")
        return case_of_path(Path(path), good=self._good, pictures=self._pictures)

    def _runbook(self, failure_class: str) -> "Runbook | None":
        wanted = self._engine.catalogue.get(failure_class).runbook
        named = next((r for r in self._runbooks if failure_class in r.classes), None)
        return named or next((r for r in self._runbooks if r.id == wanted), None)

    def _triad(self, diagnosis: "Diagnosis", runbook: "Runbook | None") -> "Triad":
        from tools.triad import score

        contexts = [e.text for e in diagnosis.evidence] + ([runbook.text] if runbook else [])
        return score(self._engine.question(diagnosis), contexts, self._engine.answer(diagnosis))


def _show(answer: dict[str, Any]) -> None:
    """One answer for a person."""
    from rich.console import Console
    from rich.panel import Panel

    console = Console()
    if "error" in answer:
        Console(stderr=True).print(f"[red]{cell(answer['path'])}: {cell(answer['error'])}[/red]")
        return
    proposal = answer["proposal"]
    head = f"[bold]{answer['category']}[/bold] · {answer['failure_class']} · confidence {answer['confidence']:.2f}"
    if answer["injection_suspected"]:
        head += " · [yellow]the log gives orders; they were ignored[/yellow]"
    console.print(
        Panel(f"{cell(answer['root_cause'])}\n{head}", title=cell(answer["path"]), title_align="left")
    )
    for item in answer["evidence"]:
        lines = f"{item['line_start']}-{item['line_end']}"
        console.print(f"[cyan]{cell(item['source'])}:{lines}[/cyan]")
        console.print(cell(item["text"]), style="dim", highlight=False)
    console.print(f"[green]{proposal['action']}[/green] {cell(proposal['reason'])}")
    for change in proposal["params"].get("settings", []):
        console.print(f"  {cell(change['path'])}: {cell(change['current'])} -> {cell(change['proposed'])}")
    console.print()


if __name__ == "__main__":
    typer.run(diagnose)
