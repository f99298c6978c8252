"""Takes an upload and answers when all of it has come, with its size.

    python -m bench.upstream.uploads PORT [BYTES_PER_SECOND]

With a rate it reads no faster than that.
"""

import asyncio
import re
import sys
from typing import cast

import uvloop

_BUFFER_BYTES = 256 * 1024
# How often a slow reader reads.
_SLICE_SECONDS = 0.02
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class _Taker(asyncio.BufferedProtocol):
    """One connection; one buffer, read into again and again."""

    def __init__(self, rate: int) -> None:
        size = int(rate * _SLICE_SECONDS) if rate else _BUFFER_BYTES
        self._slow = bool(rate)
        self._buffer = memoryview(bytearray(size))
        self._head = b""
        self._missing = 0
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._missing == 0:
            nbytes = self._begin(bytes(self._buffer[:nbytes]))
        self._missing -= nbytes
        if self._size and self._missing <= 0:
            body = b"%d" % self._size
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            self._size = self._missing = 0
        elif self._slow:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_SLICE_SECONDS, self._go_on)

    def _begin(self, data: bytes) -> int:
        """Read the head; how many bytes of the body came with it."""
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        if not end:
            return 0
        found = _LENGTH.search(head + b"\r\n")
        if found is None:
            raise ValueError(f"an upload without a length: {head!r}")
        self._head, self._size = b"", int(found[1])
        self._missing = self._size
        return len(body)

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()


async def _serve(port: int, rate: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Taker(rate), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int((*sys.argv, "0")[2])))
