"""DBFS, the download of volume files, workspace objects, and SCIM me."""

from __future__ import annotations

import base64
import binascii
import posixpath
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.box import box_of
from sandbox.files import EXTENSIONS, File, WorkspaceObject, children, dbfs_path, workspace_path
from sandbox.reading import body_of, flag, integer
from sandbox.refusal import Refusal, invalid, missing

MAX_READ = 1024 * 1024
DEFAULT_READ = MAX_READ // 2


async def dbfs_status(request: Request) -> JSONResponse:
    """GET dbfs/get-status"""
    box = box_of(request)
    path = dbfs_path(_path(request))
    file = box.workspace.files.dbfs.get(path)
    if file is None and not children(box.workspace.files.dbfs, path):
        raise missing(f"No file or directory exists on path {path}.")
    return JSONResponse(_file_info(path, file))


async def dbfs_list(request: Request) -> JSONResponse:
    """GET dbfs/list: a folder's entries, or the one file."""
    box = box_of(request)
    path = dbfs_path(_path(request))
    file = box.workspace.files.dbfs.get(path)
    found = {path: file} if file else children(box.workspace.files.dbfs, path)
    if not found:
        raise missing(f"No file or directory exists on path {path}.")
    return JSONResponse({"files": [_file_info(name, entry) for name, entry in found.items()]})


async def dbfs_read(request: Request) -> JSONResponse:
    """GET dbfs/read: base64, at most 1 MB a call."""
    box, query = box_of(request), request.query_params
    path = dbfs_path(_path(request))
    file = box.workspace.files.dbfs.get(path)
    if file is None:
        if children(box.workspace.files.dbfs, path):
            raise invalid(f"Cannot read {path}: it is a directory.")
        raise missing(f"No file or directory exists on path {path}.")
    offset, length = integer(query, "offset", 0), integer(query, "length", DEFAULT_READ)
    if offset < 0 or length < 0:
        raise invalid("The offset and length must not be negative.")
    if length > MAX_READ:
        raise Refusal(400, "MAX_READ_SIZE_EXCEEDED", f"The maximum read size is {MAX_READ} bytes.")
    part = file.content[offset : offset + length]
    return JSONResponse({"bytes_read": len(part), "data": base64.b64encode(part).decode()})


async def dbfs_put(request: Request) -> JSONResponse:
    """POST dbfs/put: a whole small file."""
    box, body = box_of(request), await body_of(request)
    path = dbfs_path(_absolute(str(body.get("path") or "")))
    if path in box.workspace.files.dbfs and not flag(body, "overwrite"):
        raise Refusal(
            400, "RESOURCE_ALREADY_EXISTS", f"A file or directory already exists at the input path {path}."
        )
    now = box.workspace.timeline.now
    box.workspace.files.put(path, _decoded(body.get("contents")), now)
    box.journal.action("write_file", now, {"path": path})
    return JSONResponse({})


async def volume_file(request: Request) -> Response:
    """GET or HEAD fs/files/...: a file of a volume, as it is."""
    box = box_of(request)
    path = dbfs_path(request.path_params["path"])
    file = box.workspace.files.dbfs.get(path)
    if file is None or not path.startswith("/Volumes/"):
        raise Refusal(404, "NOT_FOUND", f"The file being accessed is not found: {path}.")
    return Response(file.content, media_type="application/octet-stream")


async def volume_directory(request: Request) -> JSONResponse:
    """GET fs/directories/...: a folder of a volume."""
    box = box_of(request)
    path = dbfs_path(request.path_params["path"])
    found = children(box.workspace.files.dbfs, path)
    if not found or not path.startswith("/Volumes/"):
        raise Refusal(404, "NOT_FOUND", f"The directory being accessed is not found: {path}.")
    contents = [
        {
            "path": name,
            "name": posixpath.basename(name),
            "is_directory": file is None,
            **({"file_size": len(file.content), "last_modified": file.modified} if file else {}),
        }
        for name, file in found.items()
    ]
    return JSONResponse({"contents": contents})


async def workspace_status(request: Request) -> JSONResponse:
    """GET workspace/get-status"""
    box = box_of(request)
    path = _path(request)
    found = box.workspace.files.object(path)
    if found is not None:
        return JSONResponse(_object_info(found))
    folder = workspace_path(path).rstrip("/") + "/"
    if any(name.startswith(folder) for name in box.workspace.files.workspace):
        return JSONResponse({"object_type": "DIRECTORY", "path": folder.rstrip("/") or "/", "object_id": 1})
    raise missing(f"Path ({path}) doesn't exist.")


async def workspace_export(request: Request) -> Response:
    """GET workspace/export: the source of a notebook or the content of a file."""
    box, query = box_of(request), request.query_params
    path = _path(request)
    found = box.workspace.files.object(path)
    if found is None:
        raise missing(f"Path ({path}) doesn't exist.")
    if query.get("format", "SOURCE") not in {"SOURCE", "AUTO", "RAW"}:
        raise invalid(f"The sandbox exports notebooks as SOURCE, not as {query['format']}.")
    if flag(query, "direct_download"):
        return Response(found.content, media_type="application/octet-stream")
    kind = EXTENSIONS.get(
        found.language or "", "file" if "." not in found.path else found.path.rsplit(".", 1)[1]
    )
    return JSONResponse({"content": base64.b64encode(found.content).decode(), "file_type": kind})


async def workspace_import(request: Request) -> JSONResponse:
    """POST workspace/import: a notebook or a file, as JSON."""
    box, body = box_of(request), await body_of(request)
    path = _absolute(str(body.get("path") or ""))
    if box.workspace.files.object(path) and not flag(body, "overwrite"):
        raise Refusal(400, "RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
    now = box.workspace.timeline.now
    box.workspace.files.put_object(path, _decoded(body.get("content")), now, box.workspace.new_id())
    box.journal.action("write_file", now, {"path": path})
    return JSONResponse({})


async def me(request: Request) -> JSONResponse:
    """GET preview/scim/v2/Me: the service principal that the token stands for."""
    name = "pitstop-sandbox"
    return JSONResponse(
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"],
            "id": box_of(request).workspace.workspace_id,
            "userName": name,
            "displayName": name,
            "active": True,
            "entitlements": [{"value": "workspace-access"}],
        }
    )


def _path(request: Request) -> str:
    return _absolute(request.query_params.get("path", ""))


def _absolute(path: str) -> str:
    if not path:
        raise invalid("Missing required field: path")
    if not path.removeprefix("dbfs:").startswith("/"):
        raise invalid(f"Path must be absolute: {path}")
    return path


def _decoded(content: Any) -> bytes:
    try:
        return base64.b64decode(str(content or ""), validate=True)
    except binascii.Error as error:
        raise invalid("The content must be base64.") from error


def _file_info(path: str, file: File | None) -> dict[str, Any]:
    return {
        "path": path,
        "is_dir": file is None,
        "file_size": len(file.content) if file else 0,
        "modification_time": file.modified if file else 0,
    }


def _object_info(found: WorkspaceObject) -> dict[str, Any]:
    body = {
        "object_type": "NOTEBOOK" if found.language else "FILE",
        "path": found.path,
        "object_id": found.object_id,
        "created_at": found.modified,
        "modified_at": found.modified,
        "size": len(found.content),
    }
    return {**body, "language": found.language} if found.language else body


def routes() -> list[Route]:
    """All routes of this module."""
    return [
        Route("/api/2.0/dbfs/get-status", dbfs_status, methods=["GET"]),
        Route("/api/2.0/dbfs/list", dbfs_list, methods=["GET"]),
        Route("/api/2.0/dbfs/read", dbfs_read, methods=["GET"]),
        Route("/api/2.0/dbfs/put", dbfs_put, methods=["POST"]),
        Route("/api/2.0/fs/files/{path:path}", volume_file, methods=["GET", "HEAD"]),
        Route("/api/2.0/fs/directories/{path:path}", volume_directory, methods=["GET"]),
        Route("/api/2.0/workspace/get-status", workspace_status, methods=["GET"]),
        Route("/api/2.0/workspace/export", workspace_export, methods=["GET"]),
        Route("/api/2.0/workspace/import", workspace_import, methods=["POST"]),
        Route("/api/2.0/preview/scim/v2/Me", me, methods=["GET"]),
    ]
