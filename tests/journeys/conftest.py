"""One world a journey."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.journeys.world import World, a_world
from tests.servers.node import OidcProvider


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path, oidc_provider: OidcProvider) -> AsyncIterator[World]:
    async with a_world(tmp_path, oidc_provider) as world:
        yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(
    tmp_path_factory: pytest.TempPathFactory, oidc_provider: OidcProvider
) -> AsyncIterator[World]:
    """One world for a whole module of tests that leave no trace."""
    async with a_world(tmp_path_factory.mktemp("world"), oidc_provider) as world:
        yield world
