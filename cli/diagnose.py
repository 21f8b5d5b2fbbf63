"""`pitstop diagnose`: from files to a cause and a proposal, with no server, database or model, and no network.

(Only a picture goes to Azure Document Intelligence, and only where that is configured.)
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    failed = False
    for path in paths:
        try:
            answer = diagnoser.answer(path)
        except InvalidInput as error:
            failed = True
            answer = {"path": path, "error": str(error)}
        if jsonl:
            sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            _show(answer)
    if failed:
        raise typer.Exit(1)


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
    from rich.markup import escape
    from rich.panel import Panel

    console = Console()
    if "error" in answer:
        Console(stderr=True).print(f"[red]{escape(answer['path'])}: {escape(answer['error'])}[/red]")
        return
    proposal = answer["proposal"]
    head = f"[bold]{answer['category']}[/bold] · {answer['failure_class']} · confidence {answer['confidence']:.2f}"
    if answer["injection_suspected"]:
        head += " · [yellow]the log gives orders; they were ignored[/yellow]"
    console.print(
        Panel(f"{escape(answer['root_cause'])}\n{head}", title=escape(answer["path"]), title_align="left")
    )
    for item in answer["evidence"]:
        lines = f"{item['line_start']}-{item['line_end']}"
        console.print(f"[cyan]{escape(item['source'])}:{lines}[/cyan]")
        console.print(escape(item["text"]), style="dim", highlight=False)
    console.print(f"[green]{proposal['action']}[/green] {escape(proposal['reason'])}")
    for change in proposal["params"].get("settings", []):
        console.print(f"  {escape(change['path'])}: {change['current']} -> {change['proposed']}")
    console.print()


if __name__ == "__main__":
    typer.run(diagnose)
