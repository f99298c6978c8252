"""A reload that shortens is in force at once for who is signed in, on every process and either
store; and so is a config that shortens, from the restart on."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.session.keys import KeyRing
from gateway.session.live import Live, Sessions
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.session.samples import Clock, an_account, an_identity, sessions_on

HOUR = 3600.0
POLICY = Policy(
    "acme.example", Sso.ON, providers={"google": ProviderRule()}, idle=4 * HOUR, lifetime=12 * HOUR
)


class World:
    def __init__(self, store: Callable[[], Store], keys: KeyRing, clock: Clock) -> None:
        self.store, self.keys, self.clock = store, keys, clock
        self.in_force = Policies({"acme.example": POLICY})
        self.started: list[Sessions] = []

    async def process(self, hours: int = 24) -> Sessions:
        """Another process, whose config says how long at most."""
        sessions = sessions_on(
            self.store(),
            self.keys,
            self.clock,
            policies=lambda: self.in_force,
            idle=hours * 3600,
            lifetime=hours * 3600,
        )
        await sessions.start()
        self.started.append(sessions)
        return sessions

    async def sign_in(self, sessions: Sessions) -> str:
        cookie, _ = await sessions.create(an_identity(), an_account(), POLICY, self.clock())
        return cookie

    async def reload(self, sessions: Sessions, **times: float) -> int:
        """The policies change, and this process hears of it."""
        self.in_force = Policies({"acme.example": replace(POLICY, **times)})  # type: ignore[arg-type]
        return len(await sessions.sweep(self.in_force))


@pytest.fixture(params=["embedded", "redis"])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, keys: KeyRing, clock: Clock
) -> AsyncIterator[World]:
    def store() -> Store:
        if request.param == "embedded":
            return EmbeddedStore(tmp_path / "sessions.db", clock)
        return RedisStore(request.getfixturevalue("valkey").url, clock)

    world = World(store, keys, clock)
    yield world
    for sessions in world.started:
        await sessions.stop()


@pytest.mark.parametrize(("idle", "lifetime"), [(HOUR, 12 * HOUR), (4 * HOUR, 2 * HOUR)])
async def test_a_shorter_time_counts_for_who_is_signed_in(
    world: World, idle: float, lifetime: float
) -> None:
    here, there = await world.process(), await world.process()
    cookie = await world.sign_in(here)
    assert await there.read(cookie, world.clock()) is not None

    assert await world.reload(here, idle=idle, lifetime=lifetime) == 0
    assert await there.sweep(world.in_force) == ()

    shorter = min(idle, lifetime)
    for sessions in (here, there):
        live = await sessions.read(cookie, world.clock())
        assert live is not None
        assert live.ends == world.clock() + shorter
        assert (live.session.idle, live.session.lifetime) == (idle, lifetime)
    world.clock.pass_by(shorter)
    for sessions in (here, there, await world.process()):
        assert await sessions.read(cookie, world.clock()) is None
    assert await here._store.all() == ()


async def test_who_is_past_the_shorter_time_is_out_at_once(world: World) -> None:
    here, there = await world.process(), await world.process()
    old = await world.sign_in(here)
    world.clock.pass_by(2 * HOUR)
    new = await world.sign_in(here)
    closed: list[str] = []
    live = here.peek(old, world.clock())
    assert isinstance(live, Live)
    live.closers.add(lambda: closed.append("tunnel"))

    assert await world.reload(here, lifetime=HOUR) == 1

    assert closed == ["tunnel"]
    assert here.peek(old, world.clock()) is None
    assert await there.read(old, world.clock()) is None
    assert await there.read(new, world.clock()) is not None


async def test_a_process_that_had_not_heard_is_no_way_round(world: World) -> None:
    """It reads the session later, when the policy in force is another one than at the sign-in."""
    here = await world.process()
    cookie = await world.sign_in(here)
    world.in_force = Policies({"acme.example": replace(POLICY, idle=HOUR)})
    world.clock.pass_by(HOUR)
    assert await (await world.process()).read(cookie, world.clock()) is None


async def test_a_shorter_config_counts_from_the_restart_on(world: World) -> None:
    cookie = await world.sign_in(await world.process(24))
    restarted = await world.process(1)
    live = await restarted.read(cookie, world.clock())
    assert live is not None
    assert live.ends == world.clock() + HOUR


async def test_a_longer_time_is_for_who_signs_in_after_it(world: World) -> None:
    here = await world.process()
    before = await world.sign_in(here)
    await world.reload(here, idle=HOUR)
    await world.reload(here, idle=8 * HOUR, lifetime=20 * HOUR)

    for sessions in (here, await world.process()):
        live = await sessions.read(before, world.clock())
        assert live is not None
        assert (live.session.idle, live.session.lifetime) == (HOUR, 12 * HOUR)
    policy = world.in_force.by_domain["acme.example"]
    _, after = await here.create(an_identity(), an_account(), policy, world.clock())
    assert (after.idle, after.lifetime) == (8 * HOUR, 20 * HOUR)


async def test_activity_moves_the_idle_end_and_never_the_absolute_one(world: World) -> None:
    here, there = await world.process(), await world.process()
    cookie = await world.sign_in(here)
    began = world.clock()
    for _ in range(3):
        world.clock.pass_by(3.9 * HOUR)
        live = await here.read(cookie, world.clock())
        assert live is not None
        here.touch(live, world.clock())
        await here._activity.write()
        assert await there.read(cookie, world.clock()) is not None
    world.clock.now = began + 12 * HOUR
    for sessions in (here, there):
        assert await sessions.read(cookie, world.clock()) is None


async def test_activity_is_written_at_most_once_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await world.process()
    cookie = await world.sign_in(here)
    kind = type(here._store)
    written: list[float] = []
    touch = kind.touch

    async def counted(self: Any, key: str, seen: float) -> None:
        written.append(seen)
        await touch(self, key, seen)

    monkeypatch.setattr(kind, "touch", counted)
    for _ in range(600):
        world.clock.pass_by(1.0)
        live = await here.read(cookie, world.clock())
        assert live is not None
        here.touch(live, world.clock())
        await here._activity.write()
    assert len(written) == 10
    assert min(b - a for a, b in pairwise(written)) >= 60.0
