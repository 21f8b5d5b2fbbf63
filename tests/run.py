"""`make test`: every check there is, cheapest first, stopping at the first that fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
#: Tests never speak to anything but this machine, whatever the surroundings are configured for.
QUIET = {
    "LANGSMITH_TRACING": "false",
    "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "false",
    "TOKENIZERS_PARALLELISM": "false",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
}
FOREIGN = ("PITSTOP_", "DATABRICKS_", "DATABASE_URL", "OPENAI_", "AZURE_OPENAI_", "LANGSMITH_", "LANGCHAIN_")
STEPS: tuple[tuple[str, list[str]], ...] = (
    ("lint", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "--quiet", "."]),
    ("import contracts", ["lint-imports", "--no-cache"]),
    ("types", ["basedpyright", "--level", "error"]),
    (
        "unit, graph and migration tests",
        ["pytest", "-n", "2", "tests/unit", "tests/graph", "tests/migration"],
    ),
    ("contract and integration tests", ["pytest", "-n", "2", "tests/contract", "tests/integration"]),
    ("evals, held to their thresholds", ["pitstop", "evals", "run", "--local", "--out", ".cache/evals.json"]),
    ("end-to-end tests", ["pytest", "tests/e2e"]),
)


def main() -> int:
    """Run the steps; the exit status of the first that fails, or 0."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    began = time.monotonic()
    for name, command in STEPS:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, env=clean | QUIET)
        print(
            f"   {name}: {'ok' if done.returncode == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s",
            flush=True,
        )
        if done.returncode:
            return done.returncode
    print(f"\nAll {len(STEPS)} steps passed in {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
