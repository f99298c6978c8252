"""The store hears of activity: soon enough, seldom, and in the end."""

from gateway.policy.model import Policy, Sso
from gateway.session.live import Live, Sessions
from tests.session.samples import Clock, an_account, an_identity, until
from tests.session.stores import CutStore


async def signed_in(sessions: Sessions, clock: Clock, policy: Policy | None = None) -> Live:
    cookie, _ = await sessions.create(an_identity(), an_account(), policy, clock())
    live = sessions.peek(cookie, clock())
    assert isinstance(live, Live)
    return live


async def test_is_written_at_most_once_a_minute(
    store: CutStore, sessions: Sessions, clock: Clock
) -> None:
    live = await signed_in(sessions, clock)
    for _ in range(59):
        sessions.touch(live, clock.pass_by(1))
    await sessions._activity.write()
    assert store.touches == []
    for _ in range(3):
        sessions.touch(live, clock.pass_by(1))
    await sessions._activity.write()
    assert store.touches == [live.session.key]


async def test_is_written_sooner_when_the_idle_time_is_short(
    store: CutStore, sessions: Sessions, clock: Clock
) -> None:
    live = await signed_in(sessions, clock, Policy("acme.example", Sso.ON, idle=30))
    sessions.touch(live, clock.pass_by(3))
    await sessions._activity.write()
    assert store.touches == [live.session.key]


async def test_is_written_between_requests_and_at_stop(
    store: CutStore, sessions: Sessions, clock: Clock
) -> None:
    live = await signed_in(sessions, clock)
    sessions.touch(live, clock.pass_by(61))
    await until(lambda: len(store.touches) == 1)
    sessions.touch(live, clock.pass_by(61))
    await sessions.stop()
    assert len(store.touches) == 2


async def test_is_not_lost_with_the_store(
    store: CutStore, sessions: Sessions, clock: Clock
) -> None:
    live = await signed_in(sessions, clock)
    store.cut_off = True
    seen = clock.pass_by(61)
    sessions.touch(live, seen)
    await sessions._activity.write()
    store.cut_off = False
    await until(lambda: not sessions._store.is_gone)
    await sessions._activity.write()
    loaded = await store.load(live.session.key)
    assert loaded is not None
    assert loaded.seen == seen
