"""What a cluster left behind: its events, and the driver's logs where it was told to deliver them.

Logs lie at `<destination>/<cluster-id>/driver/{stdout,stderr,log4j-active.log}` (the documentation of
`cluster_log_conf`); the destination is on DBFS, in a volume, or in a bucket that only its owner can read.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from core.errors import WorkspaceError
from tools.databricks.connection import Connection
from tools.databricks.refusal import garbage

Json = dict[str, Any]

FILES = ("stderr", "stdout", "log4j-active.log")
#: Of each file the end is read. DBFS gives at most 1 MB a call.
MAX_FILE_BYTES = 4 * 1024 * 1024
CHUNK = 1024 * 1024
MAX_EVENTS = 50


@dataclass
class ClusterTraces:
    """Log texts by `cluster/<file>`, events oldest first, and what could not be read."""

    texts: dict[str, str] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class ClusterReader:
    """Reads clusters' traces; tasks that share a cluster and are read at the same time share the reading."""

    def __init__(
        self, connection: Connection, *, max_bytes: int = MAX_FILE_BYTES, events: bool = True
    ) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._with_events = events
        self._reading: dict[str, asyncio.Task[ClusterTraces]] = {}

    async def read(self, cluster_id: str, log_conf: Json | None) -> ClusterTraces:
        """Everything about one cluster; nothing that fails is raised, it is noted in `missing`.

        `log_conf` is its `cluster_log_conf` where that is known already.
        """
        task = self._reading.get(cluster_id)
        if task is None:
            task = asyncio.create_task(self._read(cluster_id, log_conf), name=f"cluster {cluster_id}")
            self._reading[cluster_id] = task
            task.add_done_callback(lambda _: self._reading.pop(cluster_id, None))
        return await asyncio.shield(task)

    async def _read(self, cluster_id: str, log_conf: Json | None) -> ClusterTraces:
        traces = ClusterTraces()
        try:
            traces.events = await self._events(cluster_id) if self._with_events else []
        except WorkspaceError as error:
            traces.missing.append(f"cluster events: {error}")
        try:
            folder = destination(log_conf or await self._log_conf(cluster_id))
        except WorkspaceError as error:
            traces.missing.append(f"cluster logs: {error}")
            return traces
        if folder is None:
            traces.missing.append("cluster logs: the cluster has no cluster_log_conf, so its logs are gone")
        elif not folder.startswith("/"):
            traces.missing.append(
                f"cluster logs: they are delivered to {folder}, which can't be read from here"
            )
        else:
            for name in FILES:
                await self._file(f"{folder}/{cluster_id}/driver/{name}", name, traces)
        return traces

    async def _events(self, cluster_id: str) -> list[Json]:
        body = {"cluster_id": cluster_id, "order": "DESC", "limit": MAX_EVENTS}
        what = f"the events of cluster {cluster_id}"
        answer = await self._connection.read("/api/2.1/clusters/events", what=what, body=body)
        events = answer.get("events") or []
        if not isinstance(events, list):
            raise garbage(what)
        return [event for event in reversed(events) if isinstance(event, dict)]

    async def _log_conf(self, cluster_id: str) -> Json | None:
        query = {"cluster_id": cluster_id}
        answer = await self._connection.read("/api/2.1/clusters/get", query, what=f"cluster {cluster_id}")
        found = answer.get("cluster_log_conf")
        return found if isinstance(found, dict) else None

    async def _file(self, path: str, name: str, traces: ClusterTraces) -> None:
        try:
            volume = path.startswith("/Volumes/")
            content, cut = await (self._volume_tail(path) if volume else self._dbfs_tail(path))
        except WorkspaceError as error:
            traces.missing.append(f"cluster/{name}: {error}")
            return
        text = content.decode("utf-8", errors="replace")
        if cut:
            text = text.partition("\n")[2]  # the first line is half a line
            traces.missing.append(f"cluster/{name}: only its last {len(content)} bytes were read")
        if text:
            traces.texts[f"cluster/{name}"] = text

    async def _dbfs_tail(self, path: str) -> tuple[bytes, bool]:
        what = f"file dbfs:{path}"
        status = await self._connection.read("/api/2.0/dbfs/get-status", {"path": path}, what=what)
        size = status.get("file_size")
        if not isinstance(size, int):
            raise garbage(what)
        start = offset = max(0, size - self._max_bytes)
        parts: list[bytes] = []
        while offset < size:
            query = {"path": path, "offset": offset, "length": min(CHUNK, size - offset)}
            answer = await self._connection.read("/api/2.0/dbfs/read", query, what=what)
            part = decoded(answer.get("data"), what)
            if not part:
                break  # it shrank meanwhile
            parts.append(part)
            offset += len(part)
        return b"".join(parts), start > 0

    async def _volume_tail(self, path: str) -> tuple[bytes, bool]:
        """The end of a file; a server that ignores the range gives all of it, up to sixteen times as much."""
        headers = {"Range": f"bytes=-{self._max_bytes}", "Accept": "application/octet-stream"}
        content = await self._connection.read_bytes(
            f"/api/2.0/fs/files{path}", what=f"file {path}", headers=headers, limit=16 * self._max_bytes
        )
        return content[-self._max_bytes :], len(content) >= self._max_bytes


def destination(log_conf: Json | None) -> str | None:
    """The folder that logs are delivered to: absolute for DBFS and volumes, an address for a bucket."""
    for place in (log_conf or {}).values():
        target = place.get("destination") if isinstance(place, dict) else None
        if isinstance(target, str) and target:
            return target.removeprefix("dbfs:").rstrip("/")
    return None


def decoded(data: Any, what: str) -> bytes:
    """Base64 content of a read.

    Raises:
        WorkspaceUnavailable: It is something else.
    """
    try:
        return base64.b64decode(data or "", validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise garbage(what) from error
