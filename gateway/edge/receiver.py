"""Whoever reads a socket in pieces that fit what comes: one large buffer, which all of them share.

Strategy
    What a long body costs is mostly the kernel's part of each read and write, and the event loop's
    own buffer takes 250 KB at a time. Here each read that filled its piece is followed by one of
    twice the size, up to 1 MiB: half the CPU time is saved there (docs/performance.md). When the
    other side falls behind, pieces are small again, because one of them waits in memory for each
    slow connection.

Rules
    What was read is copied out before anything else happens: nobody ever sees the buffer, or what
    was read into it for somebody else.
"""

import asyncio

_LARGEST = 1024 * 1024
_BUFFER = memoryview(bytearray(_LARGEST))
# From what a slow connection may hold to what a fast one gains by.
_PIECES = [_BUFFER[: _LARGEST >> shift] for shift in (4, 3, 2, 1, 0)]


class Receiver(asyncio.BufferedProtocol):
    """One end of a connection; `data_received` gets what comes."""

    __slots__ = ("_grown",)

    def __init__(self) -> None:
        self._grown = 0

    def get_buffer(self, sizehint: int) -> memoryview:
        return _PIECES[self._grown]

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes == len(_PIECES[self._grown]) and nbytes < _LARGEST:
            self._grown += 1
        self.data_received(bytes(_BUFFER[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """The next bytes have come."""
        raise NotImplementedError

    def fell_behind(self) -> None:
        """Whoever takes what is read here is slower than it comes."""
        self._grown = 0
