"""What a connection is told that may not come in: why, by a page or in JSON as it asks.

Strategy
    Nobody has read what it wants, and nobody will. But its request says how to answer, and comes a
    moment after the connection; and closing before it comes would reset the connection, which may
    take the answer away. So a few are waited for, for a moment, and a flood is not: the others are
    answered by what has come already, with a page when nothing has.
"""

import asyncio
import socket
from contextlib import suppress

from gateway.edge import replies
from gateway.edge.fields import seems_to_want_page
from gateway.edge.sockets import readable
from gateway.reasons import Reason

# A way across the world and back ...
_MOMENT_SECONDS = 0.25
# ... and no more descriptors than are set aside for the process itself (sockets.py).
MOST_AWAITED = 32
_LARGEST_READ = 64 * 1024

_STATUS = {
    Reason.CONNECTIONS_FULL: 503,
    Reason.CONNECTIONS_OF_ADDRESS: 429,
    Reason.PLAIN_HTTP: 400,
}


class LastWords:
    """For one listener. `awaited`: the connections whose request is waited for."""

    def __init__(self, origin: str) -> None:
        """`origin`: where the links of a page lead."""
        self.awaited: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._words = {
            (reason, html): _words(status, reason, html=html, origin=origin)
            for reason, status in _STATUS.items()
            for html in (True, False)
        }

    def turn_away(self, sock: socket.socket, reason: Reason) -> None:
        """Tell it why and close."""
        heard = _heard(sock)
        if heard is None and len(self.awaited) < MOST_AWAITED:
            task = self._loop.create_task(self._hear_out(sock, reason))
            self.awaited.add(task)
            task.add_done_callback(self.awaited.discard)
            return
        with sock:
            self._answer(sock, reason, heard)

    def no_tls(self, sock: socket.socket) -> None:
        """To a browser that speaks plain HTTP where there is TLS; its request is gone."""
        say(sock, self._words[Reason.PLAIN_HTTP, True])

    async def _hear_out(self, sock: socket.socket, reason: Reason) -> None:
        with sock:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MOMENT_SECONDS):
                    await readable(sock)
            self._answer(sock, reason, _heard(sock))

    def _answer(self, sock: socket.socket, reason: Reason, heard: bytes | None) -> None:
        say(sock, self._words[reason, seems_to_want_page(heard or b"")])


def _heard(sock: socket.socket) -> bytes | None:
    """What has come so far; `None`: nothing, and it may yet."""
    try:
        return sock.recv(_LARGEST_READ)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def say(sock: socket.socket, words: bytes) -> None:
    """The last words on a connection. What it asked is taken off the socket, so that closing does
    not reset the connection before they are read."""
    with suppress(OSError):
        sock.send(words)
        sock.recv(_LARGEST_READ)


def _words(status: int, reason: Reason, *, html: bool, origin: str) -> bytes:
    """What is said without a request: who it is and what it wants, nobody has read."""
    reply = replies.error(status, reason, "-", html=html, origin=origin)
    return replies.render(reply, head_only=False, keep_alive=False, minor=1)
