"""The service with e-mail, over a real SMTP server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from sandbox.mailbox import Mailbox
from sandbox.process import SandboxProcess
from tests.server_box import Box, opened

#: The address that links in messages begin with.
PUBLIC = "https://pitstop.example.com"


def by_mail(mailbox: Mailbox) -> dict[str, Any]:
    """The settings that send through this mailbox."""
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_security": "none",
        "public_url": PUBLIC,
    }


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """A real SMTP server; a test may stop it earlier."""
    found = Mailbox(tmp_path / "mail")
    found.start()
    yield found
    with contextlib.suppress(RuntimeError, OSError, AssertionError):
        found.stop()


@pytest.fixture
async def mailing(box_settings: Settings, sandbox: SandboxProcess, mailbox: Mailbox) -> AsyncIterator[Box]:
    """The service, sending through the mailbox."""
    async with opened(box_settings.model_copy(update=by_mail(mailbox)), sandbox) as found:
        yield found
