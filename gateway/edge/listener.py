"""Accepts connections, and survives having no room for more.

Strategy
    The listening sockets are ours, not the event loop's: what is accepted is counted before
    anything is built for it, TLS included, and running out of file descriptors is survived.
    Who comes in is another's business: entrance.py.

Rules
    Without descriptors left nothing is accepted until the server's clock says to try again: the
    socket stays readable, and asking again at once would be a busy loop. Meanwhile who comes
    waits in the kernel's queue.
    When it closes, what waits in the kernel's queue is still accepted: closing the socket would
    reset it.
"""

import asyncio
import errno
import socket
from collections.abc import Sequence

import structlog

from gateway.edge.certificate import Certificates
from gateway.edge.entrance import Entrance
from gateway.edge.shared import Shared

_log = structlog.get_logger()

# Accepted in one go, so that a flood of connections does not keep the others waiting: a TLS
# handshake takes most of a millisecond, and with 64 of them one request in a hundred took 0.1 s.
_AT_ONCE = 16
# What a process may have run out of: its own descriptors, the system's, the kernel's memory.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# For those accepted last, when the gateway stops.
_LAST_ONES_SECONDS = 1.0


class Listener:
    """Makes a `Client` of everybody who may come in through `sockets`."""

    def __init__(
        self,
        shared: Shared,
        sockets: Sequence[socket.socket],
        certificates: Certificates | None = None,
    ) -> None:
        """`certificates`: speak TLS, each time with the one in force."""
        self.sockets = tuple(sockets)
        self._own = self.sockets
        self._entrance = Entrance(shared, certificates)
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._exhausted = False

    def open(self) -> None:
        """Begin to accept."""
        for sock in self.sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def stand_in(self, others: Sequence[socket.socket]) -> None:
        """Accept from these as well as from one's own, and from none else: nobody does at present
        for whom they are meant."""
        if not self._own:
            return  # closed
        before = self.sockets
        self.sockets = tuple(dict.fromkeys((*self._own, *others)))
        for sock in before:
            if sock not in self.sockets:
                self._loop.remove_reader(sock)
        if not self._exhausted:
            self.open()

    def tick(self) -> None:
        """A moment has passed: try again, if there was no room."""
        if not self._exhausted:
            return
        self._exhausted = False
        for sock in self.sockets:
            self._accept(sock)
        if not self._exhausted:
            _log.info("descriptors_free", connections=self._shared.admission.inside)
            self.open()

    async def close(self, within: float = _LAST_ONES_SECONDS) -> None:
        """Accept who waits already, and then nobody. Who has not come in `within` seconds, with a
        handshake or a PROXY header half done, comes in no more."""
        sockets, self.sockets, self._own = self.sockets, (), ()
        for sock in sockets:
            self._loop.remove_reader(sock)
            while self._accept(sock) == _AT_ONCE:
                pass
            sock.close()
        await self._entrance.close(min(within, _LAST_ONES_SECONDS))

    def _accept(self, listening: socket.socket) -> int:
        """Take in who waits; how many there were."""
        for number in range(_AT_ONCE):
            try:
                sock, address = listening.accept()
            except BlockingIOError:
                return number
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._no_room(error)
                    return number
                # Of a connection that broke while it waited (accept(2)): the next may be fine.
                continue
            sock.setblocking(False)
            self._entrance.meet(sock, address[0] if address else "")
        return _AT_ONCE

    def _no_room(self, error: OSError) -> None:
        self._exhausted = True
        self._shared.counters.accepts_failed += 1
        for sock in self.sockets:
            self._loop.remove_reader(sock)
        if self._shared.is_news("descriptors_exhausted"):
            inside = self._shared.admission.inside
            _log.error("descriptors_exhausted", error=error.strerror, connections=inside)
