"""The ways around, on checkpoints in a real Postgres, as the service keeps them."""

from collections.abc import AsyncIterator

import pytest

from graph.checkpointer import make_pool, make_saver
from tests.graph.threads import Thread
from tests.graph.ways_around import WaysAround


class TestPostgres(WaysAround):
    """The saver and the pool that a worker uses."""

    @pytest.fixture
    async def thread(self, database_url: str) -> AsyncIterator[Thread]:
        pool = make_pool(database_url, size=4)
        await pool.open()
        try:
            thread = Thread(saver=make_saver(pool))
            await thread.start()
            assert await thread.waits_at() == ("review",)
            yield thread
        finally:
            await pool.close()
