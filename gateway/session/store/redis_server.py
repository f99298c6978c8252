"""Commands to a Redis, each to its end.

No connection is ever shared across a cancellation. A command that is abandoned between its request
and its reply leaves the reply for whoever uses the connection next: somebody else's session. So
each command runs to its end in a task of its own, which no request's cancellation reaches; only a
timeout ends it, and then the connection is closed.

However many people wait, the server sees only so many connections of this process.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.errors import SessionsUnavailable, TooBusy
from gateway.secret import Secret
from gateway.session.store.redis_pool import Follower, MasterPool, Pool, close_pool, pool_for, told

# What the name of everything of ours begins with.
PREFIX = "sonar:"
# One more is for the news.
_CONNECTIONS = 16
# For one of these connections, while the server answers: a thousand people are served in less.
_PATIENCE = 5.0

T = TypeVar("T")


class Server:
    """The Redis at `url`, of a form that redis_pool.py knows."""

    def __init__(self, url: Secret) -> None:
        self._url = url
        self._client: Redis | None = None
        self._pool: Pool | None = None
        self._moved: Callable[[], None] = lambda: None
        self._follower: Follower | None = None
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._broke_at = float("-inf")
        self._running: set[asyncio.Future[Any]] = set()

    def connect(self, moved: Callable[[], None]) -> ConnectionPool:
        """Make ready, and nothing more; the pool. `moved` is called when another server is the
        master, or may be. Raises `SessionsUnavailable` when the URL is none."""
        pool = self._pool = pool_for(self._url)
        self._client, self._moved = Redis.from_pool(pool), moved
        if isinstance(pool, MasterPool):
            self._follower = Follower(pool, moved)
            self._follower.start()
        return pool

    async def disconnect(self) -> None:
        """Let what is under way finish, then close every connection."""
        if self._follower is not None:
            await self._follower.stop()
            self._follower = None
        if self._running:
            await asyncio.wait(self._running)
        if self._client is not None:
            await close_pool(self._client.connection_pool)
            self._client = None

    async def command(self, *words: str | bytes | int) -> Any:
        client = self._client
        if client is None:
            raise SessionsUnavailable("the session store is not open")
        return await self.run(lambda: client.execute_command(*words))  # type: ignore[no-untyped-call]

    async def script(
        self, script: str, keys: Sequence[str | bytes], *values: str | bytes | int
    ) -> Any:
        return await self.command("EVAL", script, len(keys), *keys, *values)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run to the end whatever happens to the caller; translate what redis-py raises."""
        task = asyncio.ensure_future(self._placed(work))
        self._running.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except (RedisError, OSError) as error:
            if isinstance(error, ReadOnlyError):
                await self._look_elsewhere()
            refused = isinstance(error, ResponseError)
            raise SessionsUnavailable(f"Redis: {told(error)}", refused=refused) from error

    async def _placed(self, work: Callable[[], Awaitable[T]]) -> T:
        began = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            raise TooBusy("Redis: too many questions at once") from None
        if began < self._broke_at:
            # Who waited behind those that nobody answered does not wait for an answer, too.
            self._places.release()
            raise SessionsUnavailable("Redis: no answer to others")
        try:
            return await work()
        except (RedisConnectionError, RedisTimeoutError, OSError):
            self._broke_at = time.monotonic()
            if self._pool is not None:
                self._pool.broke()
            raise
        finally:
            self._places.release()

    async def _look_elsewhere(self) -> None:
        """A master became a replica: whoever answers at its address, or by its name, may be the
        master now."""
        if self._client is not None:
            await self._client.connection_pool.disconnect(inuse_connections=False)
        self._moved()

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        # When the caller has gone, nobody asks for the exception any more.
        if not task.cancelled():
            task.exception()


def milliseconds(seconds: float) -> int:
    """An expiry; Redis takes no 0."""
    return max(1, int(seconds * 1000))
