"""What changes about a session changes on every process, on either store."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.session.changes import Change
from gateway.session.keys import KeyRing
from gateway.session.live import Live, Sessions
from gateway.session.model import Grant, Session
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.session.samples import PATIENCE, Clock, an_account, an_identity, sessions_on
from tests.session.stores import CutStore


class Processes:
    """Two processes on one store, and a session that both know."""

    def __init__(self, here: Sessions, there: Sessions, clock: Clock) -> None:
        self.here, self.there, self.clock = here, there, clock
        self.cookie, self.key = "", ""

    async def sign_in(self) -> None:
        identity = replace(an_identity(), auth_time=self.clock() - 3600)
        self.cookie, session = await self.here.create(identity, an_account(), None, self.clock())
        self.key = session.key
        assert await self.there.read(self.cookie, self.clock()) is not None

    async def known(self, sessions: Sessions) -> Live:
        live = await sessions.read(self.cookie, self.clock())
        assert live is not None
        return live


@pytest.fixture(params=["embedded", "redis"])
async def processes(
    request: pytest.FixtureRequest, tmp_path: Path, keys: KeyRing, clock: Clock
) -> AsyncIterator[Processes]:
    def store() -> Store:
        if request.param == "embedded":
            return EmbeddedStore(tmp_path / "sessions.db", clock)
        return RedisStore(request.getfixturevalue("valkey").url, clock)

    both = [sessions_on(store(), keys, clock) for _ in range(2)]
    for each in both:
        await each.start()
    processes = Processes(both[0], both[1], clock)
    await processes.sign_in()
    yield processes
    for each in both:
        await each.stop()


async def told(processes: Processes, sessions: Sessions, line: bytes) -> None:
    """Wait until upstream is told `line`, by a session found as requests find it."""
    began = time.monotonic()
    while line not in (await processes.known(sessions)).identity_headers(processes.clock()):
        assert time.monotonic() - began < PATIENCE
        await asyncio.sleep(0.01)


async def test_a_new_username_is_told_everywhere(processes: Processes) -> None:
    live = await processes.known(processes.here)
    await processes.here.changes.tell(live, an_account("jane"))
    assert b"X-Sonar-Username: jane" in live.identity_headers(processes.clock())
    await told(processes, processes.there, b"X-Sonar-Username: jane\r\n")


async def test_telling_what_is_known_writes_nothing(processes: Processes) -> None:
    live = await processes.known(processes.here)
    await processes.there.end(processes.key)
    await processes.here.changes.tell(live, an_account())


async def test_a_proof_makes_auth_time_newer_and_never_older(processes: Processes) -> None:
    now = processes.clock()
    await processes.here.changes.prove(processes.key, auth_time=now - 10)
    await processes.there.changes.prove(processes.key, password_at=now - 20)
    await processes.there.changes.prove(processes.key, auth_time=now - 7200)

    for sessions in (processes.here, processes.there):
        session = await sessions.changes.reread(processes.key)
        assert session is not None
        assert session.identity.auth_time == session.auth_time == now - 10
        assert session.password_at == now - 20


async def test_two_changes_at_once_are_both_kept(processes: Processes) -> None:
    live, now = await processes.known(processes.there), processes.clock()
    await asyncio.gather(
        processes.here.changes.prove(processes.key, password_at=now),
        processes.there.changes.tell(live, an_account("jane")),
    )
    session = await processes.here.changes.reread(processes.key)
    assert session is not None
    assert (session.password_at, session.account.username) == (now, "jane")


async def test_another_change_that_is_told_before_ours_has_come_back_counts(
    store: CutStore,
    sessions: Sessions,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It came after ours, so that what we wrote is not what the store has."""
    cookie, session = await sessions.create(an_identity(), an_account(), None, clock())
    change = store.change

    async def and_then_another(key: str, ours: Change) -> Session | None:
        changed = await change(key, ours)
        await change(key, lambda session: replace(session, account=an_account("jane")))
        store.tell_change(key)
        return changed

    monkeypatch.setattr(store, "change", and_then_another)
    await sessions.changes.prove(session.key, password_at=clock())
    live = await sessions.read(cookie, clock())
    assert live is not None
    assert live.session.account.username == "jane"


async def test_what_has_ended_is_not_changed_into_life(processes: Processes) -> None:
    live = await processes.known(processes.here)
    await processes.there.end(processes.key)
    await processes.here.changes.tell(live, an_account("jane"))
    await processes.here.changes.prove(processes.key, auth_time=processes.clock())
    assert await processes.here.changes.reread(processes.key) is None


async def test_a_refresh_token_is_in_no_memory_however_the_session_comes_there(
    processes: Processes,
) -> None:
    def granted(session: Session) -> Session:
        return replace(session, grant=Grant("sealed", processes.clock()))

    stored = await processes.here.changes.make(processes.key, granted)
    assert stored is not None
    assert stored.grant is not None
    assert "sealed'" not in repr(stored)
    for sessions in (processes.here, processes.there):
        assert (await processes.known(sessions)).session.grant is None
        assert (await sessions.changes.reread(processes.key)) is not None
        assert (await processes.known(sessions)).session.grant is None
