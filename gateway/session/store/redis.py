"""Sessions in Redis or Valkey: several machines.

    sonar:session:<key>   a hash: record, seen, idle, until, labels; expires with the session
    sonar:label:<label>   the keys of the sessions with this label (redis_scripts.py)
    sonar:claim:<name>    taken
    sonar:count:<name>    how many
    sonar:attempts:<name> a hash: made, due; expires when all is forgotten
    sonar:kept:<name>     a value
    sonar:ended           the channel on which ended sessions are told (redis_news.py)

No connection is ever shared across a cancellation. A command that is abandoned between its request
and its reply leaves the reply for whoever uses the connection next: somebody else's session. So
each command runs to its end in a task of its own, which no request's cancellation reaches; only a
timeout ends it, and then the connection is closed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from gateway.errors import SessionsUnavailable
from gateway.secret import Secret
from gateway.session.model import Session
from gateway.session.store import nobody_listens
from gateway.session.store import redis_scripts as scripts
from gateway.session.store.attempts import LUA_ATTEMPT, LUA_PARDON, Throttle
from gateway.session.store.codec import Stored, decode, encode
from gateway.session.store.redis_news import News

_PREFIX = "sonar:"
_SESSION = f"{_PREFIX}session:"
_LABEL = f"{_PREFIX}label:"
_CLAIM = f"{_PREFIX}claim:"
_COUNT = f"{_PREFIX}count:"
_ATTEMPTS = f"{_PREFIX}attempts:"
_KEPT = f"{_PREFIX}kept:"
_ENDED = f"{_PREFIX}ended"

# A Redis nearby answers in a millisecond. One that takes a second is as good as gone, and
# `outage_grace` is a better answer to the person than waiting.
_TIMEOUT = 1.0
_CONNECTIONS = 16
_PAGE = 500

T = TypeVar("T")


class RedisStore:
    """`SessionStore` at `url` (`redis://`, `rediss://` or `unix://`). `clock`: Unix seconds."""

    def __init__(self, url: Secret, clock: Callable[[], float] = time.time) -> None:
        self._url = url
        self._clock = clock
        self._heard: Callable[[str], None] = nobody_listens
        self._lost: Callable[[], None] = nobody_listens
        self._client: Redis | None = None
        self._news: News | None = None
        self._labelling: asyncio.Task[None] | None = None
        self._running: set[asyncio.Future[Any]] = set()

    def on_end(self, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._heard, self._lost = heard, lost

    async def open(self) -> None:
        self._client = Redis.from_pool(self._pool())
        try:
            await self._try_out()
            news = News(self._pool(), _ENDED, lambda key: self._heard(key), lambda: self._lost())
            await self._run(news.start())
        except BaseException:
            await self._client.aclose()
            self._client = None
            raise
        self._news = news
        self._labelling = asyncio.create_task(self._label_unlabelled())

    async def close(self) -> None:
        if self._news is not None:
            await self._news.stop()
            self._news = None
        if self._labelling is not None:
            self._labelling.cancel()
            await asyncio.wait((self._labelling,))
            self._labelling = None
        if self._running:
            await asyncio.wait(self._running)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def create(self, session: Session) -> None:
        now = self._clock()
        await self._script(
            scripts.CREATE,
            _names(session),
            session.key,
            encode(session),
            repr(session.seen),
            repr(session.idle),
            repr(session.started + session.lifetime),
            _milliseconds(session.ends() - now),
            repr(now),
            " ".join(session.labels()),
        )

    async def load(self, key: str) -> Session | None:
        found = await self._command("HMGET", _SESSION + key, "record", "seen", "labels")
        return await self._alive(key, *found)

    async def touch(self, key: str, seen: float) -> None:
        await self._script(scripts.TOUCH, [_SESSION + key], repr(seen), repr(self._clock()))

    async def end(self, key: str) -> bool:
        ended = await self._script(scripts.END, [_SESSION + key], key, _LABEL, _ENDED)
        self._heard(key)
        return bool(ended)

    async def all(self) -> tuple[Session, ...]:
        sessions: dict[str, Session] = {}
        async for names in self._pages():
            sessions.update(await self._read(_keys(names)))
        return _newest_first(sessions)

    async def labelled(self, label: str) -> tuple[Session, ...]:
        keys = _keys(await self._script(scripts.LABELLED, [_LABEL + label], _SESSION))
        sessions: dict[str, Session] = {}
        for begin in range(0, len(keys), _PAGE):
            sessions.update(await self._read(keys[begin : begin + _PAGE]))
        return _newest_first(sessions)

    async def claim(self, name: str, seconds: float) -> bool:
        window = _milliseconds(seconds)
        return bool(await self._command("SET", _CLAIM + name, "1", "NX", "PX", window))

    async def count(self, name: str, seconds: float) -> int:
        return int(await self._script(scripts.COUNT, [_COUNT + name], _milliseconds(seconds)))

    async def attempt(self, name: str, throttle: Throttle) -> float:
        times = (throttle.first, throttle.longest, throttle.memory)
        waiting = await self._script(
            LUA_ATTEMPT,
            [_ATTEMPTS + name],
            repr(self._clock()),
            throttle.free,
            *map(repr, times),
        )
        return float(waiting)

    async def pardon(self, name: str) -> None:
        await self._script(LUA_PARDON, [_ATTEMPTS + name])

    async def forget(self, name: str) -> None:
        await self._command("DEL", _COUNT + name, _ATTEMPTS + name)

    async def keep(self, name: str, value: bytes, seconds: float) -> None:
        await self._command("SET", _KEPT + name, value, "PX", _milliseconds(seconds))

    async def kept(self, name: str) -> bytes | None:
        found: bytes | None = await self._command("GET", _KEPT + name)
        return found

    async def take(self, name: str) -> bytes | None:
        found: bytes | None = await self._command("GETDEL", _KEPT + name)
        return found

    def _pool(self) -> BlockingConnectionPool:
        try:
            return BlockingConnectionPool.from_url(
                self._url.reveal(),
                max_connections=_CONNECTIONS,
                timeout=_TIMEOUT,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                # Once more, for a pooled connection that the server has closed meanwhile. The ten
                # retries of redis-py would keep people waiting for a dead server.
                retry=Retry(NoBackoff(), 1, (RedisConnectionError,)),
                protocol=2,
                driver_info=None,
            )
        except (ValueError, TypeError):
            # The error's text would quote the URL, and with it the password.
            raise SessionsUnavailable(
                "sessions.store is not a URL such as redis://host:6379/0"
            ) from None

    async def _try_out(self) -> None:
        """Everything we need of the server, tried once: it may be read-only, full, or forbid us
        scripts, and the first person to sign in should not be the one to find out."""
        await self._command("SET", f"{_PREFIX}opened", "1", "PX", 1000)
        await self._script(scripts.TOUCH, [_SESSION], "0", "0")

    async def _pages(self) -> AsyncIterator[list[bytes]]:
        """The name of every session, some at a time."""
        cursor, pattern = 0, f"{_SESSION}*"
        while True:
            cursor, names = await self._command("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
            if names:
                yield names
            if cursor == 0:
                return

    async def _label_unlabelled(self) -> None:
        """Label the sessions that processes made which know no labels. Those that they make from
        now on are labelled when they are first looked at."""
        with suppress(SessionsUnavailable):
            async for names in self._pages():
                await self._read(_keys(await self._script(scripts.UNLABELLED, names)))

    async def _read(self, keys: list[str]) -> dict[str, Session]:
        """Those of these that are alive, by key."""
        found = await self._script(scripts.READ, [_SESSION + key for key in keys]) if keys else []
        sessions = {
            key: await self._alive(key, *fields) for key, fields in zip(keys, found, strict=True)
        }
        return {key: session for key, session in sessions.items() if session is not None}

    async def _alive(
        self, key: str, record: bytes | None, seen: bytes | None, labels: bytes | None
    ) -> Session | None:
        if record is None or seen is None:
            return None
        session, now = decode(Stored(record, float(seen)), key), self._clock()
        if session is None or not session.alive(now):
            return None
        if labels is None:
            # Of a process that knows none.
            await self._script(
                scripts.LABEL, _names(session), key, repr(now), " ".join(session.labels())
            )
        return session

    async def _script(
        self, script: str, keys: Sequence[str | bytes], *values: str | bytes | int
    ) -> Any:
        return await self._command("EVAL", script, len(keys), *keys, *values)

    async def _command(self, *words: str | bytes | int) -> Any:
        if self._client is None:
            raise SessionsUnavailable("the session store is not open")
        command = self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        return await self._run(command)

    async def _run(self, work: Awaitable[T]) -> T:
        """Run to the end whatever happens to the caller; translate what redis-py raises."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except (RedisError, OSError) as error:
            raise SessionsUnavailable(f"Redis: {error}") from error

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        # When the caller has gone, nobody asks for the exception any more.
        if not task.cancelled():
            task.exception()


def _names(session: Session) -> list[str]:
    """Of the session and its labels, in the store."""
    return [_SESSION + session.key, *(_LABEL + label for label in session.labels())]


def _keys(names: list[bytes]) -> list[str]:
    return [name.decode().removeprefix(_SESSION) for name in names]


def _newest_first(sessions: dict[str, Session]) -> tuple[Session, ...]:
    return tuple(sorted(sessions.values(), key=lambda each: -each.started))


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
