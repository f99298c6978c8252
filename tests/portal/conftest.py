from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.journeys.browser import Browser
from tests.portal.world import World, a_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    async with Browser(world.origin) as browser:
        yield browser


@pytest.fixture
async def other_browser(world: World) -> AsyncIterator[Browser]:
    async with Browser(world.origin) as browser:
        yield browser
