"""Connections to Sonar, and to the portal behind its Unix socket, and the pool that keeps them.

Rules
    A connection serves one request at a time. It goes back to the pool only when its reply was
    complete, both sides said it may stay open, and not one byte too many had come: what came too
    early would be read as the answer to the next person's request.
    A byte that comes while a connection is idle ends it, for the same reason.
    A connection is never shared across a cancellation: whoever gives up closes it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from gateway.edge.events import ReplyEvent
from gateway.edge.reply_heads import ReplyHeads
from gateway.edge.reply_reader import ReplyReader
from gateway.errors import UpstreamTimeout, UpstreamUnavailable

# Shorter than what servers in front of legacy applications keep (nginx 75 s), so that we close
# first. Apache closes after 5 s: see FRESH_SECONDS.
IDLE_SECONDS = 30.0
# A request that may not be sent twice takes a pooled connection only if it was used this short a
# time ago: less than any server's keep-alive, so that it does not meet one that is just closing.
FRESH_SECONDS = 1.0

Connect = Callable[
    [Callable[[], asyncio.Protocol]], Awaitable[tuple[asyncio.BaseTransport, asyncio.BaseProtocol]]
]


class Asker(Protocol):
    """Whose request a connection is serving."""

    def replied(self, events: list[ReplyEvent]) -> None:
        """Events of the reply, in order."""

    def upstream_lost(self, *, complete: bool) -> None:
        """The connection ended before `END`; `complete`: this is how the reply ends."""

    def upstream_full(self, *, full: bool) -> None:
        """Upstream takes the body slower than it comes (`full`), or has caught up."""


class Connection(asyncio.Protocol):
    """One connection to upstream. `fresh`: it has served nobody yet."""

    __slots__ = ("_asker", "_pool", "_reader", "_transport", "fresh", "idle_since")

    _transport: asyncio.Transport

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._asker: Asker | None = None
        self._reader = ReplyReader(pool.heads)
        self.fresh = True
        self.idle_since = 0.0

    # What an exchange does with it.

    def send(self, asker: Asker, method: str, head: bytes) -> None:
        """Begin a request. Events come to `asker` until `release`, `close` or `detach`."""
        self._asker = asker
        self._reader.expect(method)
        self._transport.write(head)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def release(self) -> None:
        """The request and its whole reply are over: the connection may serve somebody else,
        unless a byte too many has come."""
        self._asker = None
        self.fresh = False
        if self._reader.in_head or self._transport.is_closing():
            self._transport.abort()
        else:
            self._pool.put(self)

    def close(self) -> None:
        """Give up, whatever was going on."""
        self._asker = None
        self._transport.abort()

    def hold(self, *, held: bool) -> None:
        """Stop or go on reading: the browser is slower than upstream."""
        if self._transport.is_closing():
            return
        if held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """Hand the socket over to a tunnel, with the bytes that came after the upgrade."""
        self._asker = None
        return self._transport, self._reader.rest

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have all of asyncio.Transport but its name.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._asker is None:
            self._transport.abort()
            return
        events = self._reader.feed(data)
        if events:
            self._asker.replied(events)

    def connection_lost(self, error: Exception | None) -> None:
        self._pool.forget(self)
        asker, self._asker = self._asker, None
        if asker is not None:
            asker.upstream_lost(complete=error is None and self._reader.until_close)

    def pause_writing(self) -> None:
        if self._asker is not None:
            self._asker.upstream_full(full=True)

    def resume_writing(self) -> None:
        if self._asker is not None:
            self._asker.upstream_full(full=False)


class Pool:
    """The connections to one upstream. The one used last is used next, so that the others grow
    old and go. `connect` opens a socket with a protocol; `timeout` in seconds; `clock`: any that
    only goes forward; `heads`: what this upstream said before."""

    def __init__(
        self, connect: Connect, timeout: float, clock: Callable[[], float], heads: ReplyHeads
    ) -> None:
        self.heads = heads
        self._connect = connect
        self._clock = clock
        self._timeout = timeout
        self._idle: dict[Connection, None] = {}

    def take(self, *, repeatable: bool) -> Connection | None:
        """An idle connection, or `None`: connect. `repeatable`: the request may be sent again if
        the connection turns out to be stale."""
        if not self._idle:
            return None
        connection = next(reversed(self._idle))
        idle = self._clock() - connection.idle_since
        if idle > (IDLE_SECONDS if repeatable else FRESH_SECONDS):
            return None
        del self._idle[connection]
        return connection

    async def connect(self) -> Connection:
        """A new connection. Raises `UpstreamUnavailable`, or `UpstreamTimeout` of its kind."""
        try:
            async with asyncio.timeout(self._timeout):
                transport, connection = await self._connect(lambda: Connection(self))
        except TimeoutError as error:
            raise UpstreamTimeout(f"no connection within {self._timeout:g} s") from error
        except OSError as error:
            raise UpstreamUnavailable(error.strerror or str(error)) from error
        keep_alive(transport)
        assert isinstance(connection, Connection)  # noqa: S101 - for the type checker
        return connection

    def put(self, connection: Connection) -> None:
        connection.idle_since = self._clock()
        self._idle[connection] = None

    def forget(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def sweep(self) -> None:
        """Close what has been idle for too long."""
        now = self._clock()
        for connection in tuple(self._idle):
            if now - connection.idle_since > IDLE_SECONDS:
                del self._idle[connection]
                connection.close()

    def close(self) -> None:
        for connection in tuple(self._idle):
            connection.close()
        self._idle.clear()


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Have the kernel notice a peer that vanished without a word, within two minutes."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
