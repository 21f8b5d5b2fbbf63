"""The running service as the other commands reach it: over HTTP, with a token, like any other client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.plain import plain, to_json
from core import errors
from core.errors import PitstopError

if TYPE_CHECKING:
    import httpx

    from core.settings import Settings

#: What an answer's status means, in our own words.
_REFUSALS: dict[int, type[PitstopError]] = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    410: errors.Gone,
    422: errors.InvalidInput,
}


class NoAnswer(PitstopError):
    """No answer came, or 5xx: what was sent may have been taken all the same."""


class Client:
    """Pitstop's API.

    Args:
        settings: Where it runs and whose token speaks; the environment's without.
        url: Where it runs, instead of what the settings say.
        timeout: Seconds that an answer may take.
    """

    def __init__(
        self, settings: Settings | None = None, *, url: str | None = None, timeout: float = 90
    ) -> None:
        import httpx

        from core.settings import load_settings

        settings = settings or load_settings()
        self.url = (url or settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
        # How the decision came, for the audit trail.
        headers = {"x-pitstop-door": "terminal"}
        if settings.token:
            headers["authorization"] = f"Bearer {settings.token.get_secret_value()}"
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)
        except (httpx.InvalidURL, ValueError) as error:
            raise errors.InvalidInput(f"{self.url} is no address of a service: {error}.") from error

    def get(self, path: str, **params: Any) -> Any:
        """GET a path under `/api/v1`. Raises: as `post`."""
        return self._send("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(self, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Any:
        """POST JSON to a path under `/api/v1`.

        Args:
            key: The same for a second try of the same body, which is then answered as the first one was.

        Raises:
            Unauthenticated, Forbidden, NotFound, Conflict, Gone, InvalidInput: As the service says.
            NoAnswer: It does not answer, or can't do it now.
            PitstopError: It answers with another status.
        """
        return self._send("POST", path, json=body or {}, headers={"idempotency-key": key} if key else {})

    def upload(self, path: str, file: Path) -> Any:
        """POST a file to a path under `/api/v1`. Raises: InvalidInput: it can't be read; else as `post`."""
        try:
            content = file.read_bytes()
        except OSError as error:
            raise errors.InvalidInput(f"{file} can't be read: {error.strerror}.") from error
        return self._send("POST", path, files={"file": (file.name, content)})

    def _send(self, method: str, path: str, **options: Any) -> Any:
        import httpx

        try:
            answer = self._http.request(method, f"/api/v1{path}", **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(
                f"Pitstop does not answer at {self.url}: {error}.",
                hint="Start it with `pitstop serve`, or set PITSTOP_PUBLIC_URL to where it runs.",
            ) from error
        if not answer.is_success:
            raise _refusal(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise PitstopError(
                f"What answers at {self.url} is not Pitstop.", hint="Check PITSTOP_PUBLIC_URL."
            ) from error


def _refusal(answer: httpx.Response) -> PitstopError:
    """A problem+json answer as the error it tells of."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    known = body if isinstance(body, dict) else {}
    message = plain(known.get("detail") or f"Pitstop answered {answer.status_code}.")
    hints = [plain(known.get("hint") or "")]
    if answer.status_code == 401:
        hints.append("Set PITSTOP_TOKEN to an API token (`pitstop tokens create NAME`).")
    kind = _REFUSALS.get(answer.status_code, NoAnswer if answer.is_server_error else PitstopError)
    return kind(message, hint=" ".join(hint for hint in hints if hint))


def show(value: Any, as_json: bool, human: str) -> None:
    """Print facts: as JSON for machines, as a line for people."""
    typer.echo(to_json(value) if as_json else plain(human))
