"""Real processes: a session ended in one is refused by every other within a second."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from gateway.errors import SessionsUnavailable
from gateway.session.keys import KeyRing
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.servers.valkey import Valkey
from tests.session.samples import an_account, an_identity, sessions_on, until

ROOT = Path(__file__).parent.parent.parent


async def other_process(place: str, keys: Path, cookie: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.session.other_process",
        place,
        str(keys),
        cookie,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"alive\n"
    return process


@pytest.mark.parametrize("kind", ["embedded", "redis"])
async def test_revocation_reaches_every_process_within_a_second(
    kind: str, tmp_path: Path, keys: KeyRing, request: pytest.FixtureRequest
) -> None:
    store: Store = EmbeddedStore(tmp_path / "sessions.db")
    place = str(tmp_path / "sessions.db")
    if kind == "redis":
        valkey: Valkey = request.getfixturevalue("valkey")
        store, place = RedisStore(valkey.url), valkey.url.reveal()
    sessions = sessions_on(store, keys)
    await sessions.start()
    cookie, session = await sessions.create(an_identity(), an_account(), None, time.time())
    others = [await other_process(place, tmp_path / "keys", cookie) for _ in range(2)]

    ended = time.monotonic()
    await sessions.end(session.key)
    for other in others:
        assert other.stdout is not None
        assert await asyncio.wait_for(other.stdout.readline(), 10) == b"refused\n"
    took = time.monotonic() - ended

    for other in others:
        assert await other.wait() == 0
    await sessions.stop()
    assert took < 1.0


async def test_a_redis_that_stops_and_comes_back(own_valkey: Valkey, keys: KeyRing) -> None:
    """Who is signed in goes on; who is not is told so; it is used again within two seconds. It
    came back empty, so everybody signs in again: unknown means no."""
    sessions = sessions_on(RedisStore(own_valkey.url), keys, grace=300)
    await sessions.start()
    cookie, _ = await sessions.create(an_identity(), an_account(), None, time.time())

    own_valkey.stop()
    for _ in range(20):
        assert await sessions.read(cookie, time.time()) is not None
    with pytest.raises(SessionsUnavailable):
        await sessions.create(an_identity(), an_account("al"), None, time.time())

    own_valkey.start()
    back = time.monotonic()
    while True:
        try:
            if await sessions.read(cookie, time.time()) is None:
                break
        except SessionsUnavailable:
            pass
        assert time.monotonic() - back < 5
        await asyncio.sleep(0.01)
    assert time.monotonic() - back < 2.0
    again, _ = await sessions.create(an_identity(), an_account(), None, time.time())
    assert await sessions.read(again, time.time()) is not None
    await sessions.stop()


async def test_a_redis_that_hangs_costs_one_request_a_second(
    own_valkey: Valkey, keys: KeyRing
) -> None:
    sessions = sessions_on(RedisStore(own_valkey.url), keys)
    await sessions.start()
    cookie, _ = await sessions.create(an_identity(), an_account(), None, time.time())
    own_valkey.freeze()
    await until(lambda: sessions.peek(cookie, time.time()) is not None)
    began = time.monotonic()
    for _ in range(1000):
        assert await sessions.read(cookie, time.time()) is not None
    assert time.monotonic() - began < 5.0
    own_valkey.thaw()
    await until(lambda: not sessions._store.is_gone, within=5.0)
    assert await sessions.read(cookie, time.time()) is not None
    await sessions.stop()
