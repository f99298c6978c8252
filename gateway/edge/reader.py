"""Bytes become heads, bodies and ends: httptools (llhttp, strict), and what it does not do.

What requests and replies have in common; request_reader.py and reply_reader.py are the two readers.

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

import httptools

from gateway.edge.events import END, End, Malformed
from gateway.edge.fields import wants_page
from gateway.edge.headers import RawReply
from gateway.edge.inbound import RawHead
from gateway.edge.names import Field
from gateway.reasons import Reason

# Each reader has its own under the name `_parser`. Declared here and once more, narrower, in them,
# it would be there twice for the collector of garbage when compiled, and never freed.
Parser = httptools.HttpRequestParser | httptools.HttpResponseParser


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
        "in_head",
        "rest",
    )

    _events: list[RawHead | RawReply | bytes | End | Malformed]

    def __init__(self, longest: int, longest_field: int, longest_line: int) -> None:
        """How many bytes all fields, one of them, and the first line may have."""
        self._longest = longest
        self._longest_field = longest_field
        self._longest_head = longest + longest_line
        self._events = []
        self._fields: list[Field] = []
        self.in_head = False
        self._before = self._now = 0
        self.rest = b""

    def _feed(self, parser: Parser, data: bytes) -> None:
        events = self._events
        self._now = len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
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
        # Only a head that could be too large is measured. `_before`: its bytes in earlier pieces.
        if max(self._before, 0) + self._now > self._longest_field:
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

    def part(self) -> None:
        """Read no more. The parser refers to its reader and the reader to it: both would stay until
        the collector comes, which is seldom."""
        raise NotImplementedError

    def _upgraded(self, rest: bytes) -> None:
        """A head was complete that may have begun another protocol; `rest` came behind it."""
        self.rest = rest
        self._renew()

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
