"""A rotation from its announcement to the end of the old key, on a clock that the test moves."""

import asyncio
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.session.keys.files import FileKeys
from gateway.session.keys.model import HEARD, KINDS, SLACK, new_key
from gateway.session.keys.ring import Lives
from gateway.session.keys.rotation import Rotation, complete, copied, rotate, standing
from gateway.session.keys.source import Kept
from tests.session.keys.test_files import put
from tests.session.samples import Clock

NOW = 1_795_000_000.0
HOUR, DAY = 3600.0, 86400.0
OVERLAP = 2 * HOUR
LIVES: Lives = {"root": DAY, "es256": 300.0}


class Place:
    """A folder of keys, and what `keys rotate` does there."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.source = FileKeys(folder)
        self.clock = clock
        self.slept: list[float] = []

    async def rotate(self, *, at_once: bool = False, revoke: tuple[str, ...] = ()) -> Rotation:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.pass_by(seconds)

        return await rotate(
            self.source, overlap=OVERLAP, lives=LIVES, at_once=at_once, revoke=revoke,
            clock=self.clock, sleep=sleep,
        )  # fmt: skip

    async def states(self) -> dict[str, str]:
        found = standing(await self.source.read(), LIVES, self.clock())
        return {each.key.name: each.state for each in found}

    async def in_use(self) -> tuple[str, ...]:
        return tuple(name for name, state in (await self.states()).items() if state == "in use")


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "keys", Clock(NOW))
    await complete(place.source, place.clock)
    place.clock.pass_by(10 * DAY)
    return place


async def test_the_whole_way(place: Place) -> None:
    first = await place.in_use()
    done = await place.rotate()
    assert (done.announced, done.removed) == ((), ())
    assert [name.partition(".")[2] for name in done.added] == list(KINDS)
    assert await place.states() == dict.fromkeys(first, "in use") | dict.fromkeys(
        done.added, "announced"
    )
    place.clock.pass_by(OVERLAP)
    assert await place.in_use() == done.added
    assert [(await place.states())[name] for name in first] == ["retired", "retired"]
    place.clock.pass_by(300 + SLACK)
    assert [(await place.states())[name] for name in first] == ["retired", "over"]
    place.clock.pass_by(DAY)
    assert [(await place.states())[name] for name in first] == ["over", "over"]
    place.clock.pass_by(DAY)
    again = await place.rotate()
    assert set(again.removed) == set(first)
    assert set(await place.states()) == {*done.added, *again.added}


async def test_a_rotation_under_way_is_not_doubled(place: Place) -> None:
    done = await place.rotate()
    place.clock.pass_by(OVERLAP - 60)
    assert await place.rotate() == Rotation((), done.added, ())
    place.clock.pass_by(60)
    assert len((await place.rotate()).added) == 2


async def test_two_at_once_are_one(place: Place) -> None:
    one, other = await asyncio.gather(place.rotate(), place.rotate())
    assert len(await place.states()) == 4
    assert sorted((*one.added, *other.added)) == sorted(
        name for name, state in (await place.states()).items() if state == "announced"
    )
    assert len((*one.announced, *other.announced)) == 2


async def test_at_once_is_as_soon_as_all_know(place: Place) -> None:
    before = await place.in_use()
    done = await place.rotate(at_once=True)
    assert await place.in_use() == before
    place.clock.pass_by(HEARD + 2)
    assert await place.in_use() == done.added
    assert place.slept == []


async def test_a_leaked_key_goes_when_all_know_the_next(place: Place) -> None:
    root, signing = await place.in_use()
    done = await place.rotate(at_once=True, revoke=(root,))
    assert place.slept == [HEARD + 1]
    assert done.removed == (root,)
    (new,) = done.added
    assert await place.states() == {new: "in use", signing: "in use"}


async def test_a_retired_key_can_leak_too(place: Place) -> None:
    old = await place.in_use()
    new = (await place.rotate()).added
    place.clock.pass_by(OVERLAP + 60)
    done = await place.rotate(at_once=True, revoke=old)
    assert set(done.removed) == set(old)
    place.clock.pass_by(1)
    assert set(await place.states()) == {*new, *done.added}


async def test_dropping_what_is_not_there_drops_nothing(place: Place) -> None:
    before = await place.states()
    with pytest.raises(ConfigError, match=f"no such key in .*: {min(before)}"):
        await place.rotate(at_once=True, revoke=("261123124700a1b2.root",))
    assert await place.states() == before


async def test_a_clock_that_was_set_back_makes_nothing(place: Place) -> None:
    """A key with an older id than the newest would never be used."""
    before = await place.states()
    place.clock.pass_by(-11 * DAY)
    with pytest.raises(ConfigError, match=r"clock is behind.*Set the clock") as refused:
        await place.rotate()
    assert {problem.key for problem in refused.value.problems} == set(before)
    place.clock.pass_by(11 * DAY)
    assert await place.states() == before


async def test_a_key_of_a_clock_that_was_ahead_can_be_taken_away(place: Place) -> None:
    ahead = new_key("root", place.clock() + 400 * DAY)
    root, _ = await place.in_use()
    assert await place.source.add(ahead, root)
    with pytest.raises(ConfigError, match=ahead.name):
        await place.rotate()
    done = await place.rotate(at_once=True, revoke=(ahead.name,))
    assert done.removed == (ahead.name,)
    assert len((await place.rotate()).added) == 2


async def test_a_damaged_key_stops_a_rotation_until_it_is_dropped(
    place: Place, tmp_path: Path
) -> None:
    put(tmp_path / "keys", "260101000000aaaa.root.key", b"11" * 20)
    with pytest.raises(ConfigError, match="not a root key"):
        await place.rotate()
    assert len(await place.states()) == 2
    done = await place.rotate(at_once=True, revoke=("260101000000aaaa.root",))
    assert done.removed == ("260101000000aaaa.root",)
    assert len((await place.rotate()).announced) == 0


async def test_the_first_keys_are_made_once(tmp_path: Path) -> None:
    found = await asyncio.gather(*(complete(FileKeys(tmp_path)) for _ in range(4)))
    assert len({kept.keys for kept in found}) == 1
    assert len(found[0].keys) == 2


async def test_keys_are_copied_as_they_are(place: Place, tmp_path: Path) -> None:
    await place.rotate()
    kept: Kept = await place.source.read()
    target = FileKeys(tmp_path / "elsewhere")
    await copied(kept.keys, target)
    assert (await target.read()).keys == kept.keys
    with pytest.raises(ConfigError, match="has keys already"):
        await copied(kept.keys, target)
