"""The replies of one upstream connection: what reader.py does, and distrust.

Rules
    A whole reply whose head is remembered, byte for byte, is not parsed again (reply_heads.py).
    What llhttp forgives a server is not forgiven here: the browser behind us may not forgive it, or
    read it in another way.
"""

import sys

import httptools

from gateway.edge.events import END, Malformed, ReplyEvent
from gateway.edge.headers import RawReply
from gateway.edge.names import Field
from gateway.edge.reader import Reader, Refused
from gateway.edge.reply_heads import ReplyHeads
from gateway.reasons import Reason

# Upstream is ours and may say more, as with a long Content-Security-Policy.
_LONGEST_HEAD = 64 * 1024
# Twice what Envoy takes; more is no application's head but somebody's attack on it.
_MOST_FIELDS = 200
# RFC 9112 section 4: a reason phrase is written for people, so it is short and can be read.
_LONGEST_PHRASE = 512
_READABLE = bytes((9, *range(32, 127), *range(128, 256)))
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))

_NOBODYS = httptools.HttpResponseParser(object())


class ReplyReader(Reader):
    """The replies of one upstream connection. `expect` is called before each request is sent."""

    __slots__ = (
        "_begun",
        "_between",
        "_headless",
        "_heads",
        "_left",
        "_over",
        "_parser",
        "_phrase",
        "until_close",
    )

    _parser: httptools.HttpResponseParser

    def __init__(self, heads: ReplyHeads) -> None:
        super().__init__(_LONGEST_HEAD, _LONGEST_HEAD, 0)
        self._heads = heads
        self._phrase = b""
        self._headless = False
        self._over = False
        self.until_close = False
        # The fields of a final reply whose body has not been looked at yet.
        self._begun: list[Field] | None = None
        # Of a body whose end needs no looking for, how much has not come yet.
        self._left = 0
        self._renew()

    def expect(self, method: str) -> None:
        """The next reply answers `method`; llhttp does not know that one to HEAD has no body."""
        self._headless = method == "HEAD"
        self._over = self.until_close = False

    def feed(self, data: bytes) -> list[ReplyEvent]:
        """The events in `data`. `until_close` says afterwards whether the reply has no length, so
        that the end of the connection is its end."""
        if self._left:
            return self._pass_on(data)
        whole = self._between and not self._headless
        if whole and (known := self._heads.recall(data)):
            return known
        if self._between and data[:1] != b"H":
            # llhttp also takes RTSP and ICE for HTTP, and empty lines before a status line, which
            # RFC 9112 section 2.2 allows before requests only.
            return [_no_reply("no status line")]
        self._feed(self._parser, data)
        if self._over:
            self._renew()
        events: list[ReplyEvent] = self._events  # type: ignore[assignment]  # no RawHead here
        self._events = []
        if self._between:
            self._begun = None
            if whole:
                self._heads.remember(data, events)
        elif self._begun is not None:
            self._count(self._begun, events)
        return events

    def _count(self, fields: list[Field], events: list[ReplyEvent]) -> None:
        """A reply goes on whose head was in `events`: how long its body goes on."""
        self._begun = None
        for name, value in fields:
            if name.lower() == b"content-length":
                self._left = int(value)
                for event in reversed(events):
                    if not isinstance(event, bytes):
                        break
                    self._left -= len(event)
        if self.until_close:
            self._left = sys.maxsize

    def _pass_on(self, data: bytes) -> list[ReplyEvent]:
        """The next part of such a body: llhttp need not see it."""
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return [data]
        self._left = 0
        self._renew()
        if len(data) == left:
            return [data, END]
        return [data[:left], END, *self.feed(data[left:])]

    def _renew(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._between = True

    def part(self) -> None:
        self._parser = _NOBODYS

    def on_message_begin(self) -> None:
        self.in_head = True
        self._between = False
        self._fields = []
        self._before = 0
        self._phrase = b""
        self._begun = None

    def on_status(self, phrase: bytes) -> None:
        self._phrase += phrase

    def on_headers_complete(self) -> None:
        fields = self._head_complete()
        status = self._parser.get_status_code()
        keep_alive = self._parser.should_keep_alive()
        phrase = self._phrase
        if len(fields) > _MOST_FIELDS:
            raise Refused(_no_reply(f"more than {_MOST_FIELDS} headers"))
        if len(phrase) > _LONGEST_PHRASE or phrase.translate(None, _READABLE):
            raise Refused(_no_reply("no readable reason phrase"))
        self._check_version(fields)
        self._events.append(RawReply(status, phrase, fields, keep_alive))
        if self._headless and status >= 200:
            self._over = True
            self._events.append(END)
        elif not keep_alive and status >= 200 and status not in {204, 304}:
            self.until_close = not any(name.lower() in _FRAMING for name, _ in fields)
        self._begun = None if status < 200 or self._over else fields

    def _check_version(self, fields: list[Field]) -> None:
        version = self._parser.get_http_version()
        if version == "1.1":
            return
        if version != "1.0":
            raise Refused(_no_reply(f"HTTP/{version}"))
        if any(name.lower() == b"transfer-encoding" for name, _ in fields):
            # RFC 9112 section 6.1: its framing is faulty, whatever it says.
            raise Refused(_no_reply("Transfer-Encoding in HTTP/1.0"))

    def on_message_complete(self) -> None:
        self._between = True
        if not self._over:
            self._events.append(END)


def _no_reply(detail: str) -> Malformed:
    return Malformed(502, Reason.UPSTREAM_MALFORMED, detail)
