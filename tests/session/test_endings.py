"""What must end ends: by label, on every process, also while the store does not answer."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.errors import SessionsUnavailable
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.session import endings
from gateway.session.cache import Cache
from gateway.session.endings import Endings
from gateway.session.keys import KeyRing
from gateway.session.known import Known
from gateway.session.live import Sessions
from gateway.session.model import Session, account_label, identity_label, provider_label
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.servers.valkey import Valkey
from tests.session.samples import (
    Clock,
    a_session,
    an_account,
    an_identity,
    opened,
    sessions_on,
    settled,
    until,
)
from tests.session.stores import CutStore


async def sign_in(
    sessions: Sessions, clock: Clock, username: str = "jo", subject: str = "1", sid: str = "there"
) -> str:
    cookie, _ = await sessions.create(
        an_identity(subject=subject, sid=sid), an_account(username), None, clock()
    )
    return cookie


JO = an_identity(subject="1").key
ON = Policy("acme.example", Sso.ON, providers={"google": ProviderRule()})


class TestByLabel:
    @pytest.mark.parametrize(
        ("label", "left"),
        [
            (identity_label(JO), [False, False, True, True]),
            (account_label("id-jo"), [False, True, False, True]),
            (provider_label("google", "there"), [False, True, True, True]),
            (provider_label("microsoft", "there"), [True, True, True, True]),
            (account_label("there"), [True, True, True, True]),
        ],
    )
    async def test_ends_those_and_no_others(
        self, label: str, left: list[bool], sessions: Sessions, clock: Clock
    ) -> None:
        cookies = [
            await sign_in(sessions, clock),
            await sign_in(sessions, clock, "shared", sid="elsewhere"),
            await sign_in(sessions, clock, subject="2", sid="elsewhere"),
            await sign_in(sessions, clock, "al", subject="3", sid="nowhere"),
        ]
        closed = [opened(sessions, cookie, clock) for cookie in cookies]
        assert await sessions.end_labelled(label) == left.count(False)
        assert [sessions.peek(cookie, clock()) is not None for cookie in cookies] == left
        assert [not each for each in closed] == left
        assert await sessions.end_labelled(label) == 0

    @pytest.mark.parametrize("kind", ["embedded", "redis"])
    async def test_ends_on_every_process_within_a_second(
        self, kind: str, tmp_path: Path, keys: KeyRing, request: pytest.FixtureRequest
    ) -> None:
        def another() -> Store:
            if kind == "embedded":
                return EmbeddedStore(tmp_path / "sessions.db")
            valkey: Valkey = request.getfixturevalue("valkey")
            return RedisStore(valkey.url)

        clock = Clock()
        here, there = sessions_on(another(), keys), sessions_on(another(), keys)
        await here.start()
        await there.start()
        cookies = [await sign_in(there, clock) for _ in range(50)]
        closed = [opened(there, cookie, clock) for cookie in cookies]
        began = time.monotonic()
        assert await here.end_labelled(identity_label(JO)) == 50
        await until(lambda: all(closed), within=1.0)
        assert time.monotonic() - began < 1.0
        assert {there.peek(cookie, time.time()) for cookie in cookies} == {None}
        await here.stop()
        await there.stop()


class TestWhileTheStoreIsAway:
    async def test_those_here_are_refused_and_the_others_end_as_soon_as_it_is_back(
        self, store: CutStore, sessions: Sessions, keys: KeyRing, clock: Clock
    ) -> None:
        other = sessions_on(EmbeddedStore(store.path, clock), keys, clock)
        await other.start()
        elsewhere = await sign_in(other, clock)
        here = await sign_in(sessions, clock)
        closed = opened(sessions, here, clock), opened(other, elsewhere, clock)
        store.cut_off = True
        with pytest.raises(SessionsUnavailable):
            await sessions.end_labelled(identity_label(JO))
        assert sessions.peek(here, clock()) is None
        assert (len(closed[0]), len(closed[1])) == (1, 0)
        store.cut_off = False
        await until(lambda: closed[1])
        assert await other.read(here, clock()) is None
        await other.stop()

    async def test_whoever_signed_in_after_it_stays(
        self, store: CutStore, sessions: Sessions, clock: Clock, tmp_path: Path, keys: KeyRing
    ) -> None:
        elsewhere = sessions_on(EmbeddedStore(tmp_path / "sessions.db", clock), keys, clock)
        await elsewhere.start()
        before = await sign_in(sessions, clock)
        store.cut_off = True
        with pytest.raises(SessionsUnavailable):
            await sessions.end_labelled(identity_label(JO))
        clock.pass_by(1)
        after = await sign_in(elsewhere, clock)
        await elsewhere.stop()
        store.cut_off = False
        await until(lambda: not sessions._endings._labels)
        assert sessions.peek(before, clock()) is None
        assert await sessions.read(after, clock()) is not None

    async def test_a_sweep_refuses_those_here(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        cookie = await sign_in(sessions, clock)
        store.cut_off = True
        with pytest.raises(SessionsUnavailable):
            await sessions.sweep(Policies())
        assert sessions.peek(cookie, clock()) is None
        store.cut_off = False
        await until(lambda: not sessions._known.over.untold())
        assert await store.all() == ()

    async def test_what_a_sweep_ended_is_told_to_it_whoever_tells_the_store_meanwhile(
        self, store: CutStore, sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await sign_in(sessions, clock)
        everything = store.all

        async def all_after_a_round() -> tuple[Session, ...]:
            await sessions._endings.tell()
            return await everything()

        monkeypatch.setattr(store, "all", all_after_a_round)
        assert len(await sessions.sweep(Policies())) == 1

    async def test_a_sweep_ends_all_when_the_store_is_back_and_notes_each_once(
        self, store: CutStore, sessions: Sessions, keys: KeyRing, clock: Clock
    ) -> None:
        """Also who is in no process's memory, and although they were let in again meanwhile."""
        other = sessions_on(EmbeddedStore(store.path, clock), keys, clock)
        await other.start()
        here, elsewhere = await sign_in(sessions, clock), await sign_in(other, clock)
        await other.stop()
        meant = {session.public_id for session in await store.all()}
        noted: list[str] = []
        store.cut_off = True
        with pytest.raises(SessionsUnavailable):
            await sessions.sweep(Policies(), lambda session: noted.append(session.public_id))
        allowed = Policies({"acme.example": ON})
        with pytest.raises(SessionsUnavailable):
            await sessions.sweep(allowed, lambda session: noted.append(session.public_id))
        assert noted == []
        store.cut_off = False
        clock.pass_by(1)
        await until(lambda: not sessions._store.is_gone)
        later = await sign_in(sessions, clock)
        await until(lambda: settled(sessions))
        assert sorted(noted) == sorted(meant)
        assert await sessions.read(here, clock()) is None
        assert await sessions.read(elsewhere, clock()) is None
        assert await sessions.read(later, clock()) is not None

    async def test_an_ending_whose_answer_was_lost_is_noted_once(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        """The store ends the session, and breaks before it says so."""
        for _ in range(3):
            await sign_in(sessions, clock)
        noted: list[str] = []
        meant = {session.public_id for session in await store.all()}
        store.swallows = True
        with pytest.raises(SessionsUnavailable):
            await sessions.sweep(Policies(), lambda session: noted.append(session.public_id))
        store.swallows = False
        await until(lambda: settled(sessions))
        assert await store.all() == ()
        assert sorted(noted) == sorted(meant)

    async def test_of_two_processes_one_notes(
        self, store: CutStore, sessions: Sessions, keys: KeyRing, clock: Clock
    ) -> None:
        other_store = CutStore(store.path, clock)
        other = sessions_on(other_store, keys, clock)
        await other.start()
        cookies = [await sign_in(sessions, clock) for _ in range(20)]
        for cookie in cookies:
            assert await other.read(cookie, clock()) is not None
        noted: list[str] = []
        store.cut_off = other_store.cut_off = True
        for each in (sessions, other):
            with pytest.raises(SessionsUnavailable):
                await each.sweep(Policies(), lambda session: noted.append(session.public_id))
        store.cut_off = other_store.cut_off = False
        await until(lambda: settled(sessions) and settled(other))
        assert len(noted) == len(set(noted)) == 20
        await other.stop()

    async def test_what_a_label_names_is_noted_when_it_ends(
        self, store: CutStore, sessions: Sessions, clock: Clock
    ) -> None:
        await sign_in(sessions, clock)
        (session,) = await store.all()
        noted: list[str] = []
        store.cut_off = True
        for _ in range(3):
            with pytest.raises(SessionsUnavailable):
                await sessions.end_labelled(
                    identity_label(JO), lambda session: noted.append(session.public_id)
                )
        store.cut_off = False
        await until(lambda: settled(sessions))
        assert noted == [session.public_id]

    async def test_times_that_became_shorter_reach_the_store_when_it_is_back(
        self, store: CutStore, tmp_path: Path, keys: KeyRing, clock: Clock
    ) -> None:
        in_force = Policies({"acme.example": ON})
        sessions = sessions_on(store, keys, clock, policies=lambda: in_force)
        await sessions.start()
        await sign_in(sessions, clock)
        in_force = Policies({"acme.example": replace(ON, idle=60.0)})
        store.cut_off = True
        with pytest.raises(SessionsUnavailable):
            await sessions.sweep(in_force)
        store.cut_off = False
        await until(lambda: not sessions._sweep._too_long)
        (kept,) = await store.all()
        assert kept.idle == 60.0
        await sessions.stop()

    async def test_what_anybody_may_ask_for_does_not_fill_the_memory(
        self, store: CutStore, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(endings, "_MOST_LABELS", 3)
        store.cut_off = True
        for number in range(5):
            with pytest.raises(SessionsUnavailable):
                await sessions.end_labelled(provider_label("google", str(number)))
        assert len(sessions._endings._labels) == 3


class Forgetful(CutStore):
    """It has every session again, but those whose keys begin with `known`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.ended: list[str] = []

    async def load(self, key: str) -> Session | None:
        self._check()
        self.loads.append(key)
        return None if key.startswith("known") else a_session(0.0, key=key)

    async def end(self, key: str) -> bool:
        self.ended.append(key)
        return True


async def test_what_the_store_has_again_is_ended_again_and_nothing_else(
    tmp_path: Path, clock: Clock
) -> None:
    store = Forgetful(tmp_path / "sessions.db", clock)
    known = Known(store, Cache(), lambda each: pytest.fail(), 300, clock, lambda each: each)  # noqa: PT016
    here = Endings(store, store.named, known, clock)
    here.heard("old")
    clock.pass_by(400)
    for number in range(7):
        here.heard(f"{number}")
    here.heard("known to have ended")
    clock.pass_by(201)
    await here.tell()
    assert store.loads == []
    here.lost()
    store.cut_off = True
    await here.tell()
    store.cut_off = False
    with capture_logs() as logs:
        await here.tell()
        await here.tell()
    assert sorted(store.ended) == [f"{number}" for number in range(7)]
    assert len(store.loads) == 8
    assert [(log["event"], log["count"]) for log in logs] == [("sessions_ended_again", 7)]
