"""One request and its reply. `begin` is the way of every request, `_decided` its fork.

    begin      head -> session, from memory; when the store must be asked, the rest waits for it
    _decided   decision -> (headers -> upstream) | portal | replies
    then       asking.py brings the reply, and ending.py writes the access log

Nothing here waits on the usual way: with the session in memory and a pooled connection, a request
costs no task and no future.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

import structlog

from gateway.edge import replies
from gateway.edge.answer import Answer
from gateway.edge.arrival import arriving
from gateway.edge.decision import (
    As,
    Forward,
    Portal,
    Refuse,
    SignIn,
    Unavailable,
    Vouch,
    decide,
)
from gateway.edge.ending import Ending
from gateway.edge.head import read_head
from gateway.edge.inbound import Inbound, RawHead, Refusal
from gateway.edge.page import page_for
from gateway.edge.question import vouching_reply
from gateway.edge.shared import Shared
from gateway.edge.upstream_head import portal_head, unsent_head, upstream_head
from gateway.errors import DirectoryUnavailable, SessionsUnavailable
from gateway.errors import Unavailable as PartUnavailable
from gateway.operate.metrics import Kind
from gateway.session.live import UNREAD, Live

if TYPE_CHECKING:
    from gateway.edge.client import Client

_log = structlog.get_logger()

# Activity closer together than this is one: an idle time is minutes or hours.
_ACTIVITY_SECONDS = 1.0

_KINDS = {As.IDENTITY: Kind.IDENTITY, As.PASSWORD: Kind.PASSWORD, As.PUBLIC: Kind.PUBLIC}


class Exchange(Ending):
    """One request of `client`, until its reply is complete or given up."""

    def __init__(self, client: "Client", shared: Shared) -> None:
        self.client = client
        self.shared = shared
        self.kind = Kind.REFUSED
        self.started = time.perf_counter()
        self.request_id = shared.new_id()

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
            case SignIn(reason=reason, form=True) if inbound.asked is None:
                self.kind, self.reason = Kind.SIGN_IN, reason
                handed = inbound.handed_to_portal(replies.UNSENT_PATH)
                answer = Answer(handed, shared.rules, None, None, b"")
                self.ask(shared.portal, unsent_head(inbound, handed), answer)
            case SignIn(reason=reason, next=way_back, form=form):
                self.kind, self.reason = Kind.SIGN_IN, reason
                asked_by = None if inbound.asked is None else shared.rules.forward_auth
                self._say(
                    replies.to_sign_in(
                        reason, way_back, self.request_id, asked_by, shared.rules.public, form=form
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
        except PartUnavailable as error:
            live = Unavailable(error.reason)
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
        if inbound.path != rules.logout_path:
            if page is not None and live is None:
                self.arrival = arriving(inbound, shared)
            self.ask(shared.sonar, head, Answer(inbound, rules, live, page, b""))
            return
        forgets = rules.signing_off(inbound.fields.cookies, session=live is not None)
        answer = Answer(inbound, rules, live, page, forgets)
        if live is None:
            self.ask(shared.sonar, head, answer)
        else:
            shared.later(
                self._sign_out(live, inbound, lambda: self.ask(shared.sonar, head, answer))
            )

    def _vouch(self, asked: Inbound, live: Live | None, now: float) -> None:
        """Tell a proxy that it may forward, and what with."""
        try:
            reply = vouching_reply(asked, live, now, self.request_id, self.shared.rules)
        except DirectoryUnavailable as error:
            self.refuse(Refusal(503, error.reason, str(error)))
            return
        if live is not None and asked.path == self.shared.rules.logout_path:
            self.shared.later(self._sign_out(live, asked, lambda: self._say_vouching(reply)))
        else:
            self._say_vouching(reply)

    async def _sign_out(self, live: Live, inbound: Inbound, then: Callable[[], None]) -> None:
        """Sonar is asked to sign out: our session ends first, and whatever Sonar answers."""
        self.leaving = True
        self.client.wait(self.shared.response_timeout)
        try:
            await self.shared.sessions.end(live.session.key)
        except SessionsUnavailable as error:
            _log.exception("session_end_unconfirmed", reason=error.reason)
        self.shared.signed_out(live.session, inbound.client, self.request_id)
        if not self.over:
            then()
