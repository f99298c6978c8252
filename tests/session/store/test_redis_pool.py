"""How a Redis is reached: every form of its address, and the master wherever it is."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from gateway.errors import SessionsUnavailable
from gateway.secret import Secret
from gateway.session.store.redis import RedisStore
from gateway.session.store.redis_pool import pool_for, told
from tests.servers.valkey import Sentinels, Valkey
from tests.session.samples import Clock, a_session, until


def test_one_server() -> None:
    pool = pool_for(Secret("redis://jo:p%40ss@redis.example:7/3"))
    wanted = {"host": "redis.example", "port": 7, "db": 3, "username": "jo", "password": "p@ss"}
    assert wanted.items() <= pool.connection_kwargs.items()
    assert pool_for(Secret("rediss://h")).connection_class is SSLConnection
    assert pool_for(Secret("unix:///s")).connection_class is UnixDomainSocketConnection


def test_sentinels() -> None:
    url = (
        "rediss+sentinel://jo:p%40ss@one:7,two,[::1]:9/sonar/3"
        "?sentinel_username=sen&sentinel_password=t%26nel&ssl_cert_reqs=none"
    )
    pool = pool_for(Secret(url))
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "sonar"
    assert pool.connection_class is SentinelManagedSSLConnection
    wanted = {"db": 3, "username": "jo", "password": "p@ss", "ssl_cert_reqs": "none"}
    assert wanted.items() <= pool.connection_kwargs.items()
    asked = [each.connection_pool for each in pool.sentinel_manager.sentinels]
    assert [each.connection_kwargs["host"] for each in asked] == ["one", "two", "::1"]
    assert [each.connection_kwargs["port"] for each in asked] == [7, 26379, 9]
    for each in asked:
        assert each.connection_kwargs["username"] == "sen"
        assert each.connection_kwargs["password"] == "t&nel"
        assert each.connection_class is SSLConnection


@pytest.mark.parametrize(
    "url",
    ["redis+sentinel://:hunter2@one", "redis+sentinel://:hunter2@one:x/sonar",
     "redis+sentinel://:hunter2@/sonar", "redis+sentinel://:hunter2@one,/sonar"],
)  # fmt: skip
def test_a_bad_url_and_its_password_is_not_told(url: str) -> None:
    with pytest.raises(SessionsUnavailable, match="not a URL") as caught:
        pool_for(Secret(url))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_no_sentinel_there_is_said_at_once() -> None:
    with pytest.raises(SessionsUnavailable, match="sonar"):
        await RedisStore(Secret("redis+sentinel://127.0.0.1:1,127.0.0.1:2/sonar")).open()


async def test_a_new_master_is_followed(
    tmp_path: Path, own_valkey: Valkey, other_valkey: Valkey, clock: Clock
) -> None:
    """The old one is alive all the time: nobody must go on asking it. What ended on the way is told
    to everybody, by whichever."""
    other_valkey.follow(own_valkey)
    sentinels = Sentinels(tmp_path, own_valkey)
    sentinels.start()
    try:
        heard = list[str]()
        store, other = RedisStore(sentinels.url, clock), RedisStore(sentinels.url, clock)
        store.on_end(heard.append, lambda: None)
        await store.open()
        await other.open()
        session = a_session(clock())
        name = f"sonar:session:{session.key}"
        await store.create(session)
        await until(lambda: other_valkey.command("EXISTS", name) == b":1\r\n")
        with capture_logs() as logs:
            sentinels.fail_over()
            await until(lambda: any(log["event"] == "session_store_moved" for log in logs))
        assert await other.load(session.key) == session
        own_valkey.command("CLIENT", "KILL", "TYPE", "NORMAL")

        async def told() -> bool:
            await other.end("a" * 64)
            return "a" * 64 in heard

        async with asyncio.timeout(5):
            while not await told():  # noqa: ASYNC110 - another process changes
                await asyncio.sleep(0.05)
        await other.close()
        await store.close()
    finally:
        sentinels.stop()


@pytest.mark.parametrize("options", [{}, {"ssl": True}], ids=["plain", "tls"])
async def test_a_sentinel_that_does_not_answer_is_named_and_no_object_shown(
    options: dict[str, Any],
) -> None:
    times = {"socket_connect_timeout": 0.3, "retry": Retry(NoBackoff(), 0)}
    sentinels = Sentinel([("127.0.0.1", 1), ("127.0.0.1", 2)], sentinel_kwargs=times | options)  # type: ignore[no-untyped-call]
    with pytest.raises(RedisError) as caught:
        await sentinels.discover_master("sonar")
    said = told(caught.value)
    assert "127.0.0.1:1 - " in said
    assert "127.0.0.1:2 - " in said
    assert "<" not in said
    assert ">" not in said
