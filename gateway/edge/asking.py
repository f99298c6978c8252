"""The part of an exchange that upstream has: a connection, the body there, the reply back.

Rules
    A stale connection of the pool is replaced once, and only when the request may be sent twice:
    nothing of a reply came, nothing of a body went, and the method is idempotent.
    A body is passed on as it comes, in framing of our own; whoever is slower holds the other.
    A reply may come before the request has ended. Both go on until the reply is complete; then
    both connections are closed, because nobody knows where the next request would begin.
"""

import time
from typing import TYPE_CHECKING

from gateway.edge.answer import Answer
from gateway.edge.inbound import Inbound, Refusal
from gateway.edge.page import report
from gateway.edge.reader import END, End, Malformed, ReplyEvent
from gateway.edge.upstream import Connection, Pool
from gateway.errors import UpstreamUnavailable
from gateway.reasons import Reason

if TYPE_CHECKING:
    from gateway.edge.exchange import Exchange


class Asking:
    """One request sent to `pool`'s upstream: `head` first, then what `take` is given. `heard`:
    when the first of the reply came, `time.perf_counter()` seconds."""

    __slots__ = ("_connection", "_full", "_head", "_inbound", "_owner", "_pool", "answer", "heard")

    def __init__(
        self, owner: "Exchange", pool: Pool, inbound: Inbound, head: bytes, answer: Answer
    ) -> None:
        self._owner = owner
        self._pool = pool
        self._inbound = inbound
        self._head = head
        self._connection: Connection | None = None
        self._full = False
        self.answer = answer
        self.heard: float | None = None

    def start(self) -> None:
        """Send the request, on a connection of the pool or on a new one."""
        shared = self._owner.shared
        connection = self._pool.take(shared.clock(), repeatable=self._inbound.repeatable)
        if connection is None:
            shared.later(self._connect())
        else:
            self._send(connection)

    def give_up(self) -> None:
        """Whatever comes from upstream now is for nobody."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _connect(self) -> None:
        owner = self._owner
        upstream = owner.shared.config.upstream
        owner.client.wait(upstream.connect_timeout + upstream.response_timeout)
        try:
            connection = await self._pool.connect()
        except UpstreamUnavailable as error:
            if not owner.over:
                status = 504 if error.reason is Reason.UPSTREAM_TIMEOUT else 502
                owner.refuse(Refusal(status, error.reason, str(error)))
            return
        if owner.over:
            connection.release()
        else:
            self._send(connection)

    # Towards upstream.

    def _send(self, connection: Connection) -> None:
        owner = self._owner
        self._connection = connection
        connection.send(self, self._inbound.method, self._head)
        owner.client.wait(owner.shared.config.upstream.response_timeout)
        if not owner.request_ended:
            owner.client.advance()

    @property
    def takes_body(self) -> bool:
        """Whether the next part of the request may come: upstream is there and not full."""
        return self._connection is not None and not self._owner.request_ended and not self._full

    def take(self, event: bytes | End | Malformed) -> None:
        """The next part of the request's body, or its end. Asked for by `takes_body`."""
        owner, connection = self._owner, self._connection
        if isinstance(event, Malformed):
            owner.refuse(Refusal(event.status, event.reason, event.detail))
            return
        owner.client.wait(owner.shared.config.upstream.response_timeout)
        data = event if isinstance(event, bytes) else b""
        owner.request_ended = event is END
        if self._inbound.framing.chunked:
            # Its empty last chunk is what an end is in chunks.
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if data and connection is not None:
            connection.write(data)

    def upstream_full(self, *, full: bool) -> None:
        self._full = full
        if not full:
            self._owner.client.advance()

    # Back from upstream.

    def replied(self, events: list[ReplyEvent]) -> None:
        owner, answer = self._owner, self.answer
        if self.heard is None:
            self.heard = time.perf_counter()
        if not answer.begun and (owner.shared.draining or not owner.request_ended):
            answer.keep_alive = False
        out = answer.feed(events)
        if out:
            owner.client.write(out)
        if answer.done:
            self._finish()
        elif answer.failed is not None:
            owner.refuse(answer.failed)
        elif answer.upgraded and self._connection is not None:
            connection, self._connection = self._connection, None
            owner.upgraded(*connection.detach())
        elif answer.streams_events:
            owner.streams()
        else:
            owner.client.wait(owner.shared.config.upstream.response_timeout)

    def upstream_lost(self, *, complete: bool) -> None:
        connection, self._connection = self._connection, None
        if complete:
            self._owner.client.write(self.answer.ended_by_close())
            self._finish()
        elif self.heard is None and self._inbound.repeatable and not _fresh(connection):
            self._owner.shared.later(self._connect())
        else:
            detail = "connection closed before the reply was complete"
            self._owner.refuse(Refusal(502, Reason.UPSTREAM_UNAVAILABLE, detail))

    def hold(self, *, held: bool) -> None:
        """The browser takes the reply slower than it comes, or has caught up."""
        if self._connection is not None:
            self._connection.hold(held=held)

    def _finish(self) -> None:
        owner, answer = self._owner, self.answer
        connection, self._connection = self._connection, None
        if connection is not None:
            if answer.reusable and owner.request_ended:
                connection.release()
            else:
                connection.close()
        if answer.page is not None:
            report(answer.page, owner.shared)
        owner.replied(answer)


def _fresh(connection: Connection | None) -> bool:
    return connection is None or connection.fresh
