"""How an exchange ends: with upstream's reply, with words of our own, in a tunnel, or for nobody.

Rules
    Every end is recorded exactly once, by `_done`, `abandon` or the tunnel.
    When a reply has begun, nothing of our own follows it: half a reply must not look like a whole
    one.
"""

from typing import TYPE_CHECKING

import structlog

from gateway.edge import replies
from gateway.edge.answer import Answer
from gateway.edge.asking import Asking
from gateway.edge.inbound import Fields, RawHead, Refusal
from gateway.edge.page import report
from gateway.edge.record import record
from gateway.edge.tunnel import join
from gateway.edge.upstream import Connection
from gateway.operate.metrics import Kind
from gateway.reasons import Reason
from gateway.session.live import Live

if TYPE_CHECKING:
    from gateway.edge.arrival import Arrival

_log = structlog.get_logger()

# What is Sonar's, or the portal's, to mend; what else is answered with 5xx is a part's, or ours.
_OF_UPSTREAM = frozenset(
    (Reason.UPSTREAM_UNAVAILABLE, Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_MALFORMED)
)
_OF_PARTS = frozenset(
    (Reason.SESSIONS_UNAVAILABLE, Reason.DIRECTORY_UNAVAILABLE, Reason.LINKS_UNAVAILABLE)
)

# nginx's word for a browser that left before it was answered; logged, never sent.
_CLIENT_GONE = 499


class Ending(Asking):
    """What an exchange does once it is known what becomes of the request.

    `understood`: `inbound` is there; until then `raw` may be. `live`: whose identity upstream gets.
    `leaving`: it is the session's own sign-out.
    `started`, `time.perf_counter()` seconds, `kind` and `reason` are for the log and the counters.
    """

    raw: RawHead | None = None
    understood = False
    live: Live | None = None
    leaving = False
    started: float
    request_id: str
    kind: Kind
    reason: Reason | None = None

    def replied_wholly(self, answer: Answer) -> None:
        if answer.page is not None:
            report(answer.page, self.shared)
        if answer.unnamed:
            self.shared.cookies_elsewhere.tell(answer.unnamed)
        if self.arrival is not None and self.arrival.waiting:
            self.client.wait(None)
            self.shared.later(self._tell(self.arrival, answer))
        else:
            self._done(answer.status, answer.sent, answer.keep_alive and self.request_ended)

    async def _tell(self, arrival: "Arrival", answer: Answer) -> None:
        """Give out a reply that was withheld, or the way to what its person has to hear."""
        out = await arrival.told(answer)
        if not self.over:
            self.client.transport.write(out)
            self._done(answer.status, answer.sent, answer.keep_alive and self.request_ended)

    def upgraded(self, connection: Connection) -> None:
        """The tunnel ends with its session. As long as it lasts, only what the log needs stays."""
        self.over, self._connection = True, None
        self.raw, self._head = None, b""
        join(self, connection)

    def lasts(self) -> None:
        """A reply that does not come in one piece may last as long as a WebSocket, whatever length
        was named, and ends with its session like one."""
        if self.live is not None and not self.leaving:
            self.live.closers.add(self.client.abort)
            self.outlived()

    def outlived(self) -> None:
        """If the session has ended since it was decided, this ends, too: what is still to come is
        for somebody who may not have it any more."""
        live = self.live
        if live is not None and live.ended and not self.leaving:
            self.refuse(Refusal(401, Reason.SESSION_EXPIRED, "the session ended meanwhile"))

    def timed_out(self) -> None:
        """Nothing has happened for too long."""
        if self.arrival is not None and self.arrival.waiting:
            self.client.transport.write(self.arrival.give_up())
            self.client.wait(self.patience)
        elif self.takes_body:
            self.refuse(Refusal(408, Reason.REQUEST_TOO_SLOW, "the body did not come"))
        else:
            if self._connection is not None:
                self._connection.too_slow()
            self.refuse(Refusal(504, Reason.UPSTREAM_TIMEOUT, "no answer in time"))

    def refuse(self, refusal: Refusal) -> None:
        """Tell the browser so; or, when a reply has begun, end the connection, so that half a
        reply never looks like a whole one."""
        self.reason = refusal.reason
        if refusal.reason is Reason.UPSTREAM_REFUSED:
            self._tell_of_distrust(refusal)
        elif refusal.status >= 500:
            if refusal.reason in _OF_UPSTREAM:
                self.shared.counters.upstream_errors[refusal.reason] += 1
            told = {
                "reason": refusal.reason,
                "detail": refusal.detail,
                "request_id": self.request_id,
            }
            if refusal.reason in _OF_PARTS:
                # `part_down` says so, once; the access log has each request.
                _log.debug("request_failed", **told)
            else:
                _log.warning("request_failed", **told)
        self.give_up()
        if self.asked and self.answer.begun:
            self.client.abort()
            return
        html = self._wants_page(refusal)
        self._say(replies.error(refusal.status, refusal.reason, self.request_id, html=html))

    def _tell_of_distrust(self, refusal: Refusal) -> None:
        """Sonar does not believe who we say it is, most likely of everybody: said once a minute,
        with what Sonar has to be set up with."""
        if not self.shared.is_news(refusal.reason):
            return
        config = self.shared.config
        _log.warning(
            "identity_not_believed",
            detail=refusal.detail,
            request_id=self.request_id,
            issuer=config.server.public_url,
            audience=config.assertion.audience,
            jwks=f"{config.server.public_url}/sso/jwks.json",
            see="docs/verifying.md",
        )

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
