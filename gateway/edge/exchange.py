"""One request and its reply. `begin` is the way of every request, `_decided` its fork.

    begin      head -> session, from memory; when the store must be asked, the rest waits for it
    _decided   decision -> (headers -> upstream) | portal | replies
    then       the reply comes back through asking.py, and `_done` writes the access log

Nothing here waits on the usual way: with the session in memory and a pooled connection, a request
costs no task and no future.
"""

import time
from collections.abc import Callable
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
    Vouch,
    decide,
)
from gateway.edge.head import read_head
from gateway.edge.inbound import Fields, Inbound, RawHead, Refusal
from gateway.edge.page import page_for, report
from gateway.edge.question import vouching_reply
from gateway.edge.record import record
from gateway.edge.shared import Shared
from gateway.edge.tunnel import join
from gateway.edge.upstream import Connection
from gateway.edge.upstream_head import portal_head, upstream_head
from gateway.errors import DirectoryUnavailable, SessionsUnavailable
from gateway.operate.metrics import Kind
from gateway.reasons import Reason
from gateway.session.live import UNREAD, Live

if TYPE_CHECKING:
    from gateway.edge.client import Client

_log = structlog.get_logger()

# nginx's word for a browser that left before it was answered; logged, never sent.
_CLIENT_GONE = 499

# Activity closer together than this is one: an idle time is minutes or hours.
_ACTIVITY_SECONDS = 1.0

_KINDS = {As.IDENTITY: Kind.IDENTITY, As.PASSWORD: Kind.PASSWORD, As.PUBLIC: Kind.PUBLIC}


class Exchange(Asking):
    """One request of `client`, until its reply is complete or given up."""

    raw: RawHead | None = None
    understood = False
    live: Live | None = None
    kind: Kind
    reason: Reason | None = None

    def __init__(self, client: "Client", shared: Shared) -> None:
        self.client = client
        self.shared = shared
        self.kind = Kind.REFUSED
        self.started = time.perf_counter()
        self.request_id = shared.new_id()

    # The way of every request.

    def begin(self, raw: RawHead) -> None:
        """Head and session."""
        client, shared = self.client, self.shared
        self.raw = raw
        read = read_head if shared.rules.forward_auth is None else shared.questions.read
        inbound = read(raw, client.peer, client.proto, self.request_id, shared.rules)
        if isinstance(inbound, Refusal):
            self.refuse(inbound)
            return
        self.inbound, self.understood = inbound, True
        self.request_id = inbound.request_id or self.request_id
        if not inbound.fields.framing.has_body:
            self.request_ended = True
            client.skip_end()
        now = time.time()
        cookie = inbound.fields.cookies.session
        if cookie is None:
            self._decided(inbound, None, now)
            return
        # Of the portal's affairs only a proxy's question is decided here.
        portals = inbound.for_portal and not isinstance(inbound.asked, Inbound)
        live = None if portals else shared.sessions.peek(cookie, now)
        if live is UNREAD:
            client.wait(shared.response_timeout)
            shared.later(self._ask_store(inbound, cookie))
        else:
            self._decided(inbound, live, now)

    def _decided(self, inbound: Inbound, live: Live | Unavailable | None, now: float) -> None:
        """Decision, and what follows from it."""
        shared = self.shared
        session = live.session if isinstance(live, Live) else live
        decision = decide(inbound, session, shared.policies(), shared.rules, now)
        match decision:
            case Forward(to=somebody) | Vouch(to=somebody):
                self.kind = _KINDS[somebody]
                if somebody is As.IDENTITY and isinstance(live, Live):
                    self.live = live
                    if now - live.session.seen >= _ACTIVITY_SECONDS:
                        shared.sessions.touch(live, now)
                if isinstance(decision, Vouch):
                    self._vouch(decision.asked, self.live, now)
                else:
                    self._to_sonar(inbound, self.live, now)
            case Portal():
                self.kind = Kind.PORTAL
                answer = Answer(inbound, shared.rules, None, None, b"")
                self.ask(shared.portal, portal_head(inbound), answer)
            case SignIn(reason=reason, next=way_back):
                self.kind, self.reason = Kind.SIGN_IN, reason
                asked_by = None if inbound.asked is None else shared.rules.forward_auth
                self._say(
                    replies.to_sign_in(
                        reason, way_back, self.request_id, asked_by, shared.rules.public
                    )
                )
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
            self._decided(inbound, live, time.time())

    def _to_sonar(self, inbound: Inbound, live: Live | None, now: float) -> None:
        shared, rules = self.shared, self.shared.rules
        page = page_for(inbound, shared, signed_in=live is not None)
        try:
            head = upstream_head(inbound, live, now, whole_page=page is not None)
        except DirectoryUnavailable as error:
            self.refuse(Refusal(503, error.reason, str(error)))
            return
        if live is not None and inbound.path == rules.logout_path:
            answer = Answer(inbound, rules, live, page, rules.expired_cookies)
            shared.later(self._sign_out(live, lambda: self.ask(shared.sonar, head, answer)))
        else:
            self.ask(shared.sonar, head, Answer(inbound, rules, live, page, b""))

    def _vouch(self, asked: Inbound, live: Live | None, now: float) -> None:
        """Tell a proxy that it may forward, and what with."""
        try:
            reply = vouching_reply(asked, live, now, self.request_id, self.shared.rules)
        except DirectoryUnavailable as error:
            self.refuse(Refusal(503, error.reason, str(error)))
            return
        if live is not None and asked.path == self.shared.rules.logout_path:
            self.shared.later(self._sign_out(live, lambda: self._say_vouching(reply)))
        else:
            self._say_vouching(reply)

    async def _sign_out(self, live: Live, then: Callable[[], None]) -> None:
        """Sonar is asked to sign out: our session ends first, and whatever Sonar answers."""
        self.client.wait(self.shared.response_timeout)
        try:
            await self.shared.sessions.end(live.session.key)
        except SessionsUnavailable as error:
            _log.exception("session_end_unconfirmed", reason=error.reason)
        if not self.over:
            then()

    # What becomes of it.

    def replied_wholly(self, answer: Answer) -> None:
        if answer.page is not None:
            report(answer.page, self.shared)
        self._done(answer.status, answer.sent, answer.keep_alive and self.request_ended)

    def upgraded(self, connection: Connection) -> None:
        """The tunnel ends with its session. As long as it lasts, only what the log needs stays."""
        self.over, self._connection = True, None
        self.raw, self._head = None, b""
        join(self, connection)

    def lasts(self) -> None:
        """A reply without a length may last as long as a WebSocket, and ends with its session like
        one."""
        if self.live is not None:
            self.live.closers.add(self.client.abort)
            if self.live.ended:
                self.client.abort()

    def timed_out(self) -> None:
        """Nothing has happened for too long."""
        if self.takes_body:
            self.refuse(Refusal(408, Reason.REQUEST_TOO_SLOW, "the body did not come"))
        else:
            if self._connection is not None:
                self._connection.too_slow()
            self.refuse(Refusal(504, Reason.UPSTREAM_TIMEOUT, "no answer in time"))

    def refuse(self, refusal: Refusal) -> None:
        """Tell the browser so; or, when a reply has begun, end the connection, so that half a
        reply never looks like a whole one."""
        self.reason = refusal.reason
        if refusal.status >= 500:
            self.shared.counters.upstream_errors[refusal.reason] += 1
            _log.warning(
                "request_failed",
                reason=refusal.reason,
                detail=refusal.detail,
                request_id=self.request_id,
            )
        self.give_up()
        if self.asked and self.answer.begun:
            self.client.abort()
            return
        html = self._wants_page(refusal)
        self._say(replies.error(refusal.status, refusal.reason, self.request_id, html=html))

    def _wants_page(self, refusal: Refusal) -> bool:
        """Whether who asked would rather have a page than JSON, by what could be read of it."""
        if self.understood:
            return self.inbound.fields.accepts_html
        if self.raw is not None and isinstance(self.raw.fields, Fields):
            return self.raw.fields.accepts_html
        return refusal.page

    def _say(self, reply: replies.Reply) -> None:
        """Answer with words of our own."""
        keep, minor = self._stays(), 1
        head_only = self.raw is not None and self.raw.method == "HEAD"
        if self.understood:
            minor = self.inbound.minor
        self.client.transport.write(
            replies.render(reply, head_only=head_only, keep_alive=keep, minor=minor)
        )
        self._done(reply.status, 0 if head_only else len(reply.body), keep)

    def _say_vouching(self, reply: bytes) -> None:
        """The answer of `vouching_reply`, ended as its connection is."""
        keep = self._stays()
        end = replies.connection_line(keep_alive=keep, minor=self.inbound.minor)
        self.client.transport.write(b"%b%b\r\n" % (reply, end.encode("ascii")))
        self._done(200, 0, keep)

    def _stays(self) -> bool:
        """Whether the connection stays after a reply that asked nobody. What was still coming of
        the request is dropped."""
        if not self.request_ended:
            self.request_ended = self.client.skip_body()
        return (
            self.understood
            and self.inbound.keep_alive
            and self.request_ended
            and not self.shared.draining
        )

    def _done(self, status: int, sent: int, keep_alive: bool) -> None:
        self.over = True
        if self.live is not None and self.live.closers:
            self._forget_closer()
        record(self, status, sent)
        self.client.finished(keep_alive=keep_alive, unread=not self.request_ended)

    def abandon(self) -> None:
        """The browser is gone."""
        if self.over:
            return
        self.over = True
        self.give_up()
        self._forget_closer()
        if self.asked and self.answer.begun:
            record(self, self.answer.status, self.answer.sent)
        else:
            record(self, _CLIENT_GONE, 0)

    def _forget_closer(self) -> None:
        if self.live is not None and self.live.closers:
            self.live.closers.discard(self.client.abort)
