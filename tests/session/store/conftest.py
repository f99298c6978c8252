"""Every store: SQLite in a file, and a real Valkey."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.session.samples import Clock


@pytest.fixture(params=["embedded", "redis"])
def another(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], Store]:
    """Makes another store on the same place: what another process would have."""
    if request.param == "embedded":
        return lambda: EmbeddedStore(tmp_path / "sessions" / "sessions.db", clock)
    valkey = request.getfixturevalue("valkey")
    return lambda: RedisStore(valkey.url, clock)


@pytest.fixture
async def store(another: Callable[[], Store]) -> AsyncIterator[Store]:
    store = another()
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def other(another: Callable[[], Store], store: Store) -> AsyncIterator[Store]:
    """A second process on the same place."""
    other = another()
    await other.open()
    yield other
    await other.close()
