"""A running process has the keys that its source has, and goes on with what it has when that
fails."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.account.migrations import migrate
from gateway.errors import ConfigError
from gateway.secret import Secret
from gateway.session.cookie import mint, verify
from gateway.session.keys import KeyRing
from gateway.session.keys.database import DatabaseKeys
from gateway.session.keys.files import FileKeys
from gateway.session.keys.model import new_key
from gateway.session.keys.ring import Lives
from gateway.session.keys.rotation import rotate
from gateway.session.keys.watch import KeyWatch
from tests.servers.postgres import Postgres
from tests.session.keys.test_files import put
from tests.session.samples import Clock, until

OVERLAP = 7200.0
LIVES: Lives = {"root": 86400.0, "es256": 300.0}


class Process:
    """What one process has."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.ring = KeyRing(lives=LIVES, clock=clock)
        self.watch = KeyWatch(FileKeys(folder), self.ring, OVERLAP, clock=clock, every=60.0)


@pytest.fixture
async def process(tmp_path: Path, clock: Clock) -> AsyncIterator[Process]:
    process = Process(tmp_path / "keys", clock)
    await process.watch.start()
    yield process
    await process.watch.stop()


@pytest.fixture
def said() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


def events(said: list[EventDict]) -> list[str]:
    return [line["event"] for line in said]


async def rotated(process: Process, clock: Clock, **how: Any) -> tuple[str, ...]:
    done = await rotate(FileKeys(process.folder), overlap=OVERLAP, lives=LIVES, clock=clock, **how)
    return done.added


async def test_the_first_start_makes_keys(process: Process) -> None:
    assert len(process.ring.in_use) == len(process.ring.keys) == 2


async def test_a_rotation_is_followed_without_a_restart(
    process: Process, clock: Clock, said: list[EventDict]
) -> None:
    before, cookie = process.ring.in_use, mint(process.ring)
    added = await rotated(process, clock)
    await process.watch.look()
    assert process.ring.in_use == before
    assert {key.name for key in process.ring.keys} == {*before, *added}
    clock.pass_by(OVERLAP + 1)
    await process.watch.look()
    assert set(process.ring.in_use) == set(added)
    assert verify(process.ring, cookie.value) == cookie.key
    assert events(said) == ["keys_changed", "keys_in_use"]
    assert said[0]["added"] == sorted(added)


async def test_two_processes_are_of_one_mind_at_any_time(process: Process, clock: Clock) -> None:
    """Whichever heard of the new key first: what one makes the other takes, at every moment."""
    other = Process(process.folder, clock)
    await other.watch.start()
    for moment in range(12):
        if moment == 2:
            await rotated(process, clock)
        if moment % 2:
            await other.watch.look()
        else:
            await process.watch.look()
        for one, another in ((process, other), (other, process)):
            made = mint(one.ring)
            # Only between a key's coming and the next look may the other not know it, and then
            # nobody uses it yet.
            assert verify(another.ring, made.value) == made.key
        clock.pass_by(OVERLAP / 8)
    await other.watch.stop()


async def test_looks_by_itself(tmp_path: Path) -> None:
    ring = KeyRing()
    watch = KeyWatch(FileKeys(tmp_path), ring, OVERLAP, every=0.01)
    await watch.start()
    new = new_key("root", 1_900_000_000)
    root = next(key.name for key in ring.keys if key.kind == "root")
    assert await FileKeys(tmp_path).add(new, root)
    await until(lambda: new in ring.keys)
    await watch.stop()


DAMAGES = {
    "half-written": (b"11" * 13, 0o600, "32 bytes in hex; copy it here again"),
    "empty": (b"", 0o600, "32 bytes in hex"),
    "of the wrong size": (b"11" * 33, 0o600, "32 bytes in hex"),
    "readable by others": (b"11" * 32, 0o644, "mode 0644.*chmod 600"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_new_key_that_cannot_be_used_is_told_once_and_serving_goes_on(
    damage: str, process: Process, said: list[EventDict]
) -> None:
    content, mode, wrong = DAMAGES[damage]
    before = process.ring.keys
    path = put(process.folder, "260101000000aaaa.root.key", content, mode)
    for _ in range(3):
        await process.watch.look()
    assert process.ring.keys == before
    assert events(said) == ["keys_unusable"]
    (problem,) = said[0]["problems"]
    assert str(path) in problem
    assert re.search(wrong, problem)
    path.unlink()
    await process.watch.look()
    assert events(said) == ["keys_unusable", "keys_usable"]


async def test_a_key_in_use_that_is_damaged_is_used_on(
    process: Process, said: list[EventDict]
) -> None:
    cookie = mint(process.ring)
    (path,) = process.folder.glob("*.root.key")
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    await process.watch.look()
    assert verify(process.ring, cookie.value) == cookie.key
    path.write_bytes(whole)
    await process.watch.look()
    assert events(said) == ["keys_unusable", "keys_usable"]


@pytest.mark.parametrize("what", ["*.root.key", "*.es256.pem", "*"])
async def test_no_kind_of_key_becomes_none(
    what: str, process: Process, said: list[EventDict]
) -> None:
    before = process.ring.keys
    for path in process.folder.glob(what):
        path.unlink()
    await process.watch.look()
    await process.watch.look()
    assert process.ring.keys == before
    assert events(said) == ["keys_unusable"]
    assert all("Put it back, or restart" in problem for problem in said[0]["problems"])


async def test_a_folder_that_is_gone_changes_nothing(
    process: Process, said: list[EventDict]
) -> None:
    before = process.ring.keys
    shutil.rmtree(process.folder)
    process.folder.write_text("a file")
    await process.watch.look()
    assert process.ring.keys == before
    assert events(said) == ["keys_unusable"]
    assert "cannot be used: Not a directory" in said[0]["problems"][0]


async def test_a_start_with_a_damaged_key_says_so(tmp_path: Path, clock: Clock) -> None:
    put(tmp_path / "keys", "260101000000aaaa.root.key", b"11" * 20)
    with pytest.raises(ConfigError, match="not a root key"):
        await Process(tmp_path / "keys", clock).watch.start()


async def test_a_clock_that_is_behind_is_told_and_the_keys_work_on(
    process: Process, clock: Clock, said: list[EventDict]
) -> None:
    in_use = process.ring.in_use
    clock.pass_by(-400 * 86400)
    await process.watch.look()
    assert process.ring.in_use == in_use
    assert events(said) == ["keys_unusable"]
    assert "clock is behind" in said[0]["problems"][0]
    restarted = Process(process.folder, clock)
    await restarted.watch.start()
    assert restarted.ring.in_use == in_use
    assert events(said) == ["keys_unusable", "keys_unusable"]
    await restarted.watch.stop()


async def test_a_revoked_key_is_gone_with_the_next_look(process: Process, clock: Clock) -> None:
    cookie = mint(process.ring).value
    heard: list[frozenset[str]] = []
    process.ring.on_change(heard.append)
    root = next(name for name in process.ring.in_use if name.endswith("root"))

    async def sleep(seconds: float) -> None:
        await process.watch.look()
        assert verify(process.ring, cookie) is not None
        clock.pass_by(seconds)

    added = await rotated(process, clock, at_once=True, revoke=(root,), sleep=sleep)
    await process.watch.look()
    assert verify(process.ring, cookie) is None
    assert set(added) < set(process.ring.in_use)
    assert heard == [frozenset(), frozenset({root})]


async def test_a_watch_outlives_what_breaks(tmp_path: Path, said: list[EventDict]) -> None:
    ring = KeyRing()
    watch = KeyWatch(FileKeys(tmp_path), ring, OVERLAP, every=0.01)
    await watch.start()
    ring.on_change(_break)
    first, second = new_key("es256", 1_900_000_000), new_key("es256", 1_900_000_001)
    signing = ring.signing_key.name
    await FileKeys(tmp_path).add(first, signing)
    await until(lambda: "key_watch_failed" in events(said))
    await FileKeys(tmp_path).add(second, first.name)
    await until(lambda: {first, second} <= ring.keys)
    await watch.stop()


def _break(_dropped: frozenset[str]) -> None:
    raise RuntimeError("a listener broke")


async def test_a_database_that_goes_and_comes_back(
    postgres: Postgres, said: list[EventDict]
) -> None:
    """Two replicas on PostgreSQL: while it refuses them they go on, afterwards they hear all."""
    name = postgres.new_database()
    url = Secret(postgres.url(name))
    await migrate(url)
    source, other = (DatabaseKeys(url, Secret("5f" * 32), None) for _ in range(2))
    ring, another = KeyRing(), KeyRing()
    watches = [KeyWatch(source, ring, OVERLAP, every=0.02),
               KeyWatch(other, another, OVERLAP, every=0.02)]  # fmt: skip
    await asyncio.gather(*(watch.start() for watch in watches))
    assert ring.keys == another.keys
    cookie = mint(ring)
    assert verify(another, cookie.value) == cookie.key
    postgres.execute(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",  # noqa: S608
    )
    await until(lambda: events(said).count("keys_unusable") == 2)
    assert verify(another, mint(ring).value) is not None
    postgres.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await until(lambda: events(said).count("keys_usable") == 2)
    operator = DatabaseKeys(url, Secret("5f" * 32), None)
    await operator.open()
    done = await rotate(operator, overlap=OVERLAP, lives=LIVES)
    await until(lambda: all({*done.added} <= {k.name for k in r.keys} for r in (ring, another)))
    await operator.close()
    for watch in watches:
        await watch.stop()
    postgres.drop_database(name)
