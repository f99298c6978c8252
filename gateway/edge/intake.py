"""What has come from a browser and has not been dealt with: bytes, then events.

Parsed in small slices and only when somebody asks for the next event, so that requests sent ahead
wait as bytes, not as objects, and a body waits here when upstream is slow.
"""

from gateway.edge.events import END, Malformed, RequestEvent
from gateway.edge.peer import Peer
from gateway.edge.request_reader import RequestReader
from gateway.edge.shared import Shared


class Intake:
    """One connection's. A reader is borrowed while there is something to read."""

    __slots__ = ("_backlog", "_events", "_offset", "_peer", "_reader", "_shared")

    def __init__(self, shared: Shared, peer: Peer) -> None:
        self._shared = shared
        self._peer = peer
        self._backlog = b""
        self._offset = 0
        # The next one last.
        self._events: list[RequestEvent] = []
        self._reader: RequestReader | None = None

    def add(self, data: bytes) -> None:
        if self._backlog:
            self._backlog = self._backlog[self._offset :] + data
            self._offset = 0
        else:
            self._backlog = data

    @property
    def waiting(self) -> int:
        """How many bytes nobody has asked for yet."""
        return len(self._backlog) - self._offset

    @property
    def in_head(self) -> bool:
        """Whether a head has begun that is not complete."""
        return self._reader is not None and self._reader.in_head

    @property
    def wants_page(self) -> bool:
        """Whether who sends the head that has begun would rather have a page than JSON."""
        return self._reader is None or self._reader.wants_page

    @property
    def empty(self) -> bool:
        """Whether nothing of a request is here."""
        if self._backlog or self._events:
            return False
        return self._reader is None or not self._reader.in_head

    def next(self) -> RequestEvent | None:
        """The next event; `None`: more bytes have to come."""
        while not self._events:
            if not self._backlog:
                return None
            self._parse()
        return self._events.pop()

    def skip_end(self) -> None:
        """A request without a body has begun: its end says nothing more."""
        if self._events and self._events[-1] is END:
            self._events.pop()

    def skip_body(self) -> bool:
        """Drop the rest of the request's body; whether all of it is here already."""
        while self._events:
            event = self._events.pop()
            if isinstance(event, Malformed):
                return False
            if not isinstance(event, bytes):
                return True
        return False

    def take_bytes(self) -> bytes:
        """Everything that waits, unread, for somebody who reads it from now on."""
        rest = self._backlog[self._offset :]
        self.end()
        return rest

    def end(self) -> None:
        """Nothing is read any more."""
        self.clear()
        if self._reader is not None:
            self._reader.part()
            self._reader = None

    def clear(self) -> None:
        self._backlog, self._offset, self._events = b"", 0, []

    def rest(self) -> None:
        """Give the reader back: it is between two requests."""
        if self._reader is not None:
            self._shared.put_back(self._reader, self._peer)
            self._reader = None

    def _parse(self) -> None:
        """Turn the next slice of bytes into events."""
        reader = self._reader
        if reader is None:
            reader = self._reader = self._shared.reader(self._peer)
        piece = self._backlog
        most = reader.takes
        if self._offset or len(piece) > most:
            start = self._offset
            piece = piece[start : start + most]
            self._offset = start + len(piece)
        if self._offset in {0, len(self._backlog)}:
            self._backlog, self._offset = b"", 0
        self._events = reader.feed(piece)
        self._events.reverse()
        if reader.rest:
            # After a request to upgrade, what follows is for the tunnel, or the next request.
            if self._backlog:
                self._offset -= len(reader.rest)
            else:
                self._backlog = reader.rest
            reader.rest = b""
