"""How words look within base64, so that what is encoded can be noticed without decoding everything."""

from __future__ import annotations

import base64
from collections.abc import Iterator


def base64_forms(word: str) -> Iterator[str]:
    """A word in base64, wherever it begins there: the characters that its neighbours have no part in."""
    for offset in range(3):
        raw = base64.b64encode(b"\0" * offset + word.encode()).decode().rstrip("=")
        first = (offset * 8 + 5) // 6
        whole = (offset + len(word)) * 8 // 6
        yield raw[first:whole]
