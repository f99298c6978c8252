"""One system for each proxy and module; its tests leave no trace."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.edge.conftest import make_world
from tests.forward_auth.front import PROXIES, Front, a_front
from tests.servers.node import OidcProvider

__all__ = ["front", "make_world"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(PROXIES))
async def front(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    oidc_provider: OidcProvider,
) -> AsyncIterator[Front]:
    folder = tmp_path_factory.mktemp(request.param)
    async with a_front(request.param, folder, oidc_provider) as front:
        yield front
