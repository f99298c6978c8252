"""The SQLite store's own promises: a private file, several processes, honest failures."""

import asyncio
import sqlite3
import stat
import sys
import time
from pathlib import Path

import pytest

from gateway.errors import SessionsUnavailable
from gateway.session.model import Session
from gateway.session.store.database import Database
from gateway.session.store.embedded import EmbeddedStore, count_sessions
from tests.privilege import HELD_TO_RULES
from tests.session.samples import Clock, a_session, until

ROOT = Path(__file__).parents[3]


async def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "var" / "sessions.db"
    store = EmbeddedStore(path)
    await store.open()
    await store.create(a_session(time.time()))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = list(path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await store.close()


@pytest.mark.parametrize("content", [b"this is not a database, and long enough to tell" * 100])
async def test_a_file_that_is_no_database_is_seen_at_open(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    path.write_bytes(content)
    with pytest.raises(SessionsUnavailable, match=r"sessions\.db"):
        await EmbeddedStore(path).open()
    assert path.read_bytes() == content


async def test_a_place_that_cannot_be_used_is_seen_at_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionsUnavailable):
        await EmbeddedStore(tmp_path / "file" / "sessions.db").open()


async def test_a_file_that_may_only_be_read_is_seen_at_open(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store = EmbeddedStore(path)
    await store.open()
    await store.close()
    path.chmod(0o444)
    opening = (
        "import asyncio, pathlib\n"
        "from gateway.session.store.embedded import EmbeddedStore\n"
        f"asyncio.run(EmbeddedStore(pathlib.Path({str(path)!r})).open())"
    )
    process = await asyncio.create_subprocess_exec(
        *HELD_TO_RULES, sys.executable, "-c", opening, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    last = said.decode().splitlines()[-1]
    assert last.startswith("gateway.errors.SessionsUnavailable"), last
    assert "sessions.db" in last


def limit(database: Database, pages: int) -> None:
    """Not below what it has already."""
    database._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()


async def fill(store: EmbeddedStore, made: list[Session]) -> None:
    while True:
        session = a_session(time.time())
        await store.create(session)
        made.append(session)


async def test_a_full_disk_lets_nobody_in_and_signs_nobody_out(tmp_path: Path) -> None:
    """SQLite's own limit: what it answers then is what it answers on a full disk."""
    store, jo = EmbeddedStore(tmp_path / "sessions.db"), a_session(time.time())
    await store.open()
    await store.create(jo)
    made = [jo]
    await store._thread.ask(lambda database: limit(database, 1))
    with pytest.raises(SessionsUnavailable, match="full") as full:
        await fill(store, made)
    assert full.value.refused
    for session in made:
        assert await store.load(session.key) == session
    assert {session.key for session in await store.all()} == {session.key for session in made}
    await store._thread.ask(lambda database: limit(database, 1000))
    await store.try_out()
    assert await store.end(jo.key) is True
    await store.close()


async def test_a_file_locked_by_somebody_else_is_said_soon(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store, session = EmbeddedStore(path), a_session(time.time())
    await store.open()
    await store.create(session)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(SessionsUnavailable, match="locked"):
        await store.end(session.key)
    assert time.monotonic() - began < 3.0
    # Readers are not kept waiting by a writer.
    assert await store.load(session.key) == session
    locker.execute("ROLLBACK")
    locker.close()
    assert await store.end(session.key) is True
    await store.close()


async def test_an_end_that_failed_half_way_left_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store, session = EmbeddedStore(path), a_session(time.time())
    await store.open()
    await store.create(session)
    breaker = sqlite3.connect(path, isolation_level=None)
    breaker.execute("ALTER TABLE endings RENAME TO elsewhere")
    with pytest.raises(SessionsUnavailable):
        await store.end(session.key)
    assert await store.load(session.key) == session
    breaker.execute("ALTER TABLE elsewhere RENAME TO endings")
    breaker.close()
    assert await store.end(session.key) is True
    await store.close()


async def test_what_is_past_its_time_leaves_the_file(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sessions.db"
    store = EmbeddedStore(path, clock)
    await store.open()
    await store.create(a_session(clock(), idle=60))
    await store.named.first("tx:1", 60)
    await store.named.count("jo", 60)
    clock.pass_by(61)
    reader = sqlite3.connect(path)

    def rows() -> int:
        (count,) = reader.execute(
            "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM claims) "
            "+ (SELECT count(*) FROM counts)"
        ).fetchone()
        return int(count)

    await until(lambda: rows() == 0)
    reader.close()
    await store.close()


async def test_a_process_that_slept_too_long_says_that_it_missed_news(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "sessions.db"
    sleeper, other = EmbeddedStore(path, clock), EmbeddedStore(path, clock)
    losses, heard = list[int](), list[str]()
    await sleeper.open()
    await other.open()
    sleeper.on_end(heard.append, lambda: losses.append(1))
    # What a whole hour's sleep leaves: endings written and purged between two looks.
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO endings (key, at) VALUES ('a', 0), ('b', 0), ('c', 0)")
    writer.execute("DELETE FROM endings")
    writer.execute("COMMIT")
    writer.close()
    await until(lambda: losses)
    assert heard == []
    losses.clear()
    await other.end("d" * 64)
    await until(lambda: heard == ["d" * 64])
    assert losses == []
    await other.close()
    await sleeper.close()


async def test_news_that_cannot_be_read_is_lost_news(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store, losses, heard = EmbeddedStore(path), list[int](), list[str]()
    store.on_end(heard.append, lambda: losses.append(1))
    await store.open()
    breaker = sqlite3.connect(path, isolation_level=None)
    breaker.execute("ALTER TABLE endings RENAME TO elsewhere")
    await until(lambda: losses)
    breaker.execute("ALTER TABLE elsewhere RENAME TO endings")
    breaker.execute("INSERT INTO endings (key, at) VALUES ('a', 0)")
    breaker.close()
    await until(lambda: heard == ["a"])
    await store.close()


async def test_many_writers_at_once(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sessions.db"
    stores = [EmbeddedStore(path, clock) for _ in range(4)]
    for store in stores:
        await store.open()
    sessions = [a_session(clock() + number / 1000) for number in range(48)]
    await asyncio.gather(
        *(stores[number % 4].create(session) for number, session in enumerate(sessions))
    )
    ended = await asyncio.gather(
        *(stores[number % 3].end(session.key) for number, session in enumerate(sessions[::2]))
    )
    assert all(ended)
    assert set(await stores[3].all()) == set(sessions[1::2])
    for store in stores:
        await store.close()


async def test_an_ending_survives_a_crash(tmp_path: Path) -> None:
    """SQLite must have it on disk: `synchronous` FULL on a write-ahead log."""
    path = tmp_path / "sessions.db"
    store = EmbeddedStore(path)
    await store.open()

    def settings(database: Database) -> tuple[str, int]:
        journal = database._connection.execute("PRAGMA journal_mode").fetchone()[0]
        return journal, database._connection.execute("PRAGMA synchronous").fetchone()[0]

    assert await store._thread.ask(settings) == ("wal", 2)
    await store.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def test_counting_makes_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d.db"
    now = time.time()
    assert await count_sessions(path, now) is None
    assert contents(tmp_path) == {}
    store = EmbeddedStore(path)
    await store.open()
    await store.create(a_session(now))
    names = set(contents(tmp_path))
    assert len(names) == 3
    assert await count_sessions(path, now) == 1
    assert set(contents(tmp_path)) == names
    await store.close()
    before = contents(tmp_path)
    assert set(before) == {path.name}
    assert await count_sessions(path, now) == 1
    assert await count_sessions(path, now + 365 * 86400) == 0
    assert contents(tmp_path) == before


async def test_counting_what_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    path.write_bytes(b"")
    assert await count_sessions(path, 0.0) is None
    path.write_bytes(b"this is not a database, and long enough to tell" * 100)
    with pytest.raises(SessionsUnavailable, match=r"sessions\.db"):
        await count_sessions(path, 0.0)
