"""Unity Catalog API: catalogs, schemas and tables, read only."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.box import box_of
from sandbox.reading import integer
from sandbox.refusal import invalid

PREFIX = "/api/2.1/unity-catalog"
Json = dict[str, Any]


async def assignment(request: Request) -> JSONResponse:
    """GET current-metastore-assignment"""
    workspace = box_of(request).workspace
    workspace.metastore.must_see("")
    return JSONResponse(
        {
            "metastore_id": "4f1b2c3d-0a1b-4c5d-8e9f-0123456789ab",
            "workspace_id": int(workspace.workspace_id),
            "default_catalog_name": workspace.metastore.default_catalog,
        }
    )


async def list_catalogs(request: Request) -> JSONResponse:
    """GET catalogs"""
    names = box_of(request).workspace.metastore.catalogs()
    return _page(request, "catalogs", [{"name": n, "full_name": n} for n in names])


async def list_schemas(request: Request) -> JSONResponse:
    """GET schemas of a catalog"""
    names = box_of(request).workspace.metastore.schemas(_required(request, "catalog_name"))
    return _page(request, "schemas", [_named(name) for name in names])


async def get_schema(request: Request) -> JSONResponse:
    """GET schemas/{full_name}"""
    full = request.path_params["full_name"]
    metastore = box_of(request).workspace.metastore
    metastore.must_see(full)
    metastore.tables_of(*full.split(".", 1)) if "." in full else metastore.schemas(full)
    return JSONResponse(_named(full))


async def list_tables(request: Request) -> JSONResponse:
    """GET tables of a schema"""
    catalog, schema = _required(request, "catalog_name"), _required(request, "schema_name")
    names = box_of(request).workspace.metastore.tables_of(catalog, schema)
    return _page(request, "tables", [_named(name) for name in names])


async def get_table(request: Request) -> JSONResponse:
    """GET tables/{full_name}, with its columns"""
    full = request.path_params["full_name"]
    columns = box_of(request).workspace.metastore.table(full)
    listed = [{"name": name, "position": n, "type_text": "string"} for n, name in enumerate(columns)]
    return JSONResponse({**_named(full), "table_type": "MANAGED", "columns": listed})


def _named(full: str) -> Json:
    catalog, _, rest = full.partition(".")
    schema, _, _ = rest.partition(".")
    return {
        "name": full.rsplit(".", 1)[-1],
        "full_name": full,
        "catalog_name": catalog,
        **({"schema_name": schema} if full.count(".") == 2 else {}),
    }


def _required(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise invalid(f"Missing required field: {name}")
    return value


def _page(request: Request, key: str, entries: list[Json]) -> JSONResponse:
    """One page: `max_results` entries from where `page_token` says; an empty list has no key at all."""
    size = integer(request.query_params, "max_results", 0) or len(entries) or 1
    if size < 0:
        raise invalid("max_results must not be negative.")
    start = integer(request.query_params, "page_token", 0)
    body: Json = {key: entries[start : start + size]} if entries else {}
    if start + size < len(entries):
        body["next_page_token"] = str(start + size)
    return JSONResponse(body)


def routes() -> list[Route]:
    """All routes of this module."""
    return [
        Route(f"{PREFIX}/current-metastore-assignment", assignment, methods=["GET"]),
        Route(f"{PREFIX}/catalogs", list_catalogs, methods=["GET"]),
        Route(f"{PREFIX}/schemas", list_schemas, methods=["GET"]),
        Route(f"{PREFIX}/schemas/{{full_name}}", get_schema, methods=["GET"]),
        Route(f"{PREFIX}/tables", list_tables, methods=["GET"]),
        Route(f"{PREFIX}/tables/{{full_name}}", get_table, methods=["GET"]),
    ]
