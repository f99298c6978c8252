"""The header of the PROXY protocol comes off a socket before TLS or HTTP begins on it.

proxy_protocol.py reads it; here it is waited for.
"""

import socket

from gateway.edge.proxy_protocol import belonging, complete
from gateway.edge.sockets import readable

# More than the longest header.
_LARGEST_READ = 8 * 1024


async def take_proxy_header(sock: socket.socket) -> bytes | None:
    """The header at the start of a connection, and not a byte of what follows; empty when it ended
    without a word, `None` when something else is there, or half a header."""
    seen = b""
    while not complete(seen):
        await readable(sock)
        ahead = sock.recv(_LARGEST_READ, socket.MSG_PEEK)
        size = belonging(seen, ahead)
        if not ahead:
            return None if seen else b""
        if size is None:
            return None
        # Taken off at once, or the socket would stay readable while the rest is waited for.
        seen += sock.recv(size)
    return seen
