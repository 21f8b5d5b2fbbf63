"""The log of a job's last good run, so that what stands in every run's log weighs less in the failed one's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from core.errors import WorkspaceError
from core.run import TaskFacts
from tools.databricks import facts, reads, states
from tools.databricks.cluster_logs import ClusterReader
from tools.databricks.connection import Connection
from tools.log_reader import Templates

#: The end of each log that is read, in bytes, and how long reading may take, in seconds.
MAX_FILE_BYTES = 1024 * 1024
PATIENCE = 10.0
#: Lines are kept once a kind; so many kinds, and so much of a line.
MAX_LINES, MAX_LINE = 5000, 500


class GoodRuns:
    """Reads good runs' logs. Nothing that fails is raised: a good log is a help, never a need."""

    def __init__(self, connection: Connection, *, patience: float = PATIENCE) -> None:
        self._connection = connection
        self._clusters = ClusterReader(connection, max_bytes=MAX_FILE_BYTES, events=False)
        self._patience = patience

    async def log(self, run_id: int, task: TaskFacts, *, of_cluster: bool) -> tuple[str, list[str]]:
        """The lines, one of each kind, that `task` logged in a good run; and why there are none.

        Args:
            run_id: The good run.
            task: The failed task; the one of its key is read.
            of_cluster: Whether the failed task's cluster left logs, so that the good one's may have, too.
        """
        try:
            async with asyncio.timeout(self._patience):
                texts = await self._texts(run_id, task.task_key, of_cluster)
        except TimeoutError:
            return "", [f"good run {run_id}: its log was not there within {self._patience:g} seconds"]
        except WorkspaceError as error:
            return "", [f"good run {run_id}: {error}"]
        return await asyncio.to_thread(one_of_each_kind, texts), []

    async def _texts(self, run_id: int, task_key: str, of_cluster: bool) -> list[str]:
        run = await reads.run(self._connection, run_id)
        found = next((t for t in run.latest_tasks() if t.task_key == task_key), None)
        if found is None or states.result(found) != "SUCCESS":
            return []
        path, what = f"{reads.API}/jobs/runs/get-output", f"run {found.run_id}"
        body = await self._connection.read(path, {"run_id": found.run_id}, what=what, of_a_run=True)
        logs = body.get("logs")
        texts = [logs[-MAX_FILE_BYTES:]] if isinstance(logs, str) else []
        cluster_id = facts.task_facts(found).cluster_id
        if of_cluster and cluster_id:
            traces = await self._clusters.read(cluster_id, _log_conf(body))
            texts += traces.texts.values()
        return texts


def one_of_each_kind(texts: Iterable[str]) -> str:
    """The lines of some logs without those that differ from an earlier one in numbers and names only."""
    templates = Templates()
    seen: set[tuple[str, ...]] = set()
    kept: list[str] = []
    for line in (line[:MAX_LINE] for text in texts for line in text.splitlines()):
        signature = templates.signature(line)
        if signature and signature not in seen:
            seen.add(signature)
            kept.append(line)
            if len(kept) >= MAX_LINES:
                break
    return "\n".join(kept)


def _log_conf(body: object) -> dict[str, object] | None:
    """The `cluster_log_conf` inside an output's metadata, where it has one."""
    for name in ("metadata", "cluster_spec", "new_cluster", "cluster_log_conf"):
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else None
