"""Servers that misbehave in one way each, so that a client's real exception can be recorded."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

CRM_TOKEN_EXPIRED = {
    "error": "invalid_token",
    "error_description": "The access token expired at 2026-01-31T00:00:00Z",
}
QUOTA = {
    "code": "RATE_LIMIT_EXCEEDED",
    "message": "quota 'geocode-requests-per-minute' exceeded: limit 600, used 600",
    "retry_after_seconds": 60,
}
#: Weather -> status, headers, body.
ANSWERS: dict[str, tuple[int, dict[str, str], Any]] = {
    "fine": (200, {}, {"rows": []}),
    "token_expired": (401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}, CRM_TOKEN_EXPIRED),
    "throttled": (429, {"Retry-After": "60"}, {"message": "Too Many Requests"}),
    "quota": (429, {"Retry-After": "60"}, QUOTA),
    "unavailable": (503, {}, {"message": "no healthy upstream"}),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET and POST in the server's weather."""

    weather = "fine"

    def do_GET(self) -> None:
        """Answer, or stall."""
        if self.weather == "stall":
            time.sleep(60)
            return
        status, headers, body = ANSWERS[self.weather]
        payload = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """A client that is cut off is what we want, not an error."""
        try:
            super().handle()
        except (ConnectionError, OSError, ValueError):
            return


def serve_https(hosts: dict[str, str], folder: Path) -> dict[str, int]:
    """One HTTPS server for each host in the weather given; returns their ports. `folder/ca.pem` vouches for them."""
    names = ",".join(f"DNS:{host}" for host in hosts)
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=weather",
    ]
    command += ["-addext", f"subjectAltName={names}"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    ports = {}
    for host, weather in hosts.items():
        if weather == "reset":
            ports[host] = serve_resets()
            continue
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Weather", (Handler,), {"weather": weather})
        )
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports[host] = server.server_address[1]
    return ports


def serve_resets() -> int:
    """A TCP server that answers the first bytes with a reset."""
    return serve_hanging_up(struct.pack("ii", 1, 0))


def serve_hanging_up(linger: bytes = struct.pack("ii", 0, 0)) -> int:
    """A TCP server that takes a connection, reads a little and hangs up, as a database does that is restarting."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            connection, _ = listener.accept()
            connection.recv(64)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.close()

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
