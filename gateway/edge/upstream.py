"""One connection to Sonar, or to the portal behind its Unix socket.

Rules
    A connection serves one request at a time. It goes back to the pool only when its reply was
    complete, both sides said it may stay open, and not one byte too many had come: what came too
    early would be read as the answer to the next person's request.
    A byte that comes while a connection is idle ends it, for the same reason.
    A connection is never shared across a cancellation: whoever gives up closes it.
"""

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

from gateway.edge.events import ReplyEvent
from gateway.edge.receiver import Receiver
from gateway.edge.reply_reader import ReplyReader

if TYPE_CHECKING:
    from gateway.edge.pool import Pool

# What is heard of an upstream that is gone: more than any reply that explains why.
_READ_BYTES = 64 * 1024
_MOST_READS = 16


class Asker(Protocol):
    """Whose request a connection is serving."""

    def replied(self, events: list[ReplyEvent]) -> None:
        """Events of the reply, in order."""

    def upstream_lost(self, *, complete: bool) -> None:
        """The connection ended before `END`; `complete`: this is how the reply ends."""

    def upstream_full(self, *, full: bool) -> None:
        """Upstream takes the body slower than it comes (`full`), or has caught up."""


class Connection(Receiver):
    """One connection to upstream. `fresh`: it has served nobody yet."""

    __slots__ = (
        "_asker",
        "_ended",
        "_held",
        "_reader",
        "_transport",
        "fresh",
        "idle_since",
        "pool",
    )

    _transport: asyncio.Transport

    def __init__(self, pool: "Pool") -> None:
        super().__init__()
        self.pool = pool
        self._ended = self._held = False
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

    def write(self, parts: tuple[bytes, ...]) -> None:
        """The next bytes of the body, in one go."""
        self._transport.writelines(parts)

    def release(self) -> None:
        """The request and its whole reply are over: the connection may serve somebody else,
        unless a byte too many has come."""
        self._asker = None
        self.fresh = False
        if self._reader.in_head or self._transport.is_closing():
            self._transport.abort()
            return
        if self._held:
            # Its reply was whole before the browser had taken it: nobody else shall wait for that.
            self.hold(held=False)
        self.pool.put(self)

    def retire(self) -> None:
        """As `release`, but the connection serves nobody any more."""
        self.pool.health.answered()
        self.close()

    def too_slow(self) -> None:
        """No answer came in time."""
        self.pool.silent("no answer in time")

    def close(self) -> None:
        """Give up, whatever was going on."""
        self._asker = None
        self._transport.abort()

    def hold(self, *, held: bool) -> None:
        """Stop or go on reading: the browser is slower than upstream."""
        if self._transport.is_closing():
            return
        self._held = held
        if held:
            self.fell_behind()
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def detach(self) -> tuple[asyncio.Transport, bytes]:
        """Hand the socket over to a tunnel, with the bytes that came after the upgrade. Whoever
        closes it counts it out of the pool's `open`."""
        self._asker = None
        self._reader.part()
        return self._transport, self._reader.rest

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have all of asyncio.Transport but its name.
        self._transport = cast(asyncio.Transport, transport)
        self.pool.open += 1

    def data_received(self, data: bytes) -> None:
        if self._asker is None:
            self._transport.abort()
            return
        events = self._reader.feed(data)
        if events:
            self._asker.replied(events)

    def eof_received(self) -> None:
        """Upstream says that nothing more comes; over TLS in a way that nobody else can."""
        self._ended = True

    def connection_lost(self, error: Exception | None) -> None:
        self.pool.forget(self)
        if error is not None and self._asker is not None:
            self._hear_the_rest()
        self._reader.part()
        asker, self._asker = self._asker, None
        if asker is None:
            return
        complete = error is None and self._ended and self._reader.until_close
        if complete:
            self.pool.health.answered()
        elif self.fresh:
            self.pool.silent("connection closed before the reply was complete")
        asker.upstream_lost(complete=complete)

    def _hear_the_rest(self) -> None:
        """Upstream was gone when we wrote on, and the event loop reads no more. What it said
        before, such as that the upload is too large, waits in the kernel. Not under TLS."""
        sock = self._transport.get_extra_info("socket")
        if sock is None or self._transport.get_extra_info("ssl_object") is not None:
            return
        with suppress(OSError):
            for _ in range(_MOST_READS):
                data = os.read(sock.fileno(), _READ_BYTES)
                if not data:
                    break
                self.data_received(data)
                if self._asker is None:
                    break

    def pause_writing(self) -> None:
        if self._asker is not None:
            self._asker.upstream_full(full=True)

    def resume_writing(self) -> None:
        if self._asker is not None:
            self._asker.upstream_full(full=False)
