"""The sandbox, started once for each test module that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.jobs_api_box import Box, box
from tests.contract.workspace_box import Parts


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with box(tmp_path_factory.mktemp("scenarios")) as started:
        yield started


@pytest.fixture
def fair_weather(sandbox: Box) -> Iterator[None]:
    """No test leaves its faults or its webhook to the next one."""
    yield
    sandbox.control.clear_faults()
    sandbox.control.webhook(None)


@pytest.fixture
def parts(sandbox: Box) -> Parts:
    return Parts(sandbox)
