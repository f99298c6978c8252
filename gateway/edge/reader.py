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
from gateway.edge.fields import FieldReader, wants_page
from gateway.edge.head import LONGEST_REMEMBERED, read_line
from gateway.edge.headers import RawReply
from gateway.edge.inbound import Fields, RawHead
from gateway.edge.names import Field
from gateway.reasons import Reason

# What a request line has besides method and target: two spaces and the version.
_REST_OF_LINE = len(" / HTTP/1.1") - 1
_LONGEST_METHOD = 16


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
        "_longest_field",
        "_longest_head",
        "_now",
        "_parser",
        "_shared_piece",
        "in_head",
        "rest",
    )

    _parser: httptools.HttpRequestParser | httptools.HttpResponseParser
    _events: list[RawHead | RawReply | bytes | End | Malformed]

    def __init__(self, longest: int, longest_field: int, longest_line: int) -> None:
        """How many bytes all fields, one of them, and the first line may have."""
        self._longest = longest
        self._longest_field = longest_field
        self._longest_head = longest + longest_line
        self._events = []
        self._fields: list[Field] = []
        self.in_head = False
        self._before = self._now = self._shared_piece = 0
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
            events.append(self._malformed(400, Reason.REQUEST_MALFORMED, str(error)))
            return
        # What has no end yet is in llhttp's hands and in no callback's: a head, a trailer, the
        # extension of a chunk.
        if self.in_head or not events:
            self._before += self._now
            if self._before > self._longest_head:
                events.append(self._too_large())

    def _head_complete(self) -> list[Field]:
        """The fields of the head that has just ended. What comes from now on are trailers."""
        self.in_head = False
        # Only a head that could be too large is measured. `_before`: its bytes in earlier pieces,
        # less those of one it shared with the message before.
        most = self._shared_piece + max(self._before, 0) + self._now
        if most > self._longest_field:
            sizes = [len(name) + len(value) for name, value in self._fields]
            if max(sizes, default=0) > self._longest_field:
                raise Refused(self._too_large(f"a header above {self._longest_field} bytes"))
            # Each with its `: ` and its line end.
            if sum(sizes) + 4 * len(sizes) > self._longest:
                raise Refused(self._too_large())
        fields, self._fields = self._fields, []
        self._before = 0
        return fields

    def _renew(self) -> None:
        raise NotImplementedError

    def _too_large(self, detail: str = "") -> Malformed:
        detail = detail or f"headers above {self._longest} bytes"
        return self._malformed(431, Reason.REQUEST_TOO_LARGE, detail)

    def _malformed(self, status: int, reason: Reason, detail: str) -> Malformed:
        return Malformed(status, reason, detail, page=self.wants_page)

    @property
    def wants_page(self) -> bool:
        """Whether who sends the head under way would rather have a page than JSON, as far as it
        came. A person is told so; a program reads the status."""
        return wants_page(self._fields, otherwise=True)

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

    __slots__ = ("_between", "_field_reader", "_longest_line", "_longest_recalled", "_target")

    _parser: httptools.HttpRequestParser

    def __init__(self, fields: FieldReader) -> None:
        limits = fields.limits
        super().__init__(limits.headers, limits.header, limits.request_line)
        self._longest_line = limits.request_line
        self._longest_recalled = min(limits.request_line, LONGEST_REMEMBERED)
        self._field_reader = fields
        self._target = b""
        self._between = True
        self._renew()

    def feed(self, data: bytes) -> list[RequestEvent]:
        """The events in `data`. Not to be fed again after `Malformed`."""
        line = block = b""
        if self._between and data.endswith(b"\r\n\r\n"):
            line, _, block = data.partition(b"\r\n")
            if len(line) > self._longest_recalled:
                block = b""
            elif (fields := self._field_reader.recall(block)) and (start := read_line(line)):
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

    def _line_is_too_long(self) -> bool:
        """Whether the request line, as far as it came, is longer than it may be."""
        length = len(self._target) + _REST_OF_LINE
        if length + _LONGEST_METHOD <= self._longest_line:
            return False
        return length + len(self._parser.get_method()) > self._longest_line

    def on_message_begin(self) -> None:
        self.in_head = True
        self._between = False
        self._fields = []
        # Counted from the next piece on, if other messages have a part in this one.
        self._shared_piece = self._now if self._events else 0
        self._before = -self._shared_piece
        self._target = b""

    def on_url(self, piece: bytes) -> None:
        self._target += piece
        if self._line_is_too_long():
            detail = f"request line above {self._longest_line} bytes"
            raise Refused(self._malformed(414, Reason.REQUEST_TOO_LARGE, detail))

    def on_headers_complete(self) -> None:
        fields = self._head_complete()
        version = self._parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise Refused(self._malformed(505, Reason.REQUEST_MALFORMED, f"HTTP/{version}"))
        method = self._parser.get_method().decode("ascii")
        head = RawHead(method, self._target, int(version[2]), self._field_reader.read(fields))
        self._events.append(head)

    def on_message_complete(self) -> None:
        self._between = True
        self._events.append(END)
