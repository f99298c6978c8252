"""One reply of upstream on its way to the browser: events in, bytes out. No I/O.

Rules
    What comes out is always a reply that was understood, in framing of our own.
    Nothing is ever completed for upstream: an end comes out only when an end went in.
    Whatever follows the end does not belong to this request; it makes the connection unusable.
"""

from gateway.edge import page as pages
from gateway.edge.cookies import Place
from gateway.edge.events import END, Known, Malformed, ReplyEvent
from gateway.edge.headers import (
    BODILESS,
    Outbound,
    RawReply,
    browser_head,
    interim_head,
    leads_to_login,
    read_reply,
)
from gateway.edge.inbound import Inbound, Refusal
from gateway.edge.page import Page
from gateway.edge.rules import Rules
from gateway.reasons import Reason
from gateway.session.entry import Live

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# One every twenty seconds, as RFC 2518 had servers say 102, is half an hour.
_MOST_INTERIMS = 100


class Answer:
    """Set up by an exchange, fed with the events of upstream until `done`.

    `begun`: the head of the final reply was given out. `failed`: what came is not a reply, or one
    that the browser must not see; until `begun`, the gateway can still say so itself. `upgraded`:
    a 101 came and the rest is not HTTP. `reusable`: the upstream connection may serve others.
    `unnamed`: session cookies that the browser has got, in places that config does not name.
    """

    begun = False
    done = False
    upgraded = False
    reusable = False
    failed: Refusal | None = None
    sent = 0
    status = 0
    unnamed: tuple[Place, ...] = ()
    _interims = 0
    _reply: Outbound | None = None
    _chunked = False
    _collecting = False

    def __init__(
        self, inbound: Inbound, rules: Rules, live: Live | None, page: Page | None, extra: bytes
    ) -> None:
        """`live`: whose reply it is. `extra`: headers of ours for the final head; with `live` they
        mean that the person is signing out."""
        self._inbound = inbound
        self._rules = rules
        self._live = live
        self._extra = extra
        self.page = page
        self.keep_alive = inbound.keep_alive

    def feed(self, events: list[ReplyEvent]) -> bytes:
        """What the browser gets for these events."""
        out: list[bytes] = []
        chunk: list[bytes] = []
        for event in events:
            if self.done:
                self.reusable = False
                break
            if type(event) is bytes:
                if self._collecting:
                    self._collect(event, out)
                else:
                    self.sent += len(event)
                    (chunk if self._chunked else out).append(event)
            elif type(event) is Known:
                self._final(event.reply, out, event.head)
            elif type(event) is RawReply:
                self._head(event, out)
                if self.failed or self.upgraded:
                    break
            elif event is END:
                if chunk:
                    _write_chunk(chunk, out)
                    chunk = []
                self._end(out)
            elif isinstance(event, Malformed):
                self.failed = Refusal(502, Reason.UPSTREAM_MALFORMED, event.detail)
        if chunk:
            _write_chunk(chunk, out)
        return b"".join(out)

    def ended_by_close(self) -> bytes:
        """Upstream closed the connection, and that is how this reply ends."""
        return self.feed([END])

    @property
    def reply(self) -> Outbound | None:
        """The final reply, once its head has come."""
        return self._reply

    @property
    def streams_events(self) -> bool:
        """Whether it is a stream of server-sent events, which may last as long as a WebSocket."""
        return self._reply is not None and self._reply.content_type.startswith(b"text/event-stream")

    def _head(self, raw: RawReply, out: list[bytes]) -> None:
        reply = read_reply(
            raw,
            self._inbound.method,
            self._live,
            self._rules,
            path=self._inbound.path,
            portal=self._inbound.for_portal,
        )
        if type(reply) is Refusal:
            self.failed = reply
            return
        assert type(reply) is Outbound  # noqa: S101 - for the type checker
        status = reply.status
        if status < 200:
            self._interim(reply, out)
            return
        if status in _REDIRECTS and self._sent_to_login(reply):
            # Sonar does not accept who we say this is: sending the person round again would only
            # end here again.
            self.failed = Refusal(403, Reason.UPSTREAM_REFUSED, "redirected to its sign-in page")
            return
        if reply.unnamed:
            self.unnamed = reply.unnamed
        # What says how long a body is that is not there may send it all the same, later.
        self.reusable = raw.keep_alive and not (reply.length and status in BODILESS)
        self._final(reply, out)

    def _final(self, reply: Outbound, out: list[bytes], head: bytes = b"") -> None:
        """The head that the body follows. `head`: as most browsers get it, when it is known."""
        self.status = reply.status
        self._reply = reply
        if head:
            self.reusable = True
            if self.page is None and self.keep_alive and self._inbound.minor and not self._extra:
                self.begun = True
                out.append(head)
                return
        if self.page is not None:
            if self._inbound.method == "HEAD":
                self._reply = pages.head_only(reply)
            elif self.page.fits(reply):
                self._collecting = True
                return
        self._begin(self._reply, out)

    def _interim(self, reply: Outbound, out: list[bytes]) -> None:
        self._interims += 1
        if self._interims > _MOST_INTERIMS:
            self.failed = Refusal(502, Reason.UPSTREAM_MALFORMED, "one interim reply after another")
            return
        if reply.status == 101:
            if not self._inbound.wants_websocket:
                detail = "switched protocols unasked"
                self.failed = Refusal(502, Reason.UPSTREAM_MALFORMED, detail)
                return
            self.upgraded = True
            self.status = 101
        # RFC 9110 section 15.2: HTTP/1.0 knows no interim replies.
        if self._inbound.minor:
            out.append(interim_head(reply, upgraded=self.upgraded))

    def _sent_to_login(self, reply: Outbound) -> bool:
        """Whether a signed-in person, who is not just signing out, is asked to sign in."""
        return (
            self._live is not None
            and not self._extra
            and leads_to_login(reply.location, self._inbound, self._rules)
        )

    def _begin(self, reply: Outbound, out: list[bytes]) -> None:
        minor = self._inbound.minor
        if reply.length is None and reply.has_body:
            # Nobody knows how long it is: in chunks, or, for HTTP/1.0, until we close.
            self._chunked = minor == 1
            self.keep_alive = self.keep_alive and self._chunked
        self.begun = True
        out.append(browser_head(reply, minor, keep_alive=self.keep_alive, extra=self._extra))

    def _collect(self, data: bytes, out: list[bytes]) -> None:
        """Keep a part of a page; when it has become too large, let all of it go as it is."""
        if self.page is None or self._reply is None or self.page.add(data):
            return
        self._collecting = False
        self._begin(self._reply, out)
        collected = self.page.collected()
        self.sent = len(collected)
        out.append(b"%x\r\n%b\r\n" % (len(collected), collected) if self._chunked else collected)

    def _end(self, out: list[bytes]) -> None:
        if self._reply is None:
            return  # of an interim reply
        if self._collecting and self.page is not None:
            reply, page = self.page.finish(self._reply)
            self._begin(reply, out)
            self.sent = len(page)
            out.append(page)
        if self._chunked:
            out.append(b"0\r\n\r\n")
        self.done = True


def _write_chunk(parts: list[bytes], out: list[bytes]) -> None:
    """What came together goes on together: how upstream cut it means nothing, and many small chunks
    would cost many times their size."""
    out.append(b"%x\r\n" % sum(map(len, parts)))
    out += parts
    out.append(b"\r\n")
