"""Documents are kept as long as they may be, and fetched once however many wait."""

import asyncio
import time
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import structlog

from gateway.errors import ProviderUnavailable
from gateway.identity import cached as cached_module
from gateway.identity.cached import FRESH, RENEW_AFTER, RETRY_AFTER, STALE, Cached
from tests.identity.conftest import Clock

# Only bounds a machine that hangs.
PATIENCE = 10.0


@dataclass
class Source:
    """A document whose content is how often it was fetched."""

    fetches: int = 0
    down: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def load(self) -> int:
        self.fetches += 1
        self.asked.set()
        fetch = self.fetches
        await self.gate.wait()
        if self.down:
            raise ProviderUnavailable(f"fetch {fetch}")
        return fetch


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def cached(source: Source, clock: Clock) -> Cached[int]:
    return Cached("test", source.load, clock)


async def test_fresh_for_its_time(cached: Cached[int], clock: Clock) -> None:
    assert await cached.get() == 1
    clock.now += FRESH - 1
    assert await cached.get() == 1
    clock.now += 1
    assert await cached.get() == 2


async def test_stale_while_the_provider_is_down(
    cached: Cached[int], source: Source, clock: Clock
) -> None:
    await cached.get()
    source.down = True
    clock.now += FRESH
    with structlog.testing.capture_logs() as logs:
        assert await cached.get() == 1
        assert await cached.get() == 1
    assert source.fetches == 2
    assert [entry["event"] for entry in logs] == ["provider_document_stale"]
    clock.now += RETRY_AFTER
    assert await cached.get() == 1
    assert source.fetches == 3
    source.down = False
    clock.now += RETRY_AFTER
    assert await cached.get() == 4


async def test_too_old_to_be_believed(cached: Cached[int], source: Source, clock: Clock) -> None:
    await cached.get()
    source.down = True
    clock.now += STALE
    with pytest.raises(ProviderUnavailable):
        await cached.get()


async def test_never_had_one(cached: Cached[int], source: Source) -> None:
    source.down = True
    with pytest.raises(ProviderUnavailable):
        await cached.get()
    source.down = False
    assert await cached.get() == 2


async def test_renewed_now_and_then_only(cached: Cached[int], source: Source, clock: Clock) -> None:
    assert await cached.renewed() == 1
    clock.now += RENEW_AFTER - 1
    assert await cached.renewed() == 1
    clock.now += 1
    assert await cached.renewed() == 2
    source.down = True
    clock.now += RENEW_AFTER
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await cached.renewed()
    source.down = False
    assert await cached.renewed() == 5, "as soon as it answers"
    assert await cached.renewed() == 5
    assert source.fetches == 5


async def test_a_stranger_does_not_renew_at_a_dead_provider_again_at_once(
    cached: Cached[int], source: Source, clock: Clock
) -> None:
    await cached.get()
    source.down = True
    with pytest.raises(ProviderUnavailable):
        await cached.renewed(stranger=True)
    source.down = False
    assert await cached.renewed(stranger=True) == 1
    clock.now += RETRY_AFTER
    assert await cached.renewed(stranger=True) == 3
    assert await cached.renewed(stranger=True) == 3


async def test_a_question_that_was_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for it since before the provider came back is answered soon after, and so is who
    comes then. Meanwhile it is asked now and then, however many wait."""
    monkeypatch.setattr(cached_module, "AGAIN_AFTER", 0.05)
    begun: list[float] = []
    twice = asyncio.Event()

    async def load() -> int:
        begun.append(time.monotonic())
        if len(begun) < 3:
            await asyncio.Event().wait()
        twice.set()
        return len(begun)

    cached = Cached("test", load)
    waiting = [asyncio.create_task(cached.get()) for _ in range(10)]
    async with asyncio.timeout(PATIENCE):
        await twice.wait()
        assert await asyncio.gather(*waiting, cached.get()) == [3] * 11
    assert all(after - before >= 0.045 for before, after in pairwise(begun))


async def test_whoever_waits_hears_of_the_first_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """When its time is up; the others have no longer time because they were asked later."""
    monkeypatch.setattr(cached_module, "AGAIN_AFTER", 0.05)
    begun, thrice = 0, asyncio.Event()

    async def load() -> int:
        nonlocal begun
        begun += 1
        if begun == 3:
            thrice.set()
        elif begun == 1:
            await thrice.wait()
            raise ProviderUnavailable("no answer")
        await asyncio.Event().wait()
        return begun

    cached = Cached("test", load)
    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*(cached.get() for _ in range(20)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ProviderUnavailable] * 20


async def test_a_fetch_just_before_is_no_reason_not_to_renew(
    cached: Cached[int], clock: Clock
) -> None:
    """A provider rolls its keys the minute after we looked at them."""
    assert await cached.get() == 1
    assert await cached.renewed() == 2
    assert await cached.renewed() == 2
    clock.now += RENEW_AFTER - 1
    assert await cached.renewed() == 2


async def test_who_comes_while_it_is_renewed_gets_the_new_one(
    cached: Cached[int], source: Source
) -> None:
    assert await cached.get() == 1
    source.asked.clear()
    source.gate.clear()
    first = asyncio.create_task(cached.renewed())
    await source.asked.wait()
    second = asyncio.create_task(cached.renewed())
    source.gate.set()
    assert (await first, await second) == (2, 2)


async def test_one_fetch_for_many(cached: Cached[int], source: Source) -> None:
    source.gate.clear()
    waiting = [asyncio.create_task(cached.get()) for _ in range(10)]
    await source.asked.wait()
    source.gate.set()
    assert await asyncio.gather(*waiting) == [1] * 10


async def test_one_failure_for_many(cached: Cached[int], source: Source) -> None:
    source.gate.clear()
    source.down = True
    waiting = [asyncio.create_task(cached.get()) for _ in range(3)]
    await source.asked.wait()
    source.gate.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ProviderUnavailable] * 3
    assert source.fetches == 1


async def test_who_goes_away_takes_nothing_from_the_others(
    cached: Cached[int], source: Source
) -> None:
    source.gate.clear()
    impatient = asyncio.create_task(cached.get())
    patient = asyncio.create_task(cached.get())
    await source.asked.wait()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    source.gate.set()
    assert await patient == 1
    assert await cached.get() == 1


async def test_a_stranger_does_not_ask_a_dead_provider_again_at_once(
    cached: Cached[int], source: Source, clock: Clock
) -> None:
    source.down = True
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await cached.get(stranger=True)
    assert source.fetches == 1
    with pytest.raises(ProviderUnavailable):
        await cached.get()
    assert source.fetches == 2, "somebody who signs in does"
    source.down = False
    clock.now += RETRY_AFTER
    assert await cached.get(stranger=True) == 3


async def test_strangers_use_up_nothing_that_a_sign_in_may_need(
    cached: Cached[int], clock: Clock
) -> None:
    assert await cached.get() == 1
    assert await cached.renewed(stranger=True) == 2
    assert await cached.renewed(stranger=True) == 2
    assert await cached.renewed() == 3
    assert await cached.renewed() == 3
    clock.now += RENEW_AFTER - 1
    assert await cached.renewed(stranger=True) == 3
    assert await cached.renewed() == 3


async def test_what_is_held_is_not_asked_for(cached: Cached[int], clock: Clock) -> None:
    assert cached.held() is None
    await cached.get()
    clock.now += STALE
    assert cached.held() == 1
