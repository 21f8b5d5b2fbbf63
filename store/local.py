"""The database the settings name, or the embedded one, started for as long as it is needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from core.settings import Settings
from store.embedded import EmbeddedPostgres, running_url


@contextlib.asynccontextmanager
async def database_url(settings: Settings, *, share: bool = False) -> AsyncIterator[str]:
    """The address of the database; the embedded one runs until the end of the block.

    With `share`, the embedded one that a running Pitstop holds is used as it is.

    Raises:
        ConfigurationError: Another Pitstop holds the data folder, and `share` was not asked for.
    """
    held = running_url(settings.data_dir) if share and not settings.database_url else None
    if settings.database_url or held:
        yield settings.database_url or held or ""
        return
    embedded = EmbeddedPostgres(settings.data_dir)
    url = await asyncio.to_thread(embedded.start)
    try:
        yield url
    finally:
        await asyncio.to_thread(embedded.stop)
