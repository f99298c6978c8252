"""Bytes become heads, bodies and ends: httptools (llhttp, strict), and what it does not do.

Strategy
    A reader is fed what a socket gave and returns what it found, as a list of events in order:
    a head, then any number of `bytes` of body (chunks already taken apart), then `END`; and at
    most one `Malformed`, which is the last event ever. Nothing is decided here, nothing called
    back: whoever feeds looks at the events after the parser has returned.

Rules
    The same events come out however the stream is split.
    Sizes are bounded while they are counted, so a head without end costs its limit and no more.
    Trailers are read and dropped: a field that comes after the decision cannot be decided on.
    After an upgrade the rest of the bytes is nobody's yet; it is kept in `rest`.
    A whole head whose header lines are remembered, byte for byte, is not parsed again.
"""

from collections.abc import Sequence

import httptools

from gateway.edge.events import END, End, Malformed, RequestEvent
from gateway.edge.fields import FieldReader
from gateway.edge.head import LONGEST_TARGET, read_line
from gateway.edge.headers import RawReply
from gateway.edge.inbound import Fields, RawHead
from gateway.edge.names import Field
from gateway.reasons import Reason

# Four of the 8 KiB that nginx, Apache and Tomcat take per line: room for cookies that have piled
# up, none for a head that is an attack on memory.
LONGEST_HEAD = 32 * 1024


class Refused(Exception):
    """Ends the parser from within a callback."""

    def __init__(self, malformed: Malformed) -> None:
        super().__init__(malformed.detail)
        self.malformed = malformed


class Reader:
    """What requests and replies have in common: fields, sizes, body. `in_head`: a head has begun
    that is not complete."""

    __slots__ = (
        "_before",
        "_events",
        "_fields",
        "_longest",
        "_now",
        "_parser",
        "in_head",
        "rest",
    )

    _parser: httptools.HttpRequestParser | httptools.HttpResponseParser
    _events: list[RawHead | RawReply | bytes | End | Malformed]

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._events = []
        self._fields: list[Field] = []
        self.in_head = False
        self._before = self._now = 0
        self.rest = b""

    def _feed(self, data: bytes) -> None:
        events = self._events
        self._now = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
            self._renew()
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, Refused):
                raise
            events.append(cause.malformed)
            return
        except httptools.HttpParserError as error:
            events.append(Malformed(400, Reason.REQUEST_MALFORMED, str(error)))
            return
        # What has no end yet is in llhttp's hands and in no callback's: a head, a trailer, the
        # extension of a chunk.
        if self.in_head or not events:
            self._before += self._now
            if self._before > self._longest:
                events.append(self._too_large())

    def _head_complete(self) -> list[Field]:
        """The fields of the head that has just ended. What comes from now on are trailers."""
        fields, self._fields = self._fields, []
        self.in_head = False
        # Only a head that could be too large is measured. `_before`: its bytes in earlier pieces.
        if max(self._before, 0) + self._now > self._longest:
            size = sum(len(name) + len(value) + 4 for name, value in fields)
            if size > self._longest:
                raise Refused(self._too_large())
        self._before = 0
        return fields

    def _renew(self) -> None:
        raise NotImplementedError

    def _too_large(self) -> Malformed:
        return Malformed(431, Reason.REQUEST_TOO_LARGE, f"head above {self._longest} bytes")

    # Called by llhttp, at most some twenty times a request: nothing here does more than it must.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._events.append(body)
        self._before = 0

    def on_message_complete(self) -> None:
        self._events.append(END)


class RequestReader(Reader):
    """The requests of one browser connection; `fields` understands their headers."""

    __slots__ = ("_between", "_field_reader", "_target")

    _parser: httptools.HttpRequestParser

    def __init__(self, fields: FieldReader) -> None:
        super().__init__(LONGEST_HEAD)
        self._field_reader = fields
        self._target = b""
        self._between = True
        self._renew()

    def feed(self, data: bytes) -> list[RequestEvent]:
        """The events in `data`. Not to be fed again after `Malformed`."""
        line = block = b""
        if self._between and data.endswith(b"\r\n\r\n"):
            line, _, block = data.partition(b"\r\n")
            if (fields := self._field_reader.recall(block)) and (start := read_line(line)):
                return [RawHead(*start, fields), END]
        self._feed(data)
        events, self._events = self._events, []
        # With a `rest` the head ended before `data` did: recalled, the request sent ahead behind
        # `Upgrade: h2c` would get no reply, and the next one's would be taken for it.
        if block and len(events) == 2 and not self.rest:
            self._remember(line, block, events)
        return events  # type: ignore[return-value]  # no RawReply in requests

    def _remember(self, line: bytes, block: bytes, events: Sequence[object]) -> None:
        """Keep the block of a request that was all of `data` and brought no body. Its first line
        must be one that `read_line` takes, or the block would begin somewhere else."""
        head = events[0]
        if not isinstance(head, RawHead) or events[1] is not END or not read_line(line):
            return
        fields = head.fields
        plain = isinstance(fields, Fields) and not fields.upgrades_to_websocket
        if plain and isinstance(fields, Fields) and not fields.framing.has_body:
            self._field_reader.remember(block, fields)

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._between = True

    def _too_large(self) -> Malformed:
        if not self._fields and len(self._target) >= LONGEST_TARGET:
            detail = f"target above {LONGEST_TARGET} bytes"
            return Malformed(414, Reason.REQUEST_TOO_LARGE, detail)
        return super()._too_large()

    def on_message_begin(self) -> None:
        self.in_head = True
        self._between = False
        self._fields = []
        self._before = -self._now
        self._target = b""

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if len(self._target) > LONGEST_TARGET:
            raise Refused(self._too_large())

    def on_headers_complete(self) -> None:
        fields = self._head_complete()
        version = self._parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise Refused(Malformed(505, Reason.REQUEST_MALFORMED, f"HTTP/{version}"))
        method = self._parser.get_method().decode("ascii")
        head = RawHead(method, self._target, int(version[2]), self._field_reader.read(fields))
        self._events.append(head)

    def on_message_complete(self) -> None:
        self._between = True
        self._events.append(END)
