"""A gateway's edge to attack."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.edge.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    await world.start()
    yield world
    await world.stop()
