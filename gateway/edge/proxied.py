"""The header of the PROXY protocol comes off a socket before TLS or HTTP begins on it.

proxy_protocol.py reads it; here it is waited for.
"""

import asyncio
import socket

from gateway.edge.proxy_protocol import belonging, complete

# More than the longest header.
_LARGEST_READ = 8 * 1024


async def take_proxy_header(sock: socket.socket) -> bytes | None:
    """The header at the start of a connection, and not a byte of what follows; empty when it ended
    without a word, `None` when something else is there, or half a header."""
    seen = b""
    while not complete(seen):
        await _readable(sock)
        ahead = sock.recv(_LARGEST_READ, socket.MSG_PEEK)
        size = belonging(seen, ahead)
        if not ahead:
            return None if seen else b""
        if size is None:
            return None
        # Taken off at once, or the socket would stay readable while the rest is waited for.
        seen += sock.recv(size)
    return seen


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def told() -> None:
        loop.remove_reader(sock)
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock, told)
    try:
        await ready
    finally:
        loop.remove_reader(sock)
