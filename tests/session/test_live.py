"""Sessions as edge and portal use them: what costs I/O, what ends, what goes on in an outage."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway.errors import DirectoryUnavailable, SessionsUnavailable
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.session.cache import Cache
from gateway.session.cookie import mint
from gateway.session.keys import KeyRing
from gateway.session.keys.model import Key, new_key
from gateway.session.live import UNREAD, Live, Sessions
from gateway.session.model import Session
from gateway.session.store.embedded import EmbeddedStore
from tests.session.samples import (
    Clock,
    an_account,
    an_identity,
    new_keys,
    opened,
    sessions_on,
    until,
)
from tests.session.stores import CutStore


async def sign_in(
    sessions: Sessions, clock: Clock, username: str = "jo", policy: Policy | None = None
) -> tuple[str, Session]:
    return await sessions.create(an_identity(), an_account(username), policy, clock())


async def known(sessions: Sessions, cookie: str, clock: Clock) -> Live:
    live = await sessions.read(cookie, clock())
    assert live is not None
    return live


@pytest.fixture
async def elsewhere(
    store: CutStore, sessions: Sessions, keys: KeyRing, clock: Clock
) -> tuple[str, Session]:
    """Somebody who signed in on another process: in the store, not in our cache."""
    other = sessions_on(EmbeddedStore(store.path, clock), keys, clock)
    await other.start()
    signed_in = await sign_in(other, clock)
    await other.stop()
    return signed_in


class TestCreate:
    async def test_is_known_at_once(self, sessions: Sessions, clock: Clock) -> None:
        cookie, session = await sign_in(sessions, clock)
        live = sessions.peek(cookie, clock())
        assert isinstance(live, Live)
        assert live.session == session
        assert (session.started, session.seen) == (clock(), clock())

    async def test_ended_before_the_store_has_answered_it_is_over(
        self,
        store: CutStore,
        sessions: Sessions,
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """By another process, which has found it in the store already."""
        create = store.create

        async def and_then_news(session: Session) -> None:
            await create(session)
            await EmbeddedStore.end(store, session.key)

        monkeypatch.setattr(store, "create", and_then_news)
        cookie, _ = await sign_in(sessions, clock)
        assert sessions.peek(cookie, clock()) is None
        assert await sessions.read(cookie, clock()) is None

    async def test_has_a_new_id_each_time(self, sessions: Sessions, clock: Clock) -> None:
        made = [await sign_in(sessions, clock) for _ in range(3)]
        assert len({cookie for cookie, _ in made}) == 3
        assert len({session.key for _, session in made}) == 3
        assert len({session.public_id for _, session in made}) == 3

    @pytest.mark.parametrize(
        ("policy_idle", "policy_lifetime", "idle", "lifetime"),
        [
            (None, None, 3600, 86400),
            (60, None, 60, 86400),
            (7200, None, 3600, 86400),
            (None, 600, 3600, 600),
            (None, 999999, 3600, 86400),
        ],
    )
    async def test_takes_the_shorter_of_policy_and_config(
        self,
        policy_idle: float | None,
        policy_lifetime: float | None,
        idle: float,
        lifetime: float,
        sessions: Sessions,
        clock: Clock,
    ) -> None:
        policy = Policy("acme.example", Sso.ON, idle=policy_idle, lifetime=policy_lifetime)
        _, session = await sign_in(sessions, clock, policy=policy)
        assert (session.idle, session.lifetime) == (idle, lifetime)

    async def test_refuses_an_account_that_headers_cannot_tell(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        with pytest.raises(DirectoryUnavailable):
            await sign_in(sessions, clock, "jo\r\nX-Sonar-Account-Id: 1")
        assert await store.all() == ()


class TestPeek:
    async def test_a_forged_cookie_never_reaches_the_store(
        self, store: CutStore, sessions: Sessions, clock: Clock, tmp_path: Path
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        foreign = mint(new_keys(tmp_path / "other")).value
        for forged in ("", "x", cookie[:-1], cookie + "A", cookie.swapcase(), foreign):
            assert sessions.peek(forged, clock()) is None
            assert await sessions.read(forged, clock()) is None
        assert store.loads == []

    async def test_a_known_cookie_never_reaches_the_store(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        for _ in range(100):
            assert sessions.peek(cookie, clock()) is await sessions.read(cookie, clock())
        assert store.loads == []

    async def test_an_unknown_cookie_of_ours_is_unread(
        self, sessions: Sessions, elsewhere: tuple[str, Session], clock: Clock
    ) -> None:
        cookie, session = elsewhere
        assert sessions.peek(cookie, clock()) is UNREAD
        live = await sessions.read(cookie, clock())
        assert live is not None
        assert live.session == session
        assert sessions.peek(cookie, clock()) is live

    async def test_a_gone_cookie_is_asked_for_once_in_a_while(
        self, store: CutStore, sessions: Sessions, keys: KeyRing, clock: Clock
    ) -> None:
        gone = mint(keys).value
        for _ in range(50):
            assert await sessions.read(gone, clock()) is None
        assert len(store.loads) == 1
        clock.pass_by(5.1)
        assert sessions.peek(gone, clock()) is UNREAD


class TestRead:
    async def test_many_at_once_share_one_load(
        self,
        store: CutStore,
        sessions: Sessions,
        elsewhere: tuple[str, Session],
        clock: Clock,
    ) -> None:
        cookie, session = elsewhere
        found = await asyncio.gather(*(sessions.read(cookie, clock()) for _ in range(50)))
        assert store.loads == [session.key]
        assert len({id(live) for live in found}) == 1

    async def test_nobody_gets_another_s(
        self, store: CutStore, keys: KeyRing, sessions: Sessions, clock: Clock
    ) -> None:
        made = [await sign_in(sessions, clock, f"user{number}") for number in range(40)]
        await sessions.stop()
        fresh = sessions_on(store, keys, clock)
        await fresh.start()
        asked = [made[number % 40] for number in range(400)]
        found = await asyncio.gather(*(fresh.read(cookie, clock()) for cookie, _ in asked))
        for (_, session), live in zip(asked, found, strict=True):
            assert live is not None
            assert live.session == session
            assert session.account.username in live.identity_headers(clock()).decode()
        assert len(store.loads) == 40
        await fresh.stop()

    async def test_one_cancelled_reader_takes_nothing_from_the_others(
        self,
        store: CutStore,
        sessions: Sessions,
        elsewhere: tuple[str, Session],
        clock: Clock,
    ) -> None:
        cookie, session = elsewhere
        store.gate.clear()
        first = asyncio.create_task(sessions.read(cookie, clock()))
        second = asyncio.create_task(sessions.read(cookie, clock()))
        await until(lambda: store.loads)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        store.gate.set()
        live = await second
        assert live is not None
        assert live.session == session
        assert store.loads == [session.key]

    async def test_a_session_that_ends_while_it_is_read_is_refused(
        self,
        store: CutStore,
        sessions: Sessions,
        elsewhere: tuple[str, Session],
        clock: Clock,
    ) -> None:
        """The store's answer is older than the news: the answer must not win."""
        cookie, session = elsewhere
        store.gate.clear()
        reading = asyncio.create_task(sessions.read(cookie, clock()))
        await until(lambda: store.loads)
        store.tell_end(session.key)
        store.gate.set()
        assert await reading is None
        assert sessions.peek(cookie, clock()) is None

    @pytest.mark.parametrize(
        ("news", "then"), [("ended", None), ("changed", UNREAD), ("lost", UNREAD)]
    )
    async def test_news_that_comes_right_after_the_answer_counts(
        self,
        store: CutStore,
        sessions: Sessions,
        elsewhere: tuple[str, Session],
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
        news: str,
        then: object,
    ) -> None:
        """The answer is here, and who waits for it has not gone on yet."""
        cookie, session = elsewhere
        load = store.load
        tell = {
            "ended": lambda: store.tell_end(session.key),
            "changed": lambda: store.tell_change(session.key),
            "lost": store.lose_news,
        }

        async def and_then_news(key: str) -> Session | None:
            found = await load(key)
            asyncio.get_running_loop().call_soon(tell[news])
            return found

        monkeypatch.setattr(store, "load", and_then_news)
        assert (await sessions.read(cookie, clock()) is None) is (news == "ended")
        assert sessions.peek(cookie, clock()) is then

    async def test_a_session_read_while_news_is_lost_is_asked_for_again(
        self,
        store: CutStore,
        sessions: Sessions,
        elsewhere: tuple[str, Session],
        clock: Clock,
    ) -> None:
        cookie, _ = elsewhere
        store.gate.clear()
        reading = asyncio.create_task(sessions.read(cookie, clock()))
        await until(lambda: store.loads)
        store.lose_news()
        store.gate.set()
        assert await reading is not None
        assert sessions.peek(cookie, clock()) is UNREAD


class TestEnd:
    async def test_is_refused_at_once(self, sessions: Sessions, clock: Clock) -> None:
        cookie, session = await sign_in(sessions, clock)
        await sessions.end(session.key)
        assert sessions.peek(cookie, clock()) is None
        assert await sessions.read(cookie, clock()) is None
        clock.pass_by(6)
        assert await sessions.read(cookie, clock()) is None

    async def test_closes_what_is_open_once(self, sessions: Sessions, clock: Clock) -> None:
        cookie, session = await sign_in(sessions, clock)
        closed = opened(sessions, cookie, clock)
        await sessions.end(session.key)
        await sessions.end(session.key)
        assert closed == [cookie]

    async def test_of_an_unknown_session_is_nothing(self, sessions: Sessions) -> None:
        await sessions.end("0" * 64)

    async def test_that_the_store_does_not_take_is_not_forgotten(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, session = await sign_in(sessions, clock)
        store.cut_off = True
        with pytest.raises(SessionsUnavailable):
            await sessions.end(session.key)
        clock.pass_by(60)
        assert sessions.peek(cookie, clock()) is None
        assert await sessions.read(cookie, clock()) is None
        store.cut_off = False
        deadline = asyncio.get_running_loop().time() + 3
        while await EmbeddedStore.load(store, session.key) is not None:
            assert asyncio.get_running_loop().time() < deadline
        assert await sessions.read(cookie, clock()) is None

    async def test_elsewhere_is_heard_here(
        self, store: CutStore, sessions: Sessions, keys: KeyRing, clock: Clock
    ) -> None:
        cookie, session = await sign_in(sessions, clock)
        closed = opened(sessions, cookie, clock)
        other = sessions_on(EmbeddedStore(store.path, clock), keys, clock)
        await other.start()
        await other.end(session.key)
        await until(lambda: sessions.peek(cookie, clock()) is None, within=1.0)
        assert closed == [cookie]
        await other.stop()


class TestSweep:
    ON = Policy("acme.example", Sso.ON, providers={"google": ProviderRule()})

    @pytest.mark.parametrize(
        ("policy", "ended"),
        [
            (ON, 0),
            (None, 1),
            (replace(ON, sso=Sso.OFF), 1),
            (replace(ON, sso=Sso.PILOT), 1),
            (replace(ON, providers={}), 1),
        ],
    )
    async def test_ends_what_the_policies_no_longer_allow(
        self, policy: Policy | None, ended: int, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        policies = Policies({} if policy is None else {"acme.example": policy})
        assert len(await sessions.sweep(policies)) == ended
        assert (sessions.peek(cookie, clock()) is None) == bool(ended)

    async def test_ends_a_blocked_person(self, sessions: Sessions, clock: Clock) -> None:
        cookie, session = await sign_in(sessions, clock)
        email = session.identity.email
        assert email is not None
        policy = replace(self.ON, blocked_users=frozenset({email}))
        assert len(await sessions.sweep(Policies({"acme.example": policy}))) == 1
        assert sessions.peek(cookie, clock()) is None

    async def test_unknown_means_no(self, sessions: Sessions, clock: Clock) -> None:
        await sessions.create(an_identity(None), an_account(), None, clock())
        assert len(await sessions.sweep(Policies({"acme.example": self.ON}))) == 1


class TestExpiry:
    async def test_by_idle_time(self, sessions: Sessions, clock: Clock) -> None:
        cookie, _ = await sign_in(sessions, clock)
        clock.pass_by(3601)
        assert sessions.peek(cookie, clock()) is UNREAD
        assert await sessions.read(cookie, clock()) is None
        assert sessions.peek(cookie, clock()) is None

    async def test_by_lifetime_needs_no_store(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        live, closed = await known(sessions, cookie, clock), opened(sessions, cookie, clock)
        for _ in range(30):
            clock.pass_by(3000)
            sessions.touch(live, clock())
        assert sessions.peek(cookie, clock()) is None
        assert closed == [cookie]
        assert store.loads == []

    async def test_activity_on_another_process_counts(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, session = await sign_in(sessions, clock)
        clock.pass_by(3000)
        await EmbeddedStore.touch(store, session.key, clock())
        clock.pass_by(3000)
        live = await sessions.read(cookie, clock())
        assert live is not None
        assert live.ends == clock() + 600

    @pytest.mark.parametrize("seconds", [3601, 86401])
    async def test_closes_tunnels_although_nobody_asks(
        self, seconds: float, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        closed = opened(sessions, cookie, clock)
        clock.pass_by(seconds)
        await until(lambda: closed, within=1.0)

    async def test_leaves_the_memory_although_nobody_asks(
        self, store: CutStore, keys: KeyRing, clock: Clock
    ) -> None:
        cache = Cache()
        sessions = sessions_on(store, keys, clock, cache=cache)
        await sessions.start()
        await sign_in(sessions, clock)
        clock.pass_by(1800)
        later, _ = await sign_in(sessions, clock)
        clock.pass_by(1801)
        await until(lambda: len(cache) == 1)
        assert isinstance(sessions.peek(later, clock()), Live)
        assert store.loads == []
        await sessions.stop()

    async def test_leaves_a_busy_tunnel_open(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, session = await sign_in(sessions, clock)
        live, closed = await known(sessions, cookie, clock), opened(sessions, cookie, clock)
        clock.pass_by(3000)
        await EmbeddedStore.touch(store, session.key, clock())
        clock.pass_by(3000)
        await until(lambda: session.key in store.loads)
        await until(lambda: live.ends > clock())
        assert closed == []


class TestAnOutage:
    async def test_who_is_signed_in_goes_on_for_the_grace(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        store.cut_off = True
        store.lose_news()
        assert sessions.peek(cookie, clock()) is UNREAD
        for seconds in (0, 100, 100, 99):
            clock.pass_by(seconds)
            assert await sessions.read(cookie, clock()) is not None
        clock.pass_by(1.1)
        with pytest.raises(SessionsUnavailable):
            await sessions.read(cookie, clock())

    async def test_the_grace_does_not_begin_anew_with_each_loss(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        store.cut_off = True
        for _ in range(4):
            store.lose_news()
            clock.pass_by(100)
        with pytest.raises(SessionsUnavailable):
            await sessions.read(cookie, clock())

    async def test_the_grace_never_outlasts_the_session(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        clock.pass_by(3590)
        store.cut_off = True
        store.lose_news()
        assert await sessions.read(cookie, clock()) is not None
        clock.pass_by(20)
        with pytest.raises(SessionsUnavailable):
            await sessions.read(cookie, clock())

    async def test_nobody_unknown_gets_in(
        self,
        store: CutStore,
        sessions: Sessions,
        elsewhere: tuple[str, Session],
        clock: Clock,
    ) -> None:
        store.cut_off = True
        with pytest.raises(SessionsUnavailable):
            await sessions.read(elsewhere[0], clock())

    async def test_nobody_storms_a_store_that_is_down(
        self,
        store: CutStore,
        sessions: Sessions,
        elsewhere: tuple[str, Session],
        clock: Clock,
    ) -> None:
        store.cut_off = True
        for _ in range(100):
            with pytest.raises(SessionsUnavailable):
                await sessions.read(elsewhere[0], clock())
        assert len(store.loads) <= 2

    async def test_everything_is_confirmed_after_it(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, session = await sign_in(sessions, clock)
        store.cut_off = True
        store.lose_news()
        assert await sessions.read(cookie, clock()) is not None
        store.cut_off = False
        await until(lambda: not sessions._store.is_gone, within=2.0)
        store.loads.clear()
        live = await sessions.read(cookie, clock())
        assert sessions.peek(cookie, clock()) is live
        assert store.loads == [session.key]

    async def test_who_was_ended_meanwhile_is_refused_after_it(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, session = await sign_in(sessions, clock)
        await until(lambda: store._listener)
        store.cut_off = True
        store.lose_news()
        assert await sessions.read(cookie, clock()) is not None
        await store._thread.ask(lambda database: database.end(session.key))
        store.cut_off = False
        await until(lambda: not sessions._store.is_gone, within=2.0)
        assert await sessions.read(cookie, clock()) is None

    async def test_tunnels_are_closed_after_the_grace(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie, _ = await sign_in(sessions, clock)
        closed = opened(sessions, cookie, clock)
        store.cut_off = True
        store.lose_news()
        await until(lambda: store.loads)
        clock.pass_by(299)
        seen = len(store.loads)
        await until(lambda: len(store.loads) > seen)
        assert closed == []
        clock.pass_by(2)
        await until(lambda: closed, within=1.0)


async def test_the_rounds_survive_what_they_meet(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie, _ = await sign_in(sessions, clock)
    closed = opened(sessions, cookie, clock)
    failures = list[int]()

    async def broken() -> None:
        failures.append(1)
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(sessions._activity, "write", broken)
        await until(lambda: failures)
    clock.pass_by(90000)
    await until(lambda: closed, within=1.5)


async def test_a_forgotten_session_is_read_again(
    store: CutStore, keys: KeyRing, clock: Clock
) -> None:
    sessions = sessions_on(store, keys, clock, cache=Cache(most=2))
    await sessions.start()
    made = [await sign_in(sessions, clock) for _ in range(3)]
    assert sessions.peek(made[0][0], clock()) is UNREAD
    live = await sessions.read(made[0][0], clock())
    assert live is not None
    assert live.session == made[0][1]
    await sessions.stop()


class TestKeys:
    @pytest.fixture
    def keys(self, tmp_path: Path, clock: Clock) -> KeyRing:
        return KeyRing(new_keys(tmp_path).keys, clock=clock)

    def root(self, keys: KeyRing) -> Key:
        return next(key for key in keys.keys if key.kind == "root")

    async def test_a_dropped_key_signs_out_whoever_depends_on_it_and_nobody_else(
        self, sessions: Sessions, keys: KeyRing, clock: Clock
    ) -> None:
        old = self.root(keys)
        before, _ = await sign_in(sessions, clock)
        keys.renew([*keys.keys, new_key("root", clock() + 1)])
        clock.pass_by(10)
        keys.settle()
        after, _ = await sign_in(sessions, clock, "al")
        closed: list[str] = []
        for cookie in (before, after):
            (await known(sessions, cookie, clock)).closers.add(partial(closed.append, cookie))
        keys.renew(keys.keys - {old})
        assert closed == [before]
        assert sessions.peek(before, clock()) is None
        assert await sessions.read(before, clock()) is None
        assert isinstance(sessions.peek(after, clock()), Live)

    async def test_a_key_dropped_while_its_session_is_read(
        self, store: CutStore, sessions: Sessions, elsewhere: tuple[str, Session],
        keys: KeyRing, clock: Clock,
    ) -> None:  # fmt: skip
        cookie, session = elsewhere
        store.gate.clear()
        reading = asyncio.create_task(sessions.read(cookie, clock()))
        await until(lambda: store.loads == [session.key])
        keys.renew([*(keys.keys - {self.root(keys)}), new_key("root", clock() + 1)])
        store.gate.set()
        assert await reading is None
        assert sessions.peek(cookie, clock()) is None
