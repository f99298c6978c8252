"""Fixtures of the session tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.session.keys import KeyRing
from gateway.session.live import Sessions
from tests.session.samples import Clock, new_keys, sessions_on
from tests.session.stores import CutStore


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return new_keys(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> CutStore:
    return CutStore(tmp_path / "sessions.db", clock)


@pytest.fixture
async def sessions(store: CutStore, keys: KeyRing, clock: Clock) -> AsyncIterator[Sessions]:
    sessions = sessions_on(store, keys, clock)
    await sessions.start()
    yield sessions
    await sessions.stop()
