"""Upstream for the measurements: answers every request with 1 KB, as cheaply as Python can.

python -m bench.sonar PORT
"""

import asyncio
import sys
import time
from email.utils import formatdate
from functools import lru_cache
from typing import cast

import uvloop

BODY = b"x" * 1024


@lru_cache(maxsize=1)
def _reply(second: int) -> bytes:
    """What a legacy application says, with a Date that changes every second."""
    return (
        b"HTTP/1.1 200 OK\r\nDate: %b\r\nServer: Sonar\r\nCache-Control: private, no-cache\r\n"
        b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
        % (formatdate(second, usegmt=True).encode(), len(BODY), BODY)
    )


class _Sonar(asyncio.Protocol):
    def __init__(self) -> None:
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        waiting = self._waiting + data if self._waiting else data
        *heads, self._waiting = waiting.split(b"\r\n\r\n")
        self._transport.write(_reply(int(time.time())) * len(heads))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Sonar, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
