"""The Redis store's own promises: fails fast, says nothing secret, never mixes replies."""

import asyncio
import random
import time
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from gateway.errors import SessionsUnavailable
from gateway.secret import Secret
from gateway.session.store.redis import RedisStore
from tests.servers.valkey import Valkey
from tests.session.samples import Clock, a_session, an_account, until


class TestABadServerIsSeenAtOpen:
    async def test_a_refused_port_within_a_second(self, own_valkey: Valkey) -> None:
        own_valkey.stop()
        began = time.monotonic()
        with pytest.raises(SessionsUnavailable):
            await RedisStore(own_valkey.url).open()
        assert time.monotonic() - began < 1.0

    async def test_a_server_that_says_nothing(self) -> None:
        async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        began = time.monotonic()
        with pytest.raises(SessionsUnavailable):
            await RedisStore(Secret(f"redis://127.0.0.1:{port}")).open()
        assert time.monotonic() - began < 4.0
        server.close()

    async def test_a_server_that_is_something_else(self) -> None:
        async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(http, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SessionsUnavailable):
            await RedisStore(Secret(f"redis://127.0.0.1:{port}")).open()
        server.close()

    async def test_a_read_only_server(self, own_valkey: Valkey) -> None:
        own_valkey.command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(SessionsUnavailable):
            await RedisStore(own_valkey.url).open()

    async def test_a_server_without_room(self, own_valkey: Valkey) -> None:
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(SessionsUnavailable, match="maxmemory"):
            await RedisStore(own_valkey.url).open()

    async def test_a_wrong_password(self, own_valkey: Valkey) -> None:
        own_valkey.command("CONFIG", "SET", "requirepass", "correct-horse")
        with pytest.raises(SessionsUnavailable) as caught:
            await RedisStore(Secret(f"redis://:battery-staple@127.0.0.1:{own_valkey.port}")).open()
        assert "battery" not in str(caught.value)
        store = RedisStore(Secret(f"redis://:correct-horse@127.0.0.1:{own_valkey.port}"))
        await store.open()
        await store.close()

    @pytest.mark.parametrize(
        "url", ["", "http://:hunter2@host", "redis://:hunter2@host:port/", "redis://:hunter2:x@h:x"]
    )
    async def test_a_bad_url_and_its_password_is_not_told(self, url: str) -> None:
        with pytest.raises(SessionsUnavailable, match="not a URL") as caught:
            await RedisStore(Secret(url)).open()
        seen: BaseException | None = caught.value
        while seen is not None:
            assert "hunter2" not in str(seen)
            seen = seen.__cause__


class TestCancellation:
    async def test_no_reply_ever_reaches_another(self, valkey: Valkey, clock: Clock) -> None:
        """3,000 loads by 300 people, two in three cancelled mid-flight, while the server stalls now
        and then so that requests are cut between being sent and being answered."""
        store = RedisStore(valkey.url, clock)
        await store.open()
        sessions = [
            a_session(clock(), account=an_account(f"user{number}")) for number in range(300)
        ]
        for session in sessions:
            await store.create(session)
        chance = random.Random(7)  # noqa: S311 - the same course each time
        answered = 0

        async def ask(number: int) -> None:
            nonlocal answered
            wanted = sessions[number % 300]
            loading = asyncio.create_task(store.load(wanted.key))
            if chance.random() < 0.67:
                for _ in range(chance.randrange(12)):
                    await asyncio.sleep(0)
                loading.cancel()
            with suppress(asyncio.CancelledError):
                assert await loading == wanted
                answered += 1

        for batch in range(30):
            if batch % 6 == 0:
                valkey.command("CLIENT", "PAUSE", "30", "ALL")
            await asyncio.gather(*(ask(batch * 100 + number) for number in range(100)))
        assert 900 < answered < 2500
        for session in sessions:
            assert await store.load(session.key) == session
        await store.close()

    async def test_who_was_first_is_known_although_cut_off(self, valkey: Valkey) -> None:
        """Whoever is cut off must not leave a transaction that can be used twice."""
        store = RedisStore(valkey.url)
        await store.open()
        asking = asyncio.create_task(store.named.first("tx:1", 60))
        await asyncio.sleep(0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        await store.close()
        await store.open()
        assert await store.named.first("tx:1", 60) is False
        await store.close()


class TestAnOutage:
    async def test_is_said_fast_and_ends_by_itself(self, own_valkey: Valkey, clock: Clock) -> None:
        store, losses = RedisStore(own_valkey.url, clock), list[int]()
        store.on_end(lambda key: None, lambda: losses.append(1))
        await store.open()
        session = a_session(clock())
        await store.create(session)

        own_valkey.stop()
        losses.clear()
        began = time.monotonic()
        with pytest.raises(SessionsUnavailable):
            await store.load(session.key)
        assert time.monotonic() - began < 1.0
        await until(lambda: losses, within=1.0)

        own_valkey.start()
        losses.clear()
        await until(lambda: losses, within=2.0)
        # It came back empty.
        assert await store.load(session.key) is None
        await store.create(session)
        assert await store.load(session.key) == session
        await store.close()

    async def test_news_flow_again_after_it(self, own_valkey: Valkey) -> None:
        heard, losses = list[str](), list[int]()
        store, other = RedisStore(own_valkey.url), RedisStore(own_valkey.url)
        store.on_end(heard.append, lambda: losses.append(1))
        await store.open()
        await other.open()
        own_valkey.stop()
        own_valkey.start()
        losses.clear()
        # Once for the broken connection, once for the new one.
        await until(lambda: len(losses) >= 2, within=2.0)
        await other.end("a" * 64)
        await until(lambda: heard == ["a" * 64], within=1.0)
        await other.close()
        await store.close()

    async def test_a_listener_cut_off_says_so(self, own_valkey: Valkey) -> None:
        losses = list[int]()
        store = RedisStore(own_valkey.url)
        store.on_end(lambda key: None, lambda: losses.append(1))
        await store.open()
        losses.clear()
        with capture_logs() as logs:
            own_valkey.command("CLIENT", "KILL", "TYPE", "PUBSUB")
            await until(lambda: len(losses) >= 2, within=2.0)
        assert {log["event"] for log in logs} == {"session_news_lost"}
        assert {log["reason"] for log in logs} == {"sessions_unavailable"}
        await store.close()

    async def test_a_connection_that_listens_no_more_is_noticed(self, valkey: Valkey) -> None:
        """redis-py connects anew by itself when it has to send something, and does not listen
        there: the server answers, and never tells anything again."""
        heard, losses = list[str](), list[int]()
        store = RedisStore(valkey.url)
        store.on_end(heard.append, lambda: losses.append(1))
        await store.open()
        losses.clear()
        assert store._news is not None
        assert store._news._connection is not None
        await store._news._connection.send_command("UNSUBSCRIBE")
        await until(lambda: len(losses) >= 2, within=2.0)
        await store._server.command("PUBLISH", "sonar:ended", "a" * 64)
        await until(lambda: heard == ["a" * 64], within=1.0)
        await store.close()

    async def test_a_server_that_falls_silent_is_noticed_within_a_second(
        self, own_valkey: Valkey
    ) -> None:
        losses = list[int]()
        store = RedisStore(own_valkey.url)
        store.on_end(lambda key: None, lambda: losses.append(1))
        await store.open()
        losses.clear()
        own_valkey.freeze()
        await until(lambda: losses, within=1.5)
        own_valkey.thaw()
        await store.close()


class TestWhatIsKept:
    async def test_every_name_is_ours_and_has_an_end(self, valkey: Valkey, clock: Clock) -> None:
        clock.now = time.time()
        store = RedisStore(valkey.url, clock)
        await store.open()
        session = a_session(clock(), idle=60, lifetime=90)
        await store.create(session)
        await store.named.first("tx:1", 60)
        await store.named.count("jo", 60)
        await store.touch(session.key, clock.pass_by(20))
        names = [f"sonar:session:{session.key}", "sonar:claim:tx:1", "sonar:count:jo"]
        left = [int(valkey.command("PTTL", name)[1:]) for name in names]
        assert all(58_000 < milliseconds <= 60_000 for milliseconds in left)
        await store.touch(session.key, clock.pass_by(45))
        assert 24_000 < int(valkey.command("PTTL", names[0])[1:]) <= 25_000
        # For its whole lifetime, however long it is idle: activity moves nothing here.
        labels = [f"sonar:label:{label}" for label in session.labels()]
        left = [int(valkey.command("PTTL", name)[1:]) for name in labels]
        assert all(88_000 < milliseconds <= 90_000 for milliseconds in left)
        ours = len(names) + len(labels)
        # What `open` tried out is there for a second.
        assert int(valkey.command("DBSIZE")[1:]) in (ours, ours + 1)
        await store.close()
