"""Upstream for the measurements: answers every request with 1 KB, as cheaply as Python can.

python -m bench.sonar PORT
"""

import asyncio
import sys
from typing import cast

import uvloop

BODY = b"x" * 1024
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1024\r\n\r\n" + BODY


class _Sonar(asyncio.Protocol):
    def __init__(self) -> None:
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        waiting = self._waiting + data if self._waiting else data
        *heads, self._waiting = waiting.split(b"\r\n\r\n")
        self._transport.write(_REPLY * len(heads))


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Sonar, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
