"""One request and its reply. `begin` and `answer` are the way of every request.

    begin    head -> session, from memory; when the store must be asked, the rest waits for it
    answer   decision -> (headers -> upstream) | portal | replies
    then     the reply comes back through asking.py, and `_done` writes the access log

Nothing here waits on the usual way: with the session in memory and a pooled connection, a request
costs no task and no future.
"""

import time
from typing import TYPE_CHECKING, assert_never

import structlog

from gateway.edge import replies
from gateway.edge.answer import Answer
from gateway.edge.asking import Asking
from gateway.edge.decision import (
    UNAVAILABLE,
    As,
    Forward,
    Portal,
    Refuse,
    SignIn,
    Unavailable,
    decide,
)
from gateway.edge.head import read_head
from gateway.edge.headers import portal_head, upstream_head
from gateway.edge.inbound import Inbound, RawHead, Refusal
from gateway.edge.page import page_for
from gateway.edge.reader import End, Malformed
from gateway.edge.record import record
from gateway.edge.shared import Shared
from gateway.edge.tunnel import Tunnel
from gateway.errors import DirectoryUnavailable, SessionsUnavailable
from gateway.operate.metrics import Kind
from gateway.reasons import Reason
from gateway.session.live import UNREAD, Live

if TYPE_CHECKING:
    from asyncio import Transport

    from gateway.edge.client import Client

_log = structlog.get_logger()

# nginx's word for a browser that left before it was answered; logged, never sent.
_CLIENT_GONE = 499

# Activity closer together than this is one: an idle time is minutes or hours.
_ACTIVITY_SECONDS = 1.0

_KINDS = {As.IDENTITY: Kind.IDENTITY, As.PASSWORD: Kind.PASSWORD, As.PUBLIC: Kind.PUBLIC}


class Exchange:
    """One request of `client`, until its reply is complete or given up. `request_ended`: nothing
    more of the request is to come."""

    __slots__ = (
        "_asking",
        "client",
        "inbound",
        "kind",
        "live",
        "over",
        "raw",
        "reason",
        "request_ended",
        "request_id",
        "shared",
        "started",
    )

    def __init__(self, client: "Client", shared: Shared) -> None:
        self.client = client
        self.shared = shared
        self.started = time.perf_counter()
        self.request_id = shared.new_id()
        self.raw: RawHead | None = None
        self.inbound: Inbound | None = None
        self.live: Live | None = None
        self.kind = Kind.REFUSED
        self.reason: Reason | None = None
        self.request_ended = False
        self.over = False
        self._asking: Asking | None = None

    # The way of every request.

    def begin(self, raw: RawHead) -> None:
        """Head and session."""
        client, shared = self.client, self.shared
        self.raw = raw
        inbound = read_head(raw, client.peer, client.proto, self.request_id, shared.rules)
        if isinstance(inbound, Refusal):
            self.refuse(inbound)
            return
        self.inbound = inbound
        self.request_id = inbound.origins.request_id
        self.request_ended = not inbound.framing.has_body
        now = time.time()
        cookie = inbound.cookies.session
        if cookie is None or inbound.for_portal:
            self.answer(inbound, None, now)
            return
        live = shared.sessions.peek(cookie, now)
        if live is UNREAD:
            client.wait(shared.config.upstream.response_timeout)
            shared.later(self._ask_store(inbound, cookie))
        else:
            self.answer(inbound, live, now)

    def answer(self, inbound: Inbound, live: Live | Unavailable | None, now: float) -> None:
        """Decision, and what follows from it."""
        shared = self.shared
        session = live.session if isinstance(live, Live) else live
        decision = decide(inbound, session, shared.policies(), shared.rules, now)
        match decision:
            case Forward(to=somebody):
                self.kind = _KINDS[somebody]
                if somebody is As.IDENTITY and isinstance(live, Live):
                    self.live = live
                    if now - live.session.seen >= _ACTIVITY_SECONDS:
                        shared.sessions.touch(live, now)
                self._to_sonar(inbound, self.live, now)
            case Portal():
                self.kind = Kind.PORTAL
                answer = Answer(inbound, shared.rules, None, None, b"")
                self._ask(Asking(self, shared.portal, inbound, portal_head(inbound), answer))
            case SignIn(reason=reason, next=way_back):
                self.kind, self.reason = Kind.SIGN_IN, reason
                if way_back is None:
                    self._say(replies.not_signed_in(reason, self.request_id))
                else:
                    self._say(replies.redirect_to_sign_in(way_back, self.request_id))
            case Refuse(status=status, reason=reason):
                self.refuse(Refusal(status, reason, "decided so"))
            case _:
                assert_never(decision)

    async def _ask_store(self, inbound: Inbound, cookie: str) -> None:
        live: Live | Unavailable | None
        try:
            live = await self.shared.sessions.read(cookie, time.time())
        except SessionsUnavailable:
            live = UNAVAILABLE
        if not self.over:
            self.answer(inbound, live, time.time())

    def _to_sonar(self, inbound: Inbound, live: Live | None, now: float) -> None:
        shared = self.shared
        page = page_for(inbound, shared, signed_in=live is not None)
        try:
            head = upstream_head(inbound, live, now, whole_page=page is not None)
        except DirectoryUnavailable as error:
            self.refuse(Refusal(503, error.reason, str(error)))
            return
        signs_out = live is not None and inbound.path == shared.rules.logout_path
        extra = shared.rules.expired_cookies if signs_out else b""
        answer = Answer(inbound, shared.rules, live, page, extra)
        asking = Asking(self, shared.sonar, inbound, head, answer)
        if live is not None and signs_out:
            shared.later(self._sign_out(live, asking))
        else:
            self._ask(asking)

    async def _sign_out(self, live: Live, asking: Asking) -> None:
        """Sonar is asked to sign out: our session ends first, and whatever Sonar answers."""
        self.client.wait(self.shared.config.upstream.response_timeout)
        try:
            await self.shared.sessions.end(live.session.key)
        except SessionsUnavailable as error:
            _log.exception("session_end_unconfirmed", reason=error.reason)
        if not self.over:
            self._ask(asking)

    def _ask(self, asking: Asking) -> None:
        self._asking = asking
        asking.start()

    # The body of the request, and a browser that is slow to take the reply.

    @property
    def takes_body(self) -> bool:
        return self._asking is not None and self._asking.takes_body

    def take(self, event: bytes | End | Malformed) -> None:
        if self._asking is not None:
            self._asking.take(event)

    def hold(self, *, held: bool) -> None:
        if self._asking is not None:
            self._asking.hold(held=held)

    # The end.

    def replied(self, answer: Answer) -> None:
        """The reply of upstream is complete."""
        keep = answer.keep_alive and self.request_ended
        self._done(answer.status, answer.sent, keep_alive=keep)

    def upgraded(self, upstream: "Transport", to_browser: bytes) -> None:
        """From here on bytes flow both ways. `to_browser`: what upstream has sent already."""
        shared, live = self.shared, self.live
        self.over = True
        browser, to_upstream, gone = self.client.hand_over()

        def closed(sent: int) -> None:
            shared.counters.tunnels_open -= 1
            shared.tunnels.discard(tunnel)
            if live is not None:
                live.closers.discard(tunnel.close)
            self._record(101, sent)
            gone()

        tunnel = Tunnel(browser, upstream, closed)
        shared.counters.tunnels_open += 1
        shared.tunnels.add(tunnel)
        tunnel.open(to_upstream, to_browser)
        if live is not None:
            live.closers.add(tunnel.close)
            if live.ended:
                tunnel.close()

    def streams(self) -> None:
        """The reply is a stream of events, which may last as long as a WebSocket, and ends with
        its session like one."""
        self.client.wait(None)
        if self.live is not None:
            self.live.closers.add(self.client.abort)
            if self.live.ended:
                self.client.abort()

    def timed_out(self) -> None:
        """Nothing has happened for too long."""
        if self.takes_body:
            self.refuse(Refusal(408, Reason.REQUEST_MALFORMED, "the body did not come"))
        else:
            self.refuse(Refusal(504, Reason.UPSTREAM_TIMEOUT, "no answer in time"))

    def refuse(self, refusal: Refusal) -> None:
        """Tell the browser so; or, when a reply has begun, end the connection, so that half a
        reply never looks like a whole one."""
        inbound = self.inbound
        self.reason = refusal.reason
        if refusal.status >= 500:
            self.shared.counters.upstream_errors[refusal.reason] += 1
            _log.warning(
                "request_failed",
                reason=refusal.reason,
                detail=refusal.detail,
                request_id=self.request_id,
            )
        if self._asking is not None and self._asking.answer.begun:
            self._asking.give_up()
            self.client.abort()
            return
        html = inbound is None or inbound.accepts_html
        self._say(replies.error(refusal.status, refusal.reason, self.request_id, html=html))

    def _say(self, reply: replies.Reply) -> None:
        """Answer with words of our own."""
        if self._asking is not None:
            self._asking.give_up()
        inbound = self.inbound
        if not self.request_ended:
            self.request_ended = self.client.skip_body()
        keep = inbound is not None and inbound.keep_alive and self.request_ended
        keep = keep and not self.shared.draining
        head_only = inbound is not None and inbound.method == "HEAD"
        minor = 1 if inbound is None else inbound.minor
        self.client.write(replies.render(reply, head_only=head_only, keep_alive=keep, minor=minor))
        self._done(reply.status, len(reply.body), keep_alive=keep)

    def _done(self, status: int, sent: int, *, keep_alive: bool) -> None:
        self.over = True
        self._forget_closer()
        self._record(status, sent)
        self.client.finished(keep_alive=keep_alive, unread=not self.request_ended)

    def abandon(self) -> None:
        """The browser is gone."""
        if self.over:
            return
        self.over = True
        self._forget_closer()
        status, sent = _CLIENT_GONE, 0
        if self._asking is not None:
            self._asking.give_up()
            answer = self._asking.answer
            status, sent = answer.status if answer.begun else status, answer.sent
        self._record(status, sent)

    def _record(self, status: int, sent: int) -> None:
        """The last thing that happens. What is let go here would otherwise hold each other, and
        wait for the garbage collector."""
        asking, self._asking = self._asking, None
        record(self, status, sent, None if asking is None else asking.heard)

    def _forget_closer(self) -> None:
        if self.live is not None and self.live.closers:
            self.live.closers.discard(self.client.abort)
