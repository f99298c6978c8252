"""An upgraded connection (WebSocket): bytes both ways, until one side or the session ends.

What flows through a tunnel was decided once, at its first request. So the tunnel is tied to its
session: when that ends, on whatever process, `Live.closers` closes both sides at once, without
waiting for what is still buffered.

When the gateway stops, the browser is told so by a close frame (1001) as soon as the frame under
way is complete. Its answer goes through to upstream, which closes in turn: both sides part as if
the other one had wished it.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.edge.record import record
from gateway.edge.upstream import Connection
from gateway.edge.websocket import GOING_AWAY, Frames

if TYPE_CHECKING:
    from gateway.edge.ending import Ending


def join(exchange: "Ending", connection: Connection) -> None:
    """Make a tunnel of an exchange whose upgrade was answered with 101."""
    shared, live, pool = exchange.shared, exchange.live, connection.pool
    upstream, to_browser = connection.detach()
    browser, to_upstream, full, gone = exchange.client.hand_over()

    def closed(sent: int) -> None:
        shared.counters.tunnels_open -= 1
        shared.tunnels.discard(tunnel)
        if live is not None:
            live.closers.discard(tunnel.close)
        pool.open -= 1
        record(exchange, 101, sent)
        gone()

    tunnel = Tunnel(browser, upstream, closed)
    shared.counters.tunnels_open += 1
    shared.tunnels.add(tunnel)
    tunnel.open(to_upstream, to_browser, full=full)
    if shared.closing:
        tunnel.take_leave()
    if live is not None:
        live.closers.add(tunnel.close)
        if live.ended:
            tunnel.close()


class Tunnel:
    """Joins two sockets. `closed` is called once, with the bytes that went to the browser."""

    __slots__ = ("_browser", "_closed", "_upstream")

    def __init__(
        self,
        browser: asyncio.Transport,
        upstream: asyncio.Transport,
        closed: Callable[[int], None],
    ) -> None:
        self._closed: Callable[[int], None] | None = closed
        self._browser = _Side(self, browser, upstream)
        self._upstream = _FromUpstream(self, upstream, browser)

    def open(self, to_upstream: bytes, to_browser: bytes, *, full: bool) -> None:
        """Take both sockets over; first what had come already. `full`: the browser must first
        catch up."""
        self._browser.take_over()
        self._upstream.take_over()
        if full:
            self._browser.pause_writing()
        if to_upstream:
            self._browser.data_received(to_upstream)
        if to_browser:
            self._upstream.data_received(to_browser)

    def close(self) -> None:
        """End both sides now."""
        self._browser.transport.abort()
        self._upstream.transport.abort()

    def take_leave(self) -> None:
        """Tell the browser that this end goes away; it has until the drain ends to part."""
        self._upstream.take_leave()

    def ended(self, side: "_Side") -> None:
        """One side is gone; the other gets what was on its way to it, and goes too."""
        side.other.close()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed(self._upstream.sent)


class _Side(asyncio.Protocol):
    """What comes from one socket goes to the other."""

    __slots__ = ("_tunnel", "other", "transport")

    def __init__(
        self, tunnel: Tunnel, transport: asyncio.Transport, other: asyncio.Transport
    ) -> None:
        self._tunnel: Tunnel | None = tunnel
        self.transport = transport
        self.other = other

    def take_over(self) -> None:
        # A socket that is being read would go on into the piece of who read it before.
        self.transport.pause_reading()
        self.transport.set_protocol(self)
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def pause_writing(self) -> None:
        # Called about our own socket: it is full, so the other one must wait.
        if not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.is_closing():
            self.other.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        # The tunnel refers to its sides: nothing of it shall wait for the collector.
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            tunnel.ended(self)


class _FromUpstream(_Side):
    """Counts what goes to the browser (`sent`), and knows when a close frame fits in."""

    __slots__ = ("_frames", "_leaving", "_left", "sent")

    def __init__(
        self, tunnel: Tunnel, transport: asyncio.Transport, other: asyncio.Transport
    ) -> None:
        super().__init__(tunnel, transport, other)
        self._frames = Frames()
        self._leaving = self._left = False
        self.sent = 0

    def data_received(self, data: bytes) -> None:
        if self._left:
            return  # nothing follows a close frame (RFC 6455 section 5.5.1)
        if self._leaving:
            data = data[: self._frames.rest(data)]
        self.sent += len(data)
        self._frames.follow(data)
        self.other.write(data)
        if self._leaving:
            self.take_leave()

    def take_leave(self) -> None:
        """Now, or after the frame under way; never behind a close frame of upstream's own."""
        self._leaving = not self._frames.closed
        if self._leaving and self._frames.between:
            self._left = True
            self.sent += len(GOING_AWAY)
            self.other.write(GOING_AWAY)
