"""Fixtures of the service for these tests."""

from __future__ import annotations

from tests.mailing import mailbox, mailing
from tests.server_box import box, box_settings, sandbox

__all__ = ["box", "box_settings", "mailbox", "mailing", "sandbox"]
