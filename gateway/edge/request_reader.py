"""The requests of one browser connection: what reader.py does, and no llhttp's forgiveness.

Rules
    llhttp never gets the beginning of a request together with the end of the one before: each first
    line is looked at before llhttp forgives it anything (request_line.py).
    A whole head whose header lines are remembered, byte for byte, is not parsed again.
    Of a body llhttp gets at most its last chunk and what follows.
"""

import re
from collections.abc import Sequence

import httptools

from gateway.edge.chunks import Chunks
from gateway.edge.events import END, Malformed, RequestEvent
from gateway.edge.field_reader import FieldReader
from gateway.edge.fields import seems_to_want_page
from gateway.edge.head import LONGEST_REMEMBERED, read_line
from gateway.edge.inbound import Fields, RawHead, Refusal
from gateway.edge.reader import Reader, Refused
from gateway.edge.request_line import may_become_one, target_of
from gateway.reasons import Reason

_BLANK_LINE = b"\r\n\r\n"
_EMPTY_LINES = re.compile(rb"(?:\r\n)+")
# Taken at once: some hundred heads at most, or some ten thousand chunks of a byte each.
_MOST_IN_HEADS = 16 * 1024
_MOST_IN_CHUNKS = 128 * 1024

_NOBODYS = httptools.HttpRequestParser(object())


class RequestReader(Reader):
    """The requests of one browser connection; `fields` understands their headers. `left`: how much
    is to come of a body whose length was told."""

    __slots__ = (
        "_between",
        "_chunks",
        "_familiar",
        "_field_reader",
        "_line",
        "_longest_line",
        "_longest_recalled",
        "_muted",
        "_parser",
        "_refused",
        "_start",
        "_tail",
        "_target",
        "_upgrading",
        "left",
    )

    _parser: httptools.HttpRequestParser

    def __init__(self, fields: FieldReader) -> None:
        limits = fields.limits
        super().__init__(limits.headers, limits.header, limits.request_line)
        self._longest_line = limits.request_line
        self._longest_recalled = min(limits.request_line, LONGEST_REMEMBERED)
        self._field_reader = fields
        self._target = self._line = self._tail = b""
        self.left = 0
        self._start: tuple[str, bytes, int] | None = None
        self._chunks: Chunks | None = None
        self._familiar = self._muted = self._refused = self._upgrading = False
        self._between = True
        self._renew()

    @property
    def takes(self) -> int:
        """How many bytes it takes at once, so that nobody waits long for what they hold."""
        if self._chunks is not None:
            return max(self._chunks.left, _MOST_IN_CHUNKS)
        return self.left or _MOST_IN_HEADS

    def feed(self, data: bytes) -> list[RequestEvent]:
        """The events in `data`. Not to be fed again after `Malformed`."""
        self._familiar = False
        if self._between and not self._refused and data.endswith(_BLANK_LINE):
            line, _, block = data.partition(b"\r\n")
            start = read_line(line) if len(line) <= self._longest_recalled else None
            if start is not None:
                known = self._field_reader.recall(block)
                if known is not None:
                    self._refused = isinstance(known, Refusal)
                    return [RawHead(*start, known), END]
                if data.find(_BLANK_LINE) == len(data) - len(_BLANK_LINE):
                    return self._read_whole(data, start, block)
        self._parse(data)
        return self._found()

    def _found(self) -> list[RequestEvent]:
        events: list[RequestEvent] = self._events  # type: ignore[assignment]  # no RawReply here
        self._events = []
        return events

    def _read_whole(
        self, data: bytes, start: tuple[str, bytes, int], block: bytes
    ) -> list[RequestEvent]:
        """Read one whole head, of whose first line nothing is left to llhttp to forgive."""
        self._start, self.left = start, 0
        self._familiar = self._field_reader.familiar(block)
        self._feed(self._parser, data)
        self._upgrading = False
        events = self._found()
        self._remember(block, events)
        return events

    def _parse(self, data: bytes) -> None:
        """Give llhttp what belongs to one request at a time, and nothing behind a head that is
        refused: how long its body is nobody knows, and the connection ends with it."""
        while data and not self._refused:
            if self.left:
                data = self._pass_on(data)
                continue
            if self._chunks is not None:
                data = self._take_apart(self._chunks, data)
                continue
            if self._between or self._line:
                data = self._begin(data)
                continue
            end = self._cut(data)
            self._feed(self._parser, data[:end])
            data = data[end:]
            if self._upgrading:
                self._upgrading = False
                self.rest = data
                return
            if self._events and isinstance(self._events[-1], Malformed):
                return

    def _pass_on(self, data: bytes) -> bytes:
        """The next part of a body whose length was told: llhttp need not see it. What follows."""
        left = self.left
        if len(data) < left:
            self.left = left - len(data)
            self._events.append(data)
            return b""
        self.left = 0
        self._events += (data[:left], END)
        self._renew()
        return data[left:]

    def _take_apart(self, chunks: Chunks, data: bytes) -> bytes:
        """The next part of a body in chunks. What llhttp is to see of it, and what follows."""
        body = chunks.feed(data)
        if body:
            self._events.append(body)
        if chunks.wrong:
            self._events.append(self._malformed(400, Reason.REQUEST_MALFORMED, "no chunk"))
            return b""
        if chunks.last is None:
            return b""
        self._chunks, self._tail = None, b""
        return chunks.last

    def _begin(self, data: bytes) -> bytes:
        """Take a request line from `data`, when all of it is there; gives what follows it."""
        start, end, rest = data.partition(b"\n")
        line = self._line + start + end
        self._line = b"" if end else line
        self.in_head = not end
        self._between = bool(end)
        if line == b"\r\n":
            # RFC 9112 section 2.2: an empty line before a request is ignored. All at once: one at
            # a time, a piece of nothing else would keep everybody waiting.
            more = _EMPTY_LINES.match(rest)
            return rest if more is None else rest[more.end() :]
        most = self._longest_line + 2
        if (not end or len(line) > most) and not may_become_one(line[:most]):
            return self._give_up(400, Reason.REQUEST_MALFORMED, "no request line", line + rest)
        if len(line) > most:
            detail = f"request line above {self._longest_line} bytes"
            return self._give_up(414, Reason.REQUEST_TOO_LARGE, detail, line + rest)
        if not end:
            return b""
        target = target_of(line)
        if target is None:
            return self._give_up(400, Reason.REQUEST_MALFORMED, "no request line", line + rest)
        self._start, self._target, self._tail, self.left = None, target, line[-3:], 0
        self._feed(self._parser, line)
        return b"" if self._events and isinstance(self._events[-1], Malformed) else rest

    def _give_up(self, status: int, reason: Reason, detail: str, head: bytes) -> bytes:
        """Of `head`, as far as it is there, no more is read than how to answer."""
        page = seems_to_want_page(head)
        self._events.append(Malformed(status, reason, detail, page=page))
        return b""

    def _cut(self, data: bytes) -> int:
        """How much of `data` is of this request for sure, at most up to its end: up to an empty
        line, with which a head and the last chunk end."""
        tail = self._tail
        at = (tail + data[:3]).find(_BLANK_LINE) - len(tail)
        if at < -len(tail):
            at = data.find(_BLANK_LINE)
            if at < 0:
                self._tail = (tail + data[-3:])[-3:]
                return len(data)
        end = at + len(_BLANK_LINE)
        self._tail = (tail + data[:end])[-3:]
        return end

    def _remember(self, block: bytes, events: Sequence[object]) -> None:
        """Keep the block of a request that has come whole and brought no body."""
        if len(events) != 2 or events[1] is not END:
            return
        head = events[0]
        if not isinstance(head, RawHead):
            return
        fields = head.fields
        if isinstance(fields, Fields) and (fields.upgrades_to_websocket or fields.framing.has_body):
            return
        self._field_reader.remember(block, fields, familiar=self._familiar)

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._between = True

    def part(self) -> None:
        self._parser = _NOBODYS

    def _upgraded(self, rest: bytes) -> None:
        """httptools ends a request to upgrade with its head. If a body follows, that would be read
        as the next request, by nobody but us: it is read as what it is, and has its end then."""
        self._renew()
        head = self._events[-2]
        fields = head.fields if isinstance(head, RawHead) else None
        if not isinstance(fields, Fields) or not fields.framing.has_body:
            self._upgrading = True
            return
        del self._events[-1]
        self._muted = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + fields.framing_lines + b"\r\n")
        self._muted = False

    def on_message_begin(self) -> None:
        self.in_head = True
        self._between = False
        self._fields = []
        self._before = 0

    def on_headers_complete(self) -> None:
        fields = self._head_complete()
        if self._muted:
            return
        method, target, minor = self._start or self._read_start()
        read = self._field_reader.read(fields, familiar=self._familiar)
        if isinstance(read, Fields):
            self.left = read.framing.length or 0
            self._chunks = Chunks() if read.framing.chunked else None
        else:
            self._refused = True
        self._events.append(RawHead(method, target, minor, read))

    def _read_start(self) -> tuple[str, bytes, int]:
        """Method, target and minor version of the request line that llhttp has read."""
        version = self._parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise Refused(self._malformed(505, Reason.REQUEST_MALFORMED, f"HTTP/{version}"))
        return self._parser.get_method().decode("ascii"), self._target, int(version[2])

    def on_message_complete(self) -> None:
        self._between = True
        self._events.append(END)
