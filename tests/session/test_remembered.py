"""A session that ended stays ended, whatever the store remembers."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.errors import SessionsUnavailable
from gateway.session.model import Session
from gateway.session.remembered import Remembered
from gateway.session.store.embedded import EmbeddedStore
from tests.session.samples import Clock, a_session


class Forgetful(EmbeddedStore):
    """It has every session again; it may be cut off."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.loaded: list[str] = []
        self.ended: list[str] = []
        self.cut_off = False

    async def load(self, key: str) -> Session | None:
        if self.cut_off:
            raise SessionsUnavailable("cut off by the test")
        self.loaded.append(key)
        return None if key.startswith("known") else a_session(0.0, key=key)

    async def end(self, key: str) -> bool:
        self.ended.append(key)
        return True


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Forgetful:
    return Forgetful(tmp_path / "sessions.db", clock)


@pytest.fixture
def remembered(store: Forgetful, clock: Clock) -> Remembered:
    return Remembered(store, clock)


async def test_an_ending_is_remembered_for_ten_minutes(
    remembered: Remembered, clock: Clock
) -> None:
    remembered.heard("a")
    clock.pass_by(599)
    assert "a" in remembered
    clock.pass_by(2)
    assert "a" not in remembered


async def test_what_the_store_has_again_is_ended_again_and_nothing_else(
    store: Forgetful, remembered: Remembered, clock: Clock
) -> None:
    remembered.heard("old")
    clock.pass_by(400)
    for number in range(7):
        remembered.heard(f"{number}")
    remembered.heard("known to have ended")
    clock.pass_by(201)
    await remembered.end_again()
    assert store.loaded == []
    remembered.lost()
    store.cut_off = True
    await remembered.end_again()
    store.cut_off = False
    with capture_logs() as logs:
        await remembered.end_again()
        await remembered.end_again()
    assert sorted(store.ended) == [f"{number}" for number in range(7)]
    assert len(store.loaded) == 8
    assert [(log["event"], log["count"]) for log in logs] == [("sessions_ended_again", 7)]


async def test_memory_is_bounded_and_the_latest_stay(remembered: Remembered) -> None:
    for number in range(10_050):
        remembered.heard(f"{number}")
    assert len(remembered._until) == 10_000
    assert "49" not in remembered
    assert "50" in remembered
    assert "10049" in remembered
