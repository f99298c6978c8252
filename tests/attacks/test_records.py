"""Somebody who can write to the session store, and has a session of their own, but no key."""

import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from gateway.session.keys import KeyRing
from gateway.session.live import Sessions
from gateway.session.model import Session
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.servers.valkey import Valkey
from tests.session.samples import an_account, an_identity, new_keys, sessions_on

MALLORY = an_identity("mallory@acme.example", subject="mallory")
JO = an_identity("jo@acme.example", subject="jo")


@dataclass(frozen=True)
class Place:
    """A store as whoever may write to it sees it, past the gateway. `new`: one more client of it,
    as another process has."""

    new: Callable[[], Store]
    read: Callable[[str], bytes]
    write: Callable[[str, bytes], object]


@pytest.fixture(params=["embedded", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "embedded":
        yield in_a_file(tmp_path / "sessions.db")
        return
    valkey: Valkey = request.getfixturevalue("valkey")
    with redis.Redis.from_url(valkey.url.reveal()) as server:
        yield Place(
            lambda: RedisStore(valkey.url),
            lambda key: server.hget(f"sonar:session:{key}", "record") or b"",
            lambda key, record: server.hset(f"sonar:session:{key}", "record", record),
        )


def in_a_file(file: Path) -> Place:
    def ask(statement: str, *values: object) -> bytes:
        with closing(sqlite3.connect(file, timeout=5)) as database, database:
            row = database.execute(statement, values).fetchone()
            return b"" if row is None else bytes(row[0])

    return Place(
        lambda: EmbeddedStore(file),
        lambda key: ask("SELECT record FROM sessions WHERE key = ?", key),
        lambda key, record: ask("UPDATE sessions SET record = ? WHERE key = ?", record, key),
    )


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return new_keys(tmp_path)


@pytest.fixture
async def sessions(place: Place, keys: KeyRing) -> AsyncIterator[Sessions]:
    sessions = sessions_on(place.new(), keys)
    await sessions.start()
    yield sessions
    await sessions.stop()


async def elsewhere(place: Place, keys: KeyRing, cookie: str) -> Session | None:
    """Who this cookie is at a process that has not seen it."""
    other = sessions_on(place.new(), keys)
    await other.start()
    try:
        live = await other.read(cookie, time.time())
        return None if live is None else live.session
    finally:
        await other.stop()


# What one makes of the record of a session of one's own, and Jo's.
FORGERIES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "the account changed": lambda own, _jos: own.replace(b"id-mallory", b"id-jo"),
    "the identity changed": lambda own, _jos: own.replace(b"mallory@", b"jo@").replace(
        b'"local":"mallory"', b'"local":"jo"'
    ),
    "a longer life": lambda own, _jos: own.replace(b'"lifetime":86400', b'"lifetime":99999999'),
    "somebody else's, under one's own key": lambda own, jos: jos.replace(
        json.loads(jos)["session"]["key"].encode(), json.loads(own)["session"]["key"].encode()
    ),
    "somebody else's MAC": lambda own, jos: (
        own.replace(b"id-mallory", b"id-jo").rpartition(b',"mac"')[0]
        + b',"mac"'
        + jos.rpartition(b',"mac"')[2]
    ),
    "no MAC, as versions before had none": lambda own, _jos: (
        own.rpartition(b',"mac"')[0].replace(b"id-mallory", b"id-jo") + b"}"
    ),
    "version 2": lambda own, _jos: (
        own.rpartition(b',"mac"')[0].replace(b'"version":3', b'"version":2') + b"}"
    ),
    "a later version": lambda own, _jos: own.replace(b'"version":3', b'"version":9').replace(
        b"id-mallory", b"id-jo"
    ),
    "two MACs": lambda own, _jos: (
        own.replace(b"id-mallory", b"id-jo")[:-1] + b',"mac"' + own.rpartition(b',"mac"')[2]
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_nobody_becomes_somebody_else_by_writing_to_the_store(
    forgery: str, place: Place, sessions: Sessions, keys: KeyRing
) -> None:
    now = time.time()
    cookie, own = await sessions.create(MALLORY, an_account("mallory"), None, now)
    _, jos = await sessions.create(JO, an_account("jo"), None, now)
    right = place.read(own.key)
    forged = FORGERIES[forgery](right, place.read(jos.key))
    assert forged != right
    assert await elsewhere(place, keys, cookie) == own

    place.write(own.key, forged)

    assert await elsewhere(place, keys, cookie) is None
    place.write(own.key, right)
    assert await elsewhere(place, keys, cookie) == own


async def test_a_record_under_another_gateways_key_is_none(
    place: Place, sessions: Sessions, keys: KeyRing, tmp_path: Path
) -> None:
    cookie, own = await sessions.create(MALLORY, an_account("mallory"), None, time.time())
    theirs = place.new()
    theirs.vouch_with(new_keys(tmp_path / "theirs"))
    await theirs.open()
    await theirs.end(own.key)
    await theirs.create(own)
    await theirs.close()

    assert await elsewhere(place, keys, cookie) is None


async def test_what_cannot_be_vouched_for_is_not_changed_into_what_can(
    place: Place, sessions: Sessions
) -> None:
    """A new proof, a new name of the account: each change makes a MAC."""
    _, own = await sessions.create(MALLORY, an_account("mallory"), None, time.time())
    forged = place.read(own.key).replace(b"id-mallory", b"id-jo")
    place.write(own.key, forged)

    await sessions.changes.prove(own.key, password_at=time.time())

    assert place.read(own.key) == forged
