"""One contract, every place that keeps keys: a folder, the next value of a variable, SQLite,
PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.account.migrations import migrate
from gateway.secret import Secret
from gateway.session.keys.database import DatabaseKeys
from gateway.session.keys.environment import WrittenKeys
from gateway.session.keys.files import FileKeys
from gateway.session.keys.model import KINDS, Kind, new_key
from gateway.session.keys.source import KeySource, newest

NOW = 1_795_000_000.0
SECRET = Secret("5f" * 32)

Opener = Callable[[], KeySource]


@pytest.fixture(params=["folder", "written", "sqlite", "postgresql"])
async def another(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Makes another view of the same place: what another process has. Nobody shares a value that
    is being written."""
    match request.param:
        case "folder":
            return lambda: FileKeys(tmp_path / "keys")
        case "written":
            written = WrittenKeys(tmp_path / "value", ())
            return lambda: written
        case "sqlite":
            url = Secret(f"sqlite:///{tmp_path}/links.db")
        case _:
            url = Secret(request.getfixturevalue("postgres_url"))
    await migrate(url)
    return lambda: DatabaseKeys(url, SECRET, None)


@pytest.fixture
async def source(another: Opener) -> AsyncIterator[KeySource]:
    source = another()
    await source.open()
    yield source
    await source.close()


async def test_is_empty_at_first(source: KeySource) -> None:
    kept = await source.read()
    assert (kept.keys, kept.problems, kept.missing) == (frozenset(), (), KINDS)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_comes_back_as_it_was(kind: Kind, source: KeySource) -> None:
    key = new_key(kind, NOW)
    assert await source.add(key, None)
    kept = await source.read()
    assert kept.keys == {key}
    assert kept.missing == tuple(other for other in KINDS if other != kind)


async def test_another_process_has_it_as_well(source: KeySource, another: Opener) -> None:
    keys = [new_key(kind, NOW) for kind in KINDS]
    for key in keys:
        assert await source.add(key, None)
    other = another()
    await other.open()
    assert (await other.read()).keys == frozenset(keys)
    await other.close()


async def test_of_two_after_the_same_one_the_first_is_kept(source: KeySource) -> None:
    first, second, third = (new_key("root", NOW + hours * 3600) for hours in range(3))
    assert await source.add(first, None)
    assert not await source.add(second, None)
    assert await source.add(second, first.name)
    assert not await source.add(third, first.name)
    assert (await source.read()).keys == {first, second}
    assert newest((await source.read()).keys, "root") == second.name


async def test_of_many_at_once_one_is_kept(another: Opener) -> None:
    async with AsyncExitStack() as closing:
        sources = [another() for _ in range(6)]
        for source in sources:
            await source.open()
            closing.push_async_callback(source.close)
        keys = [new_key("root", NOW + number) for number in range(6)]
        done = await asyncio.gather(
            *(source.add(key, None) for source, key in zip(sources, keys, strict=True))
        )
        assert sorted(done) == [False] * 5 + [True]
        assert (await sources[0].read()).keys == {keys[done.index(True)]}


async def test_each_kind_has_an_order_of_its_own(source: KeySource) -> None:
    keys = [new_key("root", NOW + 60), new_key("es256", NOW)]
    for key in keys:
        assert await source.add(key, None)
    assert (await source.read()).keys == frozenset(keys)


async def test_what_is_removed_is_gone_and_another_may_come(source: KeySource) -> None:
    first, second, third = (new_key("root", NOW + hours * 3600) for hours in range(3))
    await source.add(first, None)
    await source.add(second, first.name)
    await source.remove([second.name, "261123124700a1b2.root"])
    assert (await source.read()).keys == {first}
    assert await source.add(third, first.name)
    await source.remove([first.name])
    assert (await source.read()).keys == {third}


async def test_removing_the_last_leaves_room_for_a_first(source: KeySource) -> None:
    first, second = new_key("root", NOW), new_key("root", NOW + 60)
    await source.add(first, None)
    await source.remove([first.name])
    assert (await source.read()).keys == frozenset()
    assert await source.add(second, None)


async def test_tidying_changes_no_key(source: KeySource) -> None:
    key = new_key("es256", NOW)
    await source.add(key, None)
    await source.tidy()
    assert (await source.read()).keys == {key}


async def test_says_which_place_it_is(source: KeySource) -> None:
    assert source.where.startswith("in ")
