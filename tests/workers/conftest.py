"""One gateway of two workers for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.workers.world import Gateway, a_gateway, tells_process


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Running, in front of a Sonar that says which process asked."""
    async with a_gateway(tmp_path) as gateway:
        gateway.sonar.script = tells_process
        await gateway.start()
        yield gateway
