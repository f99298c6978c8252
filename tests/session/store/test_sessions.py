"""What a store does with sessions: one contract, every store."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from gateway.email import Email
from gateway.errors import SessionsUnavailable
from gateway.identity.model import GoogleVoucher, MicrosoftVoucher, StandardVoucher, Voucher
from gateway.session.model import Session, account_label
from gateway.session.store import Store
from gateway.session.store.codec import encode
from tests.servers.valkey import Valkey
from tests.session.samples import Clock, a_session, an_account, an_identity, until

Opener = Callable[[], Store]


class TestSessions:
    async def test_are_loaded_as_they_were_created(self, store: Store, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        assert await store.load(session.key) == session

    @pytest.mark.parametrize(
        "voucher",
        [
            GoogleVoucher(True, "acme.example"),
            GoogleVoucher(False, None),
            MicrosoftVoucher("8f2c0000-0000-4000-8000-000000000000", True),
            StandardVoucher(False),
        ],
    )
    async def test_keep_every_kind_of_identity(
        self, voucher: Voucher, store: Store, clock: Clock
    ) -> None:
        session = a_session(clock(), identity=an_identity(voucher=voucher))
        await store.create(session)
        assert await store.load(session.key) == session

    async def test_keep_what_is_missing_and_what_is_foreign(
        self, store: Store, clock: Clock
    ) -> None:
        session = a_session(
            clock(), identity=an_identity(None), account=an_account("Ďuro 鈴木", email=None)
        )
        await store.create(session)
        assert await store.load(session.key) == session

    async def test_are_none_when_unknown(self, store: Store) -> None:
        assert await store.load("0" * 64) is None
        assert await store.load("") is None
        assert await store.load("*") is None

    async def test_are_seen_by_other_processes(
        self, store: Store, other: Store, clock: Clock
    ) -> None:
        session = a_session(clock())
        await store.create(session)
        assert await other.load(session.key) == session

    async def test_survive_a_restart(self, store: Store, another: Opener, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        await store.close()
        again = another()
        await again.open()
        assert await again.load(session.key) == session
        await again.close()

    async def test_are_gone_after_idle_time(self, store: Store, clock: Clock) -> None:
        session = a_session(clock(), idle=60)
        await store.create(session)
        clock.pass_by(59.9)
        assert await store.load(session.key) == session
        clock.pass_by(0.2)
        assert await store.load(session.key) is None
        assert await store.all() == ()

    async def test_are_gone_after_their_lifetime_whatever_happens(
        self, store: Store, clock: Clock
    ) -> None:
        session = a_session(clock(), idle=60, lifetime=100)
        await store.create(session)
        for _ in range(3):
            await store.touch(session.key, clock.pass_by(33))
        assert await store.load(session.key) is not None
        await store.touch(session.key, clock.pass_by(1.1))
        assert await store.load(session.key) is None

    async def test_leave_the_store_in_real_time(self, another: Opener, clock: Clock) -> None:
        clock.now = time.time()
        store = another()
        await store.open()
        session = a_session(clock(), idle=0.1)
        await store.create(session)
        clock.pass_by(0.15)
        assert await store.load(session.key) is None
        await store.close()


class TestTouch:
    async def test_moves_the_idle_time(self, store: Store, other: Store, clock: Clock) -> None:
        session = a_session(clock(), idle=60)
        await store.create(session)
        seen = clock.pass_by(40)
        await store.touch(session.key, seen)
        clock.pass_by(40)
        loaded = await other.load(session.key)
        assert loaded is not None
        assert loaded.seen == pytest.approx(seen, abs=1e-5)
        assert replace(loaded, seen=session.seen) == session

    async def test_never_moves_it_back(self, store: Store, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        await store.touch(session.key, clock() + 40)
        await store.touch(session.key, clock() + 20)
        await store.touch(session.key, clock() - 20)
        loaded = await store.load(session.key)
        assert loaded is not None
        assert loaded.seen == pytest.approx(clock() + 40, abs=1e-5)

    async def test_does_nothing_to_what_is_unknown(self, store: Store, clock: Clock) -> None:
        await store.touch("0" * 64, clock())
        assert await store.all() == ()

    async def test_never_brings_back_what_ended(self, store: Store, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        await store.end(session.key)
        await store.touch(session.key, clock.pass_by(1))
        assert await store.load(session.key) is None

    async def test_never_brings_back_what_expired(self, store: Store, clock: Clock) -> None:
        session = a_session(clock(), idle=60)
        await store.create(session)
        await store.touch(session.key, clock.pass_by(61))
        assert await store.load(session.key) is None


class TestEnd:
    async def test_ends(self, store: Store, other: Store, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        assert await store.end(session.key) is True
        assert await store.load(session.key) is None
        assert await other.load(session.key) is None

    async def test_says_whether_it_was_there(self, store: Store, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        assert await store.end("0" * 64) is False
        assert await store.end(session.key) is True
        assert await store.end(session.key) is False

    async def test_ends_no_other(self, store: Store, clock: Clock) -> None:
        one, two = a_session(clock()), a_session(clock())
        await store.create(one)
        await store.create(two)
        await store.end(one.key)
        assert await store.load(two.key) == two

    async def test_is_heard_here_and_elsewhere_within_a_second(
        self, store: Store, another: Opener, clock: Clock
    ) -> None:
        other, here, there = another(), list[str](), list[str]()
        store.on_end(here.append, lambda: None)
        other.on_end(there.append, lambda: None)
        await other.open()
        sessions = [a_session(clock()) for _ in range(20)]
        for session in sessions:
            await store.create(session)
            await store.end(session.key)
        assert here[-1] == sessions[-1].key
        await until(lambda: len(there) == 20, within=1.0)
        assert there == [session.key for session in sessions]
        await other.close()

    async def test_is_heard_both_ways(self, store: Store, another: Opener, clock: Clock) -> None:
        other, here = another(), list[str]()
        store.on_end(here.append, lambda: None)
        await other.open()
        session = a_session(clock())
        await store.create(session)
        await store.end("1" * 64)
        await other.end(session.key)
        await until(lambda: {"1" * 64, session.key} <= set(here), within=1.0)
        await other.close()


class TestChange:
    async def test_is_kept_with_what_it_does_to_the_end(
        self, store: Store, other: Store, clock: Clock
    ) -> None:
        session = a_session(clock())
        await store.create(session)
        await store.touch(session.key, clock.pass_by(10))
        short = replace(session, seen=clock(), idle=60.0, lifetime=100.0)

        changed = await store.change(
            session.key, lambda found: replace(found, idle=60.0, lifetime=100.0)
        )

        assert changed is not None
        # Redis keeps the last activity to the microsecond.
        assert changed == replace(short, seen=changed.seen) == await other.load(session.key)
        clock.pass_by(60.001)
        assert await other.load(session.key) is None
        assert await other.all() == ()

    async def test_nothing_to_change(self, store: Store, clock: Clock) -> None:
        session = a_session(clock())
        assert await store.change(session.key, lambda found: replace(found, idle=1.0)) is None
        assert await store.load(session.key) is None
        await store.create(session)
        assert await store.change(session.key, lambda found: None) == session
        await store.end(session.key)
        assert await store.change(session.key, lambda found: replace(found, idle=1.0)) is None
        assert await store.load(session.key) is None

    async def test_many_at_once_lose_nothing(
        self, store: Store, other: Store, clock: Clock
    ) -> None:
        session = replace(a_session(clock()), password_at=0.0)
        await store.create(session)

        def one_more(found: Session) -> Session:
            return replace(found, password_at=(found.password_at or 0.0) + 1.0)

        for _ in range(10):
            await asyncio.gather(
                *(each.change(session.key, one_more) for each in (store, other, store, other))
            )

        found = await store.load(session.key)
        assert found is not None
        assert found.password_at == 40.0

    async def test_is_found_by_its_labels_as_before(self, store: Store, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        changed = await store.change(session.key, lambda found: replace(found, password_at=1.0))
        for label in session.labels():
            assert await store.labelled(label) == (changed,)

    async def test_others_hear_of_it_within_a_second(
        self, store: Store, other: Store, clock: Clock
    ) -> None:
        heard: list[str] = []
        other.on_end(lambda key: heard.append(f"ended {key}"), lambda: None)
        other.on_change(lambda key: heard.append(f"changed {key}"))
        session = a_session(clock())
        await store.create(session)
        began = time.monotonic()
        await store.change(session.key, lambda found: replace(found, password_at=1.0))
        await until(lambda: heard)
        assert time.monotonic() - began < 1.0
        await store.end(session.key)
        await until(lambda: len(heard) > 1)
        assert heard == [f"changed {session.key}", f"ended {session.key}"]


class TestAll:
    async def test_newest_first(self, store: Store, clock: Clock) -> None:
        sessions = [a_session(clock.pass_by(1)) for _ in range(5)]
        for session in sessions:
            await store.create(session)
        assert await store.all() == tuple(reversed(sessions))

    async def test_more_than_a_page(self, store: Store, clock: Clock) -> None:
        sessions = [a_session(clock() - number / 1000) for number in range(1300)]
        await create_all(store, sessions)
        assert await store.all() == tuple(sessions)

    async def test_nobody(self, store: Store) -> None:
        await store.named.first("tx:1", 60)
        await store.named.count("password:jo", 60)
        assert await store.all() == ()


async def create_all(store: Store, sessions: list[Session]) -> None:
    """Some at a time: a busy machine takes too long for more at once."""
    for begin in range(0, len(sessions), 50):
        await asyncio.gather(*map(store.create, sessions[begin : begin + 50]))


class Older:
    """A process from before there were labels, on the same place: it writes records of version 1,
    in the way it did."""

    def __init__(self, place: Path | Valkey) -> None:
        self._place = place

    def create(self, session: Session) -> None:
        record = json.loads(encode(session)) | {"version": 1}
        del record["reads"], record["session"]["identity"]["sid"], record["session"]["password_at"]
        text, seen, idle = json.dumps(record), session.seen, session.idle
        row = {"record": text, "seen": seen, "idle": idle, "until": seen + session.lifetime}
        if isinstance(self._place, Valkey):
            with Redis.from_url(self._place.url.reveal()) as server:
                server.hset(f"sonar:session:{session.key}", mapping=row)
                server.pexpire(f"sonar:session:{session.key}", int(idle * 1000))
            return
        with closing(sqlite3.connect(self._place)) as database, database:
            database.execute(
                "INSERT INTO sessions (key, record, seen, idle, until) VALUES (?, ?, ?, ?, ?)",
                (session.key, text.encode(), seen, idle, seen + session.lifetime),
            )

    def end(self, key: str) -> None:
        if isinstance(self._place, Valkey):
            self._place.command("DEL", f"sonar:session:{key}")
            return
        with closing(sqlite3.connect(self._place)) as database, database:
            database.execute("DELETE FROM sessions WHERE key = ?", (key,))

    def labels(self) -> list[str]:
        """What is in the index now, as pairs of label and key in one text."""
        if isinstance(self._place, Valkey):
            with Redis.from_url(self._place.url.reveal(), decode_responses=True) as server:
                return sorted(
                    f"{name.removeprefix('sonar:label:')} {key}"
                    for name in server.keys("sonar:label:*")
                    for key in server.zrange(name, 0, -1)
                )
        with closing(sqlite3.connect(self._place)) as database, database:
            return sorted(f"{a} {b}" for a, b in database.execute("SELECT label, key FROM labels"))


@pytest.fixture
def older(request: pytest.FixtureRequest, another: Opener, tmp_path: Path) -> Older:
    if "embedded" in request.node.name:
        return Older(tmp_path / "sessions" / "sessions.db")
    return Older(request.getfixturevalue("valkey"))


class TestLabelled:
    async def test_finds_by_identity_account_and_provider_s_session(
        self, store: Store, other: Store, clock: Clock
    ) -> None:
        session = a_session(clock(), identity=an_identity(sid="there"))
        stranger = a_session(
            clock(), identity=an_identity(subject="2", sid="elsewhere"), account=an_account("al")
        )
        await store.create(session)
        await store.create(stranger)
        for label in session.labels():
            assert await other.labelled(label) == (session,)
        for label in stranger.labels():
            assert await other.labelled(label) == (stranger,)

    async def test_newest_first_and_all_of_them(self, store: Store, clock: Clock) -> None:
        sessions = [a_session(clock.pass_by(1)) for _ in range(5)]
        for session in sessions:
            await store.create(session)
        assert await store.labelled(account_label("id-jo")) == tuple(reversed(sessions))

    async def test_more_than_a_page(self, store: Store, clock: Clock) -> None:
        sessions = [a_session(clock() - number / 1000) for number in range(700)]
        await create_all(store, sessions)
        assert await store.labelled(sessions[0].labels()[0]) == tuple(sessions)

    async def test_nobody(self, store: Store, clock: Clock) -> None:
        await store.create(a_session(clock()))
        for label in (account_label("id-al"), "", "*", "sonar:session:*", "0" * 64):
            assert await store.labelled(label) == ()

    async def test_is_as_the_activity_left_it(self, store: Store, clock: Clock) -> None:
        session = a_session(clock(), idle=60)
        await store.create(session)
        await store.touch(session.key, clock.pass_by(40))
        clock.pass_by(40)
        (found,) = await store.labelled(session.labels()[0])
        assert found.seen == pytest.approx(session.seen + 40, abs=1e-5)

    async def test_ended_is_found_no_more_and_leaves_nothing(
        self, store: Store, other: Store, older: Older, clock: Clock
    ) -> None:
        ended, left = (a_session(clock(), identity=an_identity(sid="there")) for _ in range(2))
        await store.create(ended)
        await store.create(left)
        await other.end(ended.key)
        for label in ended.labels():
            assert await store.labelled(label) == (left,)
        assert older.labels() == sorted(f"{label} {left.key}" for label in left.labels())

    async def test_past_its_time_is_found_no_more(self, store: Store, clock: Clock) -> None:
        session = a_session(clock(), idle=60)
        await store.create(session)
        clock.pass_by(61)
        assert await store.labelled(session.labels()[0]) == ()

    async def test_past_its_time_leaves_nothing(
        self, another: Opener, older: Older, clock: Clock
    ) -> None:
        """In real time, by the next sign-in or the next start."""
        clock.now = time.time()
        store = another()
        await store.open()
        await store.create(a_session(clock(), idle=0.05, lifetime=0.1))
        await store.create(a_session(clock(), idle=0.05))
        await store.close()
        deadline = time.monotonic() + 5
        while True:
            clock.now = time.time()
            store, session = another(), a_session(clock())
            await store.open()
            await store.create(session)
            await store.close()
            kept = older.labels()
            if kept == sorted(f"{label} {session.key}" for label in session.labels()):
                return
            assert time.monotonic() < deadline
            older.end(session.key)

    async def test_what_an_older_process_began_is_found(
        self, store: Store, older: Older, clock: Clock
    ) -> None:
        session = a_session(clock())
        older.create(session)
        assert await store.load(session.key) == session
        for label in session.labels():
            assert await store.labelled(label) == (session,)

    async def test_what_an_older_process_began_before_the_start_is_found(
        self, store: Store, another: Opener, older: Older, clock: Clock
    ) -> None:
        sessions = [a_session(clock() - number) for number in range(3)]
        for session in sessions:
            older.create(session)
        other = another()
        await other.open()
        await _comes_true(lambda: other.labelled(account_label("id-jo")), tuple(sessions))
        await other.close()

    async def test_what_an_older_process_ended_is_not(
        self, store: Store, older: Older, clock: Clock
    ) -> None:
        ended, left = a_session(clock()), a_session(clock())
        await store.create(ended)
        older.end(ended.key)
        await store.create(left)
        assert await store.labelled(account_label("id-jo")) == (left,)
        assert older.labels() == sorted(f"{label} {left.key}" for label in left.labels())


async def _comes_true(question: Callable[[], Awaitable[object]], expected: object) -> None:
    deadline = time.monotonic() + 5
    while (answer := await question()) != expected:
        assert time.monotonic() < deadline, answer


class TestClosed:
    async def test_is_unavailable_before_open_and_after_close(self, another: Opener) -> None:
        store = another()
        with pytest.raises(SessionsUnavailable):
            await store.load("0" * 64)
        await store.open()
        await store.close()
        with pytest.raises(SessionsUnavailable):
            await store.load("0" * 64)

    async def test_may_be_closed_twice_and_unopened(self, another: Opener) -> None:
        store = another()
        await store.close()
        await store.open()
        await store.close()
        await store.close()

    async def test_a_cancelled_caller_harms_nobody(self, store: Store, clock: Clock) -> None:
        session = a_session(clock())
        await store.create(session)
        asking = asyncio.create_task(store.load(session.key))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await store.load(session.key) == session


async def test_email_addresses_come_back_as_such(store: Store, clock: Clock) -> None:
    session = a_session(clock())
    await store.create(session)
    loaded = await store.load(session.key)
    assert loaded is not None
    assert loaded.identity.email == Email("jo", "acme.example")
    assert isinstance(loaded.account.addresses, tuple)
