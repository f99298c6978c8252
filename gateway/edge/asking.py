"""The side of an exchange that faces upstream: a connection, the body there, the reply back.

Rules
    A stale connection of the pool is replaced once, and the request of an address that went away
    goes to another one; but only when it may be sent twice: nothing of a reply came, it has no
    body, and the method is idempotent.
    A body is passed on as it comes, in framing of our own; whoever is slower holds the other.
    A reply may come before the request has ended. Both go on until the reply is complete; then
    both connections are closed, because nobody knows where the next request would begin.
"""

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from gateway.edge.answer import Answer
from gateway.edge.events import END, End, Malformed, ReplyEvent
from gateway.edge.inbound import Inbound, Refusal
from gateway.edge.pool import Pool, Upstream
from gateway.edge.shared import Shared
from gateway.edge.upstream import Connection
from gateway.errors import UpstreamUnavailable
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.edge.arrival import Arrival
    from gateway.edge.client import Client

_STATUS = {Reason.UPSTREAM_TIMEOUT: 504, Reason.CONNECTIONS_FULL: 503}


class Asking(ABC):
    """What an exchange does once it has been decided to ask upstream.

    `request_ended`: nothing more of the request is to come. `over`: nothing more happens here.
    `asked`: upstream is, or will be, asked, and `answer` is there. `heard`: when the first of the
    reply came, `time.perf_counter()` seconds. `arrival`: what goes either way may be a sign-in on
    Sonar's own page.
    """

    client: "Client"
    shared: Shared
    inbound: Inbound
    answer: Answer
    arrival: "Arrival | None" = None
    heard: float | None = None
    request_ended = False
    over = False
    asked = False
    _upstream: Upstream
    _head: bytes
    _connection: Connection | None = None
    _full = False
    _body = 0
    _resent = 0

    # What the exchange does with the outcome.

    @abstractmethod
    def refuse(self, refusal: Refusal) -> None:
        """There will be no reply, or not the rest of it."""

    @abstractmethod
    def replied_wholly(self, answer: Answer) -> None:
        """The reply is complete and given to the browser."""

    @abstractmethod
    def lasts(self) -> None:
        """The reply has begun, or is about to, and there is more of it to come."""

    @abstractmethod
    def upgraded(self, connection: Connection) -> None:
        """From here on bytes flow both ways."""

    # Towards upstream.

    def ask(self, upstream: Upstream, head: bytes, answer: Answer) -> None:
        """Send the request, on a connection of the pool or on a new one."""
        self._upstream, self._head, self.answer = upstream, head, answer
        self.asked = True
        connection = upstream.take(repeatable=self.inbound.repeatable)
        if connection is None:
            self.shared.later(self._connect())
        else:
            self._send(connection)

    async def _connect(self, avoid: Pool | None = None) -> None:
        self.client.wait(self._upstream.patience + self.shared.response_timeout)
        try:
            connection = await self._upstream.connect(avoid)
        except UpstreamUnavailable as error:
            if not self.over:
                status = _STATUS.get(error.reason, 502)
                self.refuse(Refusal(status, error.reason, str(error)))
            return
        if self.over:
            connection.release()
        else:
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        self._connection = connection
        connection.send(self, self.inbound.method, self._head)
        if self.request_ended:
            self.client.wait(self.shared.response_timeout)
        else:
            self.client.wait_for_body()
            self.client.advance()

    @property
    def takes_body(self) -> bool:
        """Whether the next part of the request may come: upstream is there and not full."""
        return self._connection is not None and not self.request_ended and not self._full

    @property
    def patience(self) -> float | None:
        """How long the next part of the reply may take, in seconds; `None`: any time."""
        if self.arrival is not None and self.arrival.waiting:
            return self.arrival.patience
        return None if self.asked and self.answer.streams_events else self.shared.response_timeout

    def take(self, event: bytes | End | Malformed) -> None:
        """The next part of the request's body, or its end. Asked for by `takes_body`."""
        if isinstance(event, Malformed):
            self.refuse(Refusal(event.status, event.reason, event.detail))
            return
        data = event if isinstance(event, bytes) else b""
        if self.arrival is not None:
            self.arrival.take(data)
        self.request_ended = event is END
        if self.request_ended:
            self.client.wait(self.shared.response_timeout)
        else:
            self.client.wait_for_body(len(data))
        if self.inbound.fields.framing.chunked:
            self._body += len(data)
            if self._body > self.shared.limits.body:
                detail = f"body above {self.shared.limits.body} bytes"
                self.refuse(Refusal(413, Reason.BODY_TOO_LARGE, detail))
                return
            # Its empty last chunk is what an end is in chunks.
            parts: tuple[bytes, ...] = (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            parts = (data,) if data else ()
        if parts and self._connection is not None:
            self._connection.write(parts)

    def give_up(self) -> None:
        """Whatever comes from upstream now is for nobody."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # Called by the connections.

    def replied(self, events: list[ReplyEvent]) -> None:
        """Events of the reply have come."""
        answer = self.answer
        if self.heard is None:
            self.heard = time.perf_counter()
        if not answer.begun and (self.shared.draining or not self.request_ended):
            answer.keep_alive = False
        self._give(answer.feed(events))
        if answer.done:
            self._finish()
        elif answer.failed is not None:
            self.refuse(answer.failed)
        elif answer.upgraded and self._connection is not None:
            self.upgraded(self._connection)
        else:
            self.client.wait(self.patience)
            self.lasts()

    def upstream_lost(self, *, complete: bool) -> None:
        """The connection is gone; `complete`: that is how this reply ends."""
        connection, self._connection = self._connection, None
        if complete:
            self._give(self.answer.ended_by_close())
            self._finish()
        elif connection is not None and self._may_resend(connection):
            self._resent += 1
            self.shared.later(self._connect(connection.pool))
        else:
            detail = "connection closed before the reply was complete"
            self.refuse(Refusal(502, Reason.UPSTREAM_UNAVAILABLE, detail))

    def _may_resend(self, connection: Connection) -> bool:
        """Whether to try again on another connection: because this one was stale, or because there
        are other addresses."""
        if self.heard is not None or not self.inbound.repeatable:
            return False
        return not connection.fresh or self._resent + 1 < len(self._upstream.pools)

    def upstream_full(self, *, full: bool) -> None:
        """Upstream takes the body slower than it comes, or has caught up."""
        self._full = full
        if full:
            self.client.wait(self.shared.response_timeout)
        else:
            if not self.request_ended:
                self.client.wait_for_body()
            self.client.advance()

    def hold(self, *, held: bool) -> None:
        """The browser takes the reply slower than it comes, or has caught up."""
        if self._connection is not None:
            self._connection.hold(held=held)

    def _give(self, out: bytes) -> None:
        """A part of the reply, for the browser."""
        if self.arrival is not None:
            out = self.arrival.passes(self.answer, out)
        if out:
            self.client.transport.write(out)

    def _finish(self) -> None:
        answer, connection = self.answer, self._connection
        self._connection = None
        if connection is not None:
            if answer.reusable and self.request_ended:
                connection.release()
            else:
                connection.retire()
        self.replied_wholly(answer)
