"""Pure: where a WebSocket frame ends and the next may begin, and how to take one's leave.

A gateway that stops tells browsers so with a close frame of its own among those of upstream. It
may stand between any two frames, also those of one fragmented message (RFC 6455 section 5.4), and
nowhere else: inside of a frame it would be read as part of somebody's message.
"""

# FIN and opcode 8, two bytes of payload: 1001, "an endpoint is going away" (RFC 6455 section 7.4).
GOING_AWAY = b"\x88\x02\x03\xe9"

_OPCODE = 0x0F
_CLOSE = 0x8
_MASKED = 0x80
_LENGTH = 0x7F


class Frames:
    """Follows one direction of a WebSocket, by the lengths of its frames (RFC 6455 section 5.2).
    `closed`: a close frame has begun, after which nothing may follow."""

    __slots__ = ("_head", "_left", "closed")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self.closed = False

    @property
    def between(self) -> bool:
        """Whether a frame may begin here."""
        return self._left == 0 and not self._head

    def follow(self, data: bytes) -> None:
        """These bytes have passed."""
        if self._left >= len(data):
            self._left -= len(data)
            return
        at = self._left
        if self._head:
            data = self._head + data
        self._left = self._walk(data, at)

    def rest(self, data: bytes) -> int:
        """How many of these bytes, which come next, belong to the frame under way: all of them
        when it goes on."""
        if self.between:
            return 0
        if not self._head:
            return min(self._left, len(data))
        size = _frame_size(self._head + data, 0)
        return len(data) if size is None else min(size - len(self._head), len(data))

    def _walk(self, data: bytes, at: int) -> int:
        """Go from frame to frame; how much of the last one is still to come."""
        self._head = b""
        size = len(data)
        while at < size:
            if data[at] & _OPCODE == _CLOSE:
                self.closed = True
            frame = _frame_size(data, at)
            if frame is None:
                self._head = data[at:]
                return 0
            at += frame
        return at - size


def _frame_size(data: bytes, at: int) -> int | None:
    """The size of the frame that begins at `at`, `None` while its head is not complete."""
    if len(data) < at + 2:
        return None
    length = data[at + 1] & _LENGTH
    head = 6 if data[at + 1] & _MASKED else 2
    if length < 126:
        return head + length
    wide = 2 if length == 126 else 8
    if len(data) < at + 2 + wide:
        return None
    return head + wide + int.from_bytes(data[at + 2 : at + 2 + wide], "big")
