"""What every process knows under a name: one contract, every store."""

import asyncio
import time
from dataclasses import replace

import pytest

from gateway.session.store import NamedStore, Store
from gateway.session.store.attempts import Throttle
from tests.session.samples import Clock, comes_true


@pytest.fixture
def named(store: Store) -> NamedStore:
    return store.named


@pytest.fixture
def elsewhere(other: Store) -> NamedStore:
    """As a second process has it."""
    return other.named


class TestFirst:
    async def test_is_true_for_the_first_only(
        self, named: NamedStore, elsewhere: NamedStore
    ) -> None:
        assert await named.first("tx:1", 60) is True
        assert await named.first("tx:1", 60) is False
        assert await elsewhere.first("tx:1", 60) is False
        assert await elsewhere.first("tx:2", 60) is True

    async def test_is_true_for_one_of_many_at_once(
        self, named: NamedStore, elsewhere: NamedStore
    ) -> None:
        answers = await asyncio.gather(
            *(each.first("tx:1", 60) for _ in range(20) for each in (named, elsewhere))
        )
        assert sorted(answers) == [False] * 39 + [True]


class TestCount:
    async def test_counts_across_processes(self, named: NamedStore, elsewhere: NamedStore) -> None:
        assert await named.count("jo", 60) == 1
        assert await elsewhere.count("jo", 60) == 2
        assert await named.count("jo", 60) == 3
        assert await named.count("al", 60) == 1

    async def test_misses_none_of_many_at_once(
        self, named: NamedStore, elsewhere: NamedStore
    ) -> None:
        answers = await asyncio.gather(
            *(each.count("jo", 60) for _ in range(20) for each in (named, elsewhere))
        )
        assert sorted(answers) == list(range(1, 41))

    async def test_is_forgotten(self, named: NamedStore, elsewhere: NamedStore) -> None:
        await named.count("jo", 60)
        await elsewhere.forget("jo")
        assert await named.count("jo", 60) == 1
        await named.forget("nobody")


THROTTLE = Throttle(free=3, first=60, longest=300, memory=3600)


class TestAttempts:
    async def test_wait_longer_each_time_across_processes(
        self, named: NamedStore, elsewhere: NamedStore, clock: Clock
    ) -> None:
        waits = []
        for _ in range(8):
            assert await named.attempt("jo", THROTTLE) == 0
            waiting = await elsewhere.attempt("jo", THROTTLE)
            waits.append(round(waiting))
            clock.now += waiting
        # Each attempt of `other` that was not told to wait counted, too.
        assert waits == [0, 60, 120, 240, 300, 300, 300, 300]
        assert await named.attempt("al", THROTTLE) == 0

    async def test_that_come_too_early_are_not_counted(
        self, named: NamedStore, clock: Clock
    ) -> None:
        for _ in range(3):
            assert await named.attempt("jo", THROTTLE) == 0
        clock.now += 20
        for _ in range(5):
            assert await named.attempt("jo", THROTTLE) == pytest.approx(40)

    async def test_many_at_once_are_no_more_than_one_after_the_other(
        self, named: NamedStore, elsewhere: NamedStore
    ) -> None:
        answers = await asyncio.gather(
            *(each.attempt("jo", THROTTLE) for _ in range(10) for each in (named, elsewhere))
        )
        assert sorted(answers) == [0] * 3 + [60] * 17

    async def test_are_pardoned_one_by_one(
        self, named: NamedStore, elsewhere: NamedStore, clock: Clock
    ) -> None:
        for _ in range(3):
            assert await named.attempt("jo", THROTTLE) == 0
        await elsewhere.pardon("jo")
        assert await named.attempt("jo", THROTTLE) == 0
        assert await named.attempt("jo", THROTTLE) == 60
        await named.pardon("nobody")
        assert await named.attempt("nobody", THROTTLE) == 0

    async def test_are_forgotten_after_a_success(
        self, named: NamedStore, elsewhere: NamedStore
    ) -> None:
        for _ in range(3):
            await named.attempt("jo", THROTTLE)
        await elsewhere.forget("jo")
        assert await named.attempt("jo", THROTTLE) == 0

    async def test_are_forgotten_after_a_while(self, named: NamedStore, clock: Clock) -> None:
        brief = Throttle(free=2, first=3600, longest=3600, memory=0.002)
        names = iter(range(1_000_000))

        async def is_forgotten() -> bool:
            """Were the first one remembered, the second would be followed by a wait."""
            name = f"jo {next(names)}"
            await named.attempt(name, brief)
            clock.now = time.time()
            await named.attempt(name, THROTTLE)
            return await named.attempt(name, replace(THROTTLE, free=2)) == 0

        assert await comes_true(clock, is_forgotten)


class TestValue:
    async def test_is_there_until_it_is_taken_once(
        self, named: NamedStore, elsewhere: NamedStore
    ) -> None:
        value = bytes(range(256)) * 256
        await named.put("form", value, 60)
        assert await elsewhere.get("form") == await named.get("form") == value
        taken = await asyncio.gather(
            *(each.take("form") for _ in range(10) for each in (named, elsewhere))
        )
        assert [each for each in taken if each is not None] == [value]
        assert await named.get("form") is None
        assert await named.take("other") is None

    async def test_is_replaced(self, named: NamedStore) -> None:
        await named.put("form", b"first", 60)
        await named.put("form", b"", 60)
        assert await named.get("form") == b""

    async def test_ends_by_itself(self, named: NamedStore, clock: Clock) -> None:
        async def is_gone() -> bool:
            return await named.get("form") is None and await named.take("form") is None

        await named.put("form", b"value", 0.05)
        assert await comes_true(clock, is_gone)


class TestWindows:
    """Whoever was first, and counts, end by themselves, in real time, counted from the first."""

    async def test_of_the_first(self, named: NamedStore, clock: Clock) -> None:
        assert await named.first("tx:1", 0.05)
        assert await comes_true(clock, lambda: named.first("tx:1", 0.05))

    async def test_of_counts(self, named: NamedStore, clock: Clock) -> None:
        async def begins_anew() -> bool:
            return await named.count("jo", 0.05) == 1

        assert await named.count("jo", 0.05) == 1
        assert await comes_true(clock, begins_anew)
