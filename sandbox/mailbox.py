"""A mail server that keeps what it is sent, so that a demo's messages can be read."""

from __future__ import annotations

import socket
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller


class Mailbox:
    """SMTP on a free port of 127.0.0.1; each message becomes a file `NNNN.eml` in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages: list[EmailMessage] = []
        self._lock = threading.Lock()
        # The controller connects to itself to start, so port 0 is none for it.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Listen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._controller.start()

    def stop(self) -> None:
        """Stop listening."""
        self._controller.stop()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep one message."""
        with self._lock:
            message = cast(EmailMessage, message_from_bytes(envelope.content, policy=policy.default))
            self.messages.append(message)
            (self.folder / f"{len(self.messages):04d}.eml").write_bytes(envelope.content)
        return "250 OK"
