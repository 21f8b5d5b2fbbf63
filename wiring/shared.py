"""One runtime for everything that LangGraph's server loads in one process: graph, checkpointer, auth, HTTP app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from core.settings import load_settings
from wiring.runtime import Runtime, open_runtime

_lock = asyncio.Lock()
_stack = contextlib.AsyncExitStack()
_runtime: Runtime | None = None


async def shared_runtime() -> Runtime:
    """The process's runtime, opened at the first call."""
    global _runtime
    async with _lock:
        if _runtime is None:
            _runtime = await _stack.enter_async_context(open_runtime(load_settings()))
        return _runtime


@contextlib.asynccontextmanager
async def closing_shared() -> AsyncIterator[Runtime]:
    """The shared runtime, closed at the end of the block."""
    global _runtime
    try:
        yield await shared_runtime()
    finally:
        _runtime = None
        await _stack.aclose()
