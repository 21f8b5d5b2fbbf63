"""The running service as the other commands reach it: over HTTP, with a token, like any other client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from core.errors import PitstopError

if TYPE_CHECKING:
    import httpx

    from core.settings import Settings


class Client:
    """Pitstop's API at the address the settings name."""

    def __init__(self, settings: Settings | None = None) -> None:
        import httpx

        from core.settings import load_settings

        settings = settings or load_settings()
        base = settings.public_url or f"http://{settings.host}:{settings.port}"
        headers = {"authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token else {}
        self._base = base
        self._http = httpx.Client(base_url=base, headers=headers, timeout=90)

    def get(self, path: str, **params: Any) -> Any:
        """GET a path under `/api/v1`."""
        return self._send("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST JSON to a path under `/api/v1`."""
        return self._send("POST", path, json=body or {})

    def _send(self, method: str, path: str, **options: Any) -> Any:
        import httpx

        try:
            answer = self._http.request(method, f"/api/v1{path}", **options)
        except httpx.HTTPError as error:
            raise PitstopError(
                f"Pitstop does not answer at {self._base}: {error}.",
                hint="Start it with `pitstop serve`, or set PITSTOP_PUBLIC_URL to where it runs.",
            ) from error
        if answer.is_success:
            return answer.json()
        raise PitstopError(*_problem(answer))


def _problem(answer: httpx.Response) -> tuple[str]:
    """The one line of a problem+json answer."""
    try:
        body = answer.json()
    except ValueError:
        return (f"Pitstop answered {answer.status_code}.",)
    words = [str(body.get(k) or "") for k in ("detail", "hint")]
    if answer.status_code == 401:
        words.append("Set PITSTOP_TOKEN to an API token (`pitstop tokens create NAME`).")
    return (" ".join(w for w in words if w) or f"Pitstop answered {answer.status_code}.",)


def show(value: Any, as_json: bool, human: str) -> None:
    """Print facts: as JSON for machines, as a line for people."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2) if as_json else human)
