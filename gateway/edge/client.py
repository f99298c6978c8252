"""One browser connection: bytes become requests, answered one after the other.

Strategy
    What comes waits in the intake until somebody wants it: a head, when none is being answered, or
    the exchange under way, when upstream takes its body. `advance` is the only place where things
    move on; it is called when bytes come, when upstream has caught up, and when a reply is
    complete. An exchange exists from the end of a head to the end of its reply. An idle connection
    has neither an exchange nor a reader, so that thousands of them cost little.

Rules
    Requests are answered in order: the next one begins when the reply before it is complete and
    the browser has taken most of it.
    Bounded: when more waits than `limits.pipelined`, the socket is not read.
    Every state but a running reply has a deadline; the server's clock calls `expired`.
    A connection that was closed is let go when the browser has got what it was told, or takes
    nothing of it for `limits.send_timeout`.
    After the last reply of a connection whose input was not read to its end, the rest is read and
    thrown away for a moment: closing at once would reset the connection and could take our reply
    from the browser before it read it (RFC 9112 section 9.6).
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from math import inf
from typing import cast

from gateway.edge.events import Malformed, RequestEvent
from gateway.edge.exchange import Exchange
from gateway.edge.inbound import RawHead, Refusal
from gateway.edge.intake import Intake
from gateway.edge.peer import Peer
from gateway.edge.receiver import Receiver
from gateway.edge.shared import Shared
from gateway.edge.sockets import unsent
from gateway.reasons import Reason

# Long enough for a reply to cross the world and be read.
_LINGER_SECONDS = 2.0
# struct linger: on, 0 seconds (socket(7)).
_RESET = struct.pack("ii", 1, 0)


class Client(Receiver):
    """A browser, or whatever else connected. `came`: the connection is there, or was."""

    __slots__ = (
        "_advancing",
        "_closing",
        "_exchange",
        "_full",
        "_head_due",
        "_intake",
        "_left",
        "_left_since",
        "_reading",
        "_shared",
        "came",
        "deadline",
        "peer",
        "proto",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, shared: Shared, peer: Peer) -> None:
        super().__init__()
        self._shared = shared
        self.peer = peer
        self._intake = Intake(shared, peer)
        self.came = False
        self._exchange: Exchange | None = None
        self._advancing = self._full = self._closing = self._head_due = False
        self._reading = True
        self._left, self._left_since = 0, 0.0
        self.proto = shared.rules.public.scheme
        self.deadline = inf

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have all of asyncio.Transport but its name.
        self.transport = cast(asyncio.Transport, transport)
        self.came = True
        self._shared.came(self)
        self.wait(self._shared.idle_seconds)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._intake.add(data)
        self.advance()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone()
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None
        self._intake.end()

    def pause_writing(self) -> None:
        self.wait(self._shared.limits.send_timeout)
        self._full = True
        if self._exchange is not None:
            self._exchange.hold(held=True)

    def resume_writing(self) -> None:
        self._full = False
        if self._closing:
            return
        exchange = self._exchange
        self.wait(self._shared.idle_seconds if exchange is None else exchange.patience)
        if exchange is not None:
            exchange.hold(held=False)
        self.advance()

    # Called by the exchange.

    def advance(self) -> None:
        """Go on with what has come, as far as it can go now."""
        if self._advancing or self._closing:
            return
        self._advancing = True
        try:
            while True:
                exchange = self._exchange
                if exchange is None:
                    if self._full or self._closing:
                        break
                elif exchange.request_ended or not exchange.takes_body:
                    break
                event = self._intake.next()
                if event is None:
                    break
                if exchange is None and type(event) is RawHead:
                    self._head_due = False
                    self._exchange = Exchange(self, self._shared)
                    self._exchange.begin(event)
                else:
                    self._handle(event)
        finally:
            self._advancing = False
        if self._exchange is None or self._intake.waiting or not self._reading:
            self._settle()

    def wait(self, seconds: float | None) -> None:
        """Something must happen within `seconds`; `None`: the reply may take its time. Nothing
        else counts while the browser does not read."""
        if not self._full:
            self.deadline = inf if seconds is None else self._shared.clock() + seconds

    def wait_for_body(self, came: int = 0) -> None:
        """The next part of a body must come in time: `limits.body_timeout` after this one, of
        `came` bytes; but sooner from who has fallen behind `limits.body_rate`, so that dripping
        wins no time."""
        if self._full:
            return
        limits = self._shared.limits
        latest = self._shared.clock() + limits.body_timeout
        self.deadline = min(latest, self.deadline + came / limits.body_rate) if came else latest

    def skip_body(self) -> bool:
        """Drop the rest of the request's body; whether all of it is here already."""
        return self._intake.skip_body()

    def skip_end(self) -> None:
        """A request without a body has begun: its end says nothing more."""
        self._intake.skip_end()

    def finished(self, *, keep_alive: bool, unread: bool) -> None:
        """The exchange is over. `unread`: there may be more of its request to come."""
        self._exchange = None
        if not keep_alive:
            self._close(unread=unread)
            return
        self.wait(self._shared.idle_seconds)
        if not self._advancing and not self._intake.empty:
            self.advance()

    def abort(self) -> None:
        """End the connection now, as broken: with a reset, because to a browser that was told no
        length a plain close would be the end of a whole reply."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and not self.transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def hand_over(self) -> tuple[asyncio.Transport, bytes, bool, Callable[[], None]]:
        """Give the socket to a tunnel: with what came after the request's head, whether the browser
        has fallen behind (which the event loop says only once), and what to call when it is
        closed."""
        self._exchange = None
        self._closing = True
        self.deadline = inf
        return self.transport, self._intake.take_bytes(), self._full, self._gone

    # Called by the server.

    def rest(self) -> None:
        """A moment has passed: a connection that is idle needs no reader, and a request that waits
        does not outlive its session."""
        if self._exchange is not None:
            self._exchange.outlived()
        elif not self._closing and self._intake.empty:
            self._intake.rest()

    def expired(self) -> None:
        """The deadline has passed."""
        if self._closing:
            self._let_go()
        elif self._full:
            self.transport.abort()
        elif self._exchange is not None:
            self._exchange.timed_out()
        elif self._intake.in_head:
            page = self._intake.wants_page
            self._refuse(
                Malformed(408, Reason.REQUEST_TOO_SLOW, "the head did not come", page=page)
            )
        else:
            self._close(unread=False)

    def drain(self) -> None:
        """The gateway is stopping: a busy connection ends after its reply, an idle one after a
        last request, or when none comes within the idle time that is left to it. Closed at once,
        it could meet a request that is on its way."""
        if self._exchange is None and not self._closing and self._intake.empty:
            self.wait(self._shared.idle_seconds)

    # Inside.

    def _handle(self, event: RequestEvent) -> None:
        """Any event but a head that begins an exchange."""
        if self._exchange is None:
            if isinstance(event, Malformed):
                self._refuse(event)
            # Else the end of a request that was answered already.
        elif isinstance(event, RawHead):
            raise AssertionError("a head inside a body")
        else:
            self._exchange.take(event)

    def _settle(self) -> None:
        """After all steps: read on or not, and how long to wait for a head that has begun. Empty
        lines before one win no time."""
        intake = self._intake
        waiting = intake.waiting > self._shared.limits.pipelined
        if waiting is self._reading and not self.transport.is_closing():
            self._reading = not waiting
            if waiting:
                self.fell_behind()
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()
        idle = self._exchange is None and not self._closing
        if idle and intake.in_head and not self._head_due:
            self._head_due = True
            self.wait(self._shared.limits.head_timeout)

    def _refuse(self, malformed: Malformed) -> None:
        """A request without a head that can be read: say so, and no more."""
        self._exchange = Exchange(self, self._shared)
        self._exchange.refuse(
            Refusal(malformed.status, malformed.reason, malformed.detail, malformed.page)
        )

    def _close(self, *, unread: bool) -> None:
        """Take nothing more. `unread`: something may still be coming."""
        self._intake.clear()
        self._closing, self._full = True, False
        self.wait(_LINGER_SECONDS)
        if not unread or self.transport.is_closing():
            self.transport.close()
            return
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            # TLS says goodbye itself, and reads on until it is answered.
            self.transport.close()

    def _let_go(self) -> None:
        """It was closed a moment ago and is still there: its last reply on the way, or all of it
        taken and nobody says goodbye."""
        left, now = unsent(self.transport), self._shared.clock()
        if left and left != self._left:
            self._left, self._left_since = left, now
        elif not left or now - self._left_since >= self._shared.limits.send_timeout:
            self.transport.abort()
            return
        self.wait(_LINGER_SECONDS)

    def _gone(self) -> None:
        self._shared.went(self)
