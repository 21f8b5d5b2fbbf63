"""The workspace's files: DBFS and volumes in one tree, notebooks and workspace files in another."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

#: First line of a notebook in source format, and its language.
_NOTEBOOK_HEADERS = {
    "# Databricks notebook source": "PYTHON",
    "-- Databricks notebook source": "SQL",
    "// Databricks notebook source": "SCALA",
}
EXTENSIONS = {"PYTHON": "py", "SQL": "sql", "SCALA": "scala", "R": "r"}


@dataclass(frozen=True)
class File:
    """Content and modification time (epoch milliseconds)."""

    content: bytes
    modified: int


@dataclass(frozen=True)
class WorkspaceObject:
    """A notebook or a file of the workspace. `language` is None for a file."""

    path: str
    content: bytes
    modified: int
    object_id: int
    language: str | None


class Files:
    """Both trees; a folder is whatever is above a file."""

    def __init__(self) -> None:
        self.dbfs: dict[str, File] = {}
        self.workspace: dict[str, WorkspaceObject] = {}

    def put(self, path: str, content: bytes, when: int) -> None:
        """Write a DBFS or volume file."""
        self.dbfs[dbfs_path(path)] = File(content, when)

    def append(self, path: str, content: bytes, when: int) -> None:
        """Add to the end of a DBFS or volume file."""
        old = self.dbfs.get(dbfs_path(path))
        self.put(path, (old.content if old else b"") + content, when)

    def put_object(self, path: str, content: bytes, when: int, object_id: int) -> None:
        """Write a notebook (known by its first line) or a file of the workspace."""
        first = content.split(b"\n", 1)[0].decode("utf-8", errors="replace").strip()
        name = workspace_path(path)
        self.workspace[name] = WorkspaceObject(name, content, when, object_id, _NOTEBOOK_HEADERS.get(first))

    def object(self, path: str) -> WorkspaceObject | None:
        """The notebook or file at a path; a job may name a Python file without or with its extension."""
        name = workspace_path(path)
        return self.workspace.get(name) or self.workspace.get(f"{name}.py")


def dbfs_path(path: str) -> str:
    """A DBFS path without its scheme, absolute and normal."""
    return posixpath.normpath("/" + path.removeprefix("dbfs:").lstrip("/"))


def workspace_path(path: str) -> str:
    """A workspace path without its optional /Workspace in front."""
    path = posixpath.normpath("/" + path.strip("/"))
    return path.removeprefix("/Workspace") or "/"


def children(paths: dict[str, File], folder: str) -> dict[str, File | None]:
    """What is directly in a folder: full path -> file, None for a folder."""
    prefix = folder.rstrip("/") + "/"
    found: dict[str, File | None] = {}
    for path, file in paths.items():
        if path.startswith(prefix):
            name, _, deeper = path[len(prefix) :].partition("/")
            found[prefix + name] = None if deeper else file
    return dict(sorted(found.items()))
