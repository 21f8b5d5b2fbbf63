"""Fixtures of the service for these tests."""

from __future__ import annotations

from tests.server_box import box, box_settings, sandbox

__all__ = ["box", "box_settings", "sandbox"]
