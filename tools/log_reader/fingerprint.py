"""A short name for a failure that is the same in every run that fails alike."""

from __future__ import annotations

import hashlib

from tools.log_reader.blocks import Block


def fingerprint(block: Block) -> str:
    """16 hex digits."""
    return hashlib.sha256(f"{block.exception}|{block.message[:100]}".encode()).hexdigest()[:16]
