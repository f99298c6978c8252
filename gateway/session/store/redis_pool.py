"""How a Redis is reached: one server, or whichever of several is the master at the moment.

    redis://USER:PASSWORD@HOST:PORT/DB, rediss://… (TLS), unix:///PATH
    redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER/DB, rediss+sentinel://… (TLS)

The second form names Sentinels and the master they look after; user and password are the master's.
Sentinels with a password of their own: `?sentinel_username=…&sentinel_password=…`.
(https://redis.io/docs/latest/develop/reference/sentinel-clients/)
"""

import asyncio
import math
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from weakref import WeakKeyDictionary

import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.errors import SessionsUnavailable
from gateway.secret import Secret
from gateway.tasks import stopped

_log = structlog.get_logger()

# A Redis nearby answers in a millisecond. One that takes a second is as good as gone, and
# `outage_grace` is a better answer to the person than waiting.
_TIMEOUT = 1.0
# Sentinels answer at once, and there are others: all of them within about a second.
_SENTINEL_TIMEOUT = 0.3
_SENTINEL_PORT = 26379
# Within two seconds of a failover nobody asks the old master any more, even where it goes on
# answering, cut off from the others.
_LOOK_EVERY = 0.5

# How redis-py shows a Sentinel in what it raises.
_SENTINEL_OBJECT = re.compile(
    r"<redis\.asyncio\.client\.Redis.*?\bhost=([^,]*),port=(\d+).*?\)>\)>\)>"
)

_SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}


def pool_for(url: Secret) -> "Pool":
    """A pool of connections, none made yet. Raises `SessionsUnavailable` for what is no URL."""
    try:
        text = url.reveal()
        if urlsplit(text).scheme in _SENTINEL_SCHEMES:
            return _sentinel_pool(text)
        return Pool.from_url(text, **_common())
    except (ValueError, TypeError):
        # The error's text would quote the URL, and with it the password.
        raise SessionsUnavailable(
            "sessions.store is not a URL such as redis://host:6379/0"
        ) from None


def told(error: Exception) -> str:
    """What redis-py says of an error. Of a Sentinel it shows the whole object: here, who it is."""
    return _SENTINEL_OBJECT.sub(r"\1:\2", str(error))


async def close_pool(pool: ConnectionPool) -> None:
    await pool.aclose()
    if isinstance(pool, SentinelConnectionPool):
        await pool.sentinel_manager.aclose()


class Pool(ConnectionPool):
    """When a connection broke, the others may be broken as well, and not know it: a network that
    comes back after it was cut has forgotten them. They are made anew before their next use."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._broke_at = -math.inf
        self._connected_at = WeakKeyDictionary[AbstractConnection, float]()

    def broke(self) -> None:
        """One did not answer."""
        self._broke_at = time.monotonic()

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        if self._connected_at.get(connection, math.inf) <= self._broke_at:
            await connection.disconnect(nowait=True)
        if not connection.is_connected:
            self._connected_at[connection] = time.monotonic()
        await super().ensure_connection(connection)


class MasterPool(Pool, SentinelConnectionPool):
    """redis-py's parts with the idle connections to a master that was. One that is busy at that
    moment would come back and be used for as long as the old master answers: here it is parted
    with, too.

    And it makes no connection while no Sentinel answers, though the master does. Here the one known
    last is the master until a Sentinel says something else, even that there is none."""

    _unattended = False

    async def look(self) -> tuple[str, int]:
        """Who the Sentinels say is the master; `RedisError` when none says so."""
        try:
            # It closes the idle connections to the one before.
            found: tuple[str, int] = await super().get_master_address()  # type: ignore[no-untyped-call]
        except MasterNotFoundError:
            self._unattended = await self._nobody_answers()
            raise
        self._unattended = False
        return found

    async def get_master_address(self) -> tuple[str, int]:
        """Where a new connection leads."""
        known: tuple[str, int] | None = self.master_address
        if known is None or not self._unattended:
            try:
                return await self.look()
            except MasterNotFoundError:
                if known is None or not self._unattended:
                    raise
        return known

    async def _nobody_answers(self) -> bool:
        for sentinel in self.sentinel_manager.sentinels:
            try:
                # Even a refusal is an answer.
                with suppress(ResponseError):
                    await sentinel.ping()
            except (RedisConnectionError, RedisTimeoutError, OSError):
                continue
            return False
        return True

    async def release(self, connection: AbstractConnection) -> None:
        # Only Sentinel's connections, which have an address, are made here.
        if (connection.host, connection.port) != self.master_address:  # type: ignore[attr-defined]
            connection.mark_for_reconnect()  # type: ignore[no-untyped-call]
        await super().release(connection)


class Follower:
    """Asks the Sentinels who the master is, and calls `moved()` when it is another one."""

    def __init__(self, pool: MasterPool, moved: Callable[[], None]) -> None:
        self._pool = pool
        self._moved = moved
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        await stopped(self._task)

    async def _follow(self) -> None:
        silent = False
        # Our own memory: the pool's changes with each connection that it makes meanwhile.
        before: object = None
        while True:
            try:
                now = await self._pool.look()
            except (RedisError, OSError) as error:
                if not silent:
                    _log.warning("sentinels_silent", error=told(error))
                silent = True
            else:
                silent = False
                if before not in (None, now):
                    _log.warning("session_store_moved", master=f"{now[0]}:{now[1]}")
                    self._moved()
                before = now
            await asyncio.sleep(_LOOK_EVERY)


def _common() -> dict[str, Any]:
    return {
        "socket_timeout": _TIMEOUT,
        "socket_connect_timeout": _TIMEOUT,
        # Once more, for a pooled connection that the server has closed meanwhile. The ten
        # retries of redis-py would keep people waiting for a dead server.
        "retry": Retry(NoBackoff(), 1, (RedisConnectionError,)),
        "protocol": 2,
        "driver_info": None,
    }


def _sentinel_pool(url: str) -> MasterPool:
    parts = urlsplit(url)
    user, _, addresses = parts.netloc.rpartition("@")
    name, _, database = parts.path.strip("/").partition("/")
    if not name:
        raise ValueError("no master is named")
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    sentinel: dict[str, Any] = {
        key: options.pop(f"sentinel_{key}", None) for key in ("username", "password")
    }
    # redis-py's own reading of everything that the two forms have in common.
    plain = f"{_SENTINEL_SCHEMES[parts.scheme]}://{user}{'@' if user else ''}host/{database}"
    server: dict[str, Any] = dict(parse_url(f"{plain}?{urlencode(options)}"))
    del server["host"]
    if server.pop("connection_class", None) is SSLConnection:
        server["ssl"] = True
        sentinel |= {key: value for key, value in server.items() if key.startswith("ssl")}
    times = {"socket_timeout": _SENTINEL_TIMEOUT, "socket_connect_timeout": _SENTINEL_TIMEOUT}
    manager = Sentinel(  # type: ignore[no-untyped-call]
        [_address(text) for text in addresses.split(",")],
        sentinel_kwargs={**_common(), **sentinel, **times},
    )
    return MasterPool(name, manager, **_common(), **server)


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a Sentinel without a host")
    return parts.hostname, parts.port or _SENTINEL_PORT
