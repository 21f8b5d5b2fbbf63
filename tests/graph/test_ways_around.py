"""The ways around, on checkpoints in memory."""

import pytest

from tests.graph.threads import Thread
from tests.graph.ways_around import WaysAround


class TestInMemory(WaysAround):
    """LangGraph's own saver for tests, with our serializer."""

    @pytest.fixture
    async def thread(self) -> Thread:
        thread = Thread()
        await thread.start()
        assert await thread.waits_at() == ("review",)
        return thread
