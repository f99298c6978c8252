"""One gateway for each test, on the event loop of production."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.edge.world import World


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], uvloop.Loop]]:
    return {"uvloop": uvloop.new_event_loop}


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(tmp_path: Path) -> AsyncIterator[MakeWorld]:
    """Start a gateway with sections of config.yaml: `await make_world(upstream={...})`."""
    made: list[World] = []

    async def make(**settings: Any) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        world = World(folder, **settings)
        made.append(world)
        await world.start()
        return world

    yield make
    for world in made:
        await world.stop()


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world()
