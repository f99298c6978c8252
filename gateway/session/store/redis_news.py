"""News of ended sessions over Redis pub/sub: one connection that only listens.

Pub/sub forgets: what is published while nobody is connected is gone. So this module's one promise
is to know when it may have missed something. It uses a bare connection, because redis-py's PubSub
reconnects without a word; it asks the server for a sign of life when nothing was heard for a while,
because a connection whose other end was cut off looks silent, not broken; and it calls `lost` at
each failure and again when it listens anew.
"""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from redis.asyncio import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from gateway.reasons import Reason
from gateway.tasks import stopped

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

_log = structlog.get_logger()

# Both together are less than the second within which every process must know that a session ended,
# or doubt that it still lives.
_SILENCE = 0.4
_ANSWER_WITHIN = 0.4
# By chance, so that many gateways do not come back in step.
_AGAIN_AFTER = (0.2, 0.4)


class News:
    """Calls `heard(text)` for each message on `channel`, `lost()` when some may be missing."""

    def __init__(
        self,
        pool: ConnectionPool,
        channel: str,
        heard: Callable[[str], None],
        lost: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._channel = channel
        self._heard = heard
        self._lost = lost
        self._listener: asyncio.Task[None] | None = None
        self._connection: AbstractConnection | None = None
        self._parting: asyncio.Task[None] | None = None
        self._told = False
        self._outdated = False

    async def start(self) -> None:
        """Returns when the server has confirmed that we listen; raises `RedisError`, `OSError`."""
        connection = await self._subscribed()
        self._listener = asyncio.create_task(self._listen(connection))

    async def stop(self) -> None:
        await stopped(self._listener)
        self._listener = None

    def renew(self) -> None:
        """Listen on a new connection: another server may be the master now."""
        self._outdated = True
        if self._connection is not None and self._connection.is_connected:
            # Our own doing is no news.
            self._told = True
            self._parting = asyncio.create_task(self._connection.disconnect(nowait=True))

    async def _listen(self, connection: "AbstractConnection | None") -> None:
        while True:
            try:
                connection = self._connection = connection or await self._subscribed()
                self._told = False
                await self._follow(connection)
            except (RedisError, OSError) as error:
                self._tell(error)
                self._lost()
            finally:
                if connection is not None:
                    await connection.disconnect(nowait=True)
            connection = None
            await asyncio.sleep(random.uniform(*_AGAIN_AFTER))  # noqa: S311 - no secret

    def _tell(self, error: Exception) -> None:
        """Once, until we listen again."""
        if not self._told:
            reason = Reason.SESSIONS_UNAVAILABLE
            _log.warning("session_news_lost", reason=reason, error=str(error))
        self._told = True

    async def _subscribed(self) -> "AbstractConnection":
        # What is heard from here on may come too late for the one that is being made.
        self._outdated = False
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("SUBSCRIBE", self._channel)
            await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        # From here on nothing is missed; before, anything may have been.
        self._lost()
        return connection

    async def _follow(self, connection: "AbstractConnection") -> None:
        """Pass messages on until the connection breaks or the server falls silent."""
        while True:
            if self._outdated:
                raise RedisConnectionError("another server is the master, or may be")
            message = await connection.read_response(timeout=_SILENCE)
            if message is None:
                message = await self._sign_of_life(connection)
            if message[0] == b"message":
                self._heard(message[2].decode())

    async def _sign_of_life(self, connection: "AbstractConnection") -> Any:
        await connection.send_command("PING")
        try:
            message = await connection.read_response(timeout=_ANSWER_WITHIN)
        except ResponseError as error:
            # A server that cannot write its file refuses even this, and passes on news. One that is
            # busy with a script does not.
            if not str(error).startswith("MISCONF"):
                raise
            return [b"refused"]
        if message is None:
            raise TimeoutError("no answer to PING")
        if not isinstance(message, list):
            # Only who listens is answered in a list. redis-py connects anew by itself when a
            # connection breaks just before something is sent on it, and then nobody listens there.
            raise RedisConnectionError("the connection listens no more")
        return message
