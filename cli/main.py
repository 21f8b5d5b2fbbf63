"""The `pitstop` command: every group of commands in a file of its own, heavy imports only where they are needed."""

from __future__ import annotations

from typing import Any

import typer

from cli import (
    bench_logs,
    bench_retrieval,
    decisions,
    demo,
    diagnose,
    doctor,
    evals,
    groups,
    incidents,
    knowledge,
    review,
    service,
    templates,
    tokens,
    triad,
)


class Pitstop(typer.Typer):
    """The command; an expected failure is one clear message and status 1, never a traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from cli.plain import say
        from core.errors import PitstopError

        try:
            return super().__call__(*args, **kwargs)
        except PitstopError as error:
            say(f"pitstop: {error}", err=True)
            raise SystemExit(1) from None


app = Pitstop(
    name="pitstop",
    help="Gets failed Databricks jobs running again, with a person waving every action through.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

bench = typer.Typer(no_args_is_help=True, help="Measure Pitstop on this machine.")
bench.command("logs")(bench_logs.logs)
bench.command("retrieval")(bench_retrieval.retrieval)


@bench.callback()
def _bench() -> None:
    """Measure Pitstop on this machine."""


app.command()(demo.demo)
app.command()(service.serve)
app.command()(service.worker)
app.command()(service.watch)
app.command()(service.migrate)
app.command()(doctor.doctor)
app.command()(incidents.incidents)
app.command()(incidents.investigate)
app.command()(incidents.mute)
app.command("take-over")(incidents.take_over)
app.command()(incidents.close)
app.command()(groups.groups)
app.command()(review.review)
app.command()(decisions.approve)
app.command()(decisions.edit)
app.command()(decisions.reject)
app.command()(decisions.respond)
app.command()(decisions.delegate)
app.command()(decisions.extend)
app.command()(diagnose.diagnose)
app.command()(templates.templates)
app.command()(triad.triad)
app.add_typer(bench, name="bench")
app.add_typer(knowledge.app, name="knowledge", help="What the agent knows: add to it, search it, rebuild it.")
app.add_typer(evals.app, name="evals", help="Datasets and experiments, locally or in LangSmith.")
app.add_typer(tokens.app, name="tokens", help="API tokens: make, list, revoke.")


if __name__ == "__main__":
    app()
