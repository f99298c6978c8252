"""What the gateway listens on: opened once, before any worker is there, and inherited by all.

Or not opened at all: systemd can hold the sockets and hand them over (sd_listen_fds(3)). They stay
open while the gateway is restarted, so that whoever comes in between waits a moment instead of
being turned away.
"""

import os
import socket
from collections.abc import MutableMapping
from typing import NamedTuple

import structlog

from gateway.config import ListenAddress, Server
from gateway.edge.sockets import bind, tune
from gateway.errors import CannotStart

_log = structlog.get_logger()

# sd_listen_fds(3): the first descriptor that is handed over.
_FIRST = 3
# FileDescriptorName= of the socket for /livez, /readyz and /metrics; all others are for browsers.
_MANAGEMENT = "management"

Listening = tuple[socket.socket, ...]


class Sockets(NamedTuple):
    """`edge`: those of each worker, which may be the same for all; `management`: those of all."""

    edge: tuple[Listening, ...]
    management: Listening

    @classmethod
    def open(cls, server: Server, environ: MutableMapping[str, str] = os.environ) -> "Sockets":
        """Listen, or take over. Raises `CannotStart` with what to do."""
        given = _handed_over(environ)
        browsers = tuple(sock for name, sock in given if name != _MANAGEMENT)
        management = tuple(sock for name, sock in given if name == _MANAGEMENT)
        if given:
            addresses = {name: str(sock.getsockname()) for name, sock in given}
            _log.info("sockets_handed_over", addresses=addresses)
        edge = (browsers,) * server.workers if browsers else _own(server)
        try:
            return cls(edge, management or _bound("server.management", server.management))
        except CannotStart:
            cls(edge, ()).close()
            raise

    def close(self) -> None:
        for sock in {*self.management, *(sock for one in self.edge for sock in one)}:
            sock.close()


def _own(server: Server) -> tuple[Listening, ...]:
    """One set of sockets for each worker, all on the same address."""
    first = _bound("server.listen", server.listen)
    if server.workers == 1:
        return (first,)
    # The first one shows that nobody else has the address, which a shared one would not.
    listen = ListenAddress(server.listen.host, first[0].getsockname()[1])
    for sock in first:
        sock.close()
    return tuple(_bound("server.listen", listen, shared=True) for _ in range(server.workers))


def _bound(key: str, address: ListenAddress, *, shared: bool = False) -> Listening:
    try:
        return tuple(bind(address, shared=shared))
    except OSError as error:
        raise CannotStart(
            f"{key}: cannot listen on {address}: {error.strerror or error}. "
            f"Is another program using the port? Change {key} in config.yaml."
        ) from error


def _handed_over(environ: MutableMapping[str, str]) -> list[tuple[str, socket.socket]]:
    """The sockets meant for this process, by name. No process that we start shall take them for
    its own."""
    mine = environ.pop("LISTEN_PID", None) == str(os.getpid())
    count = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not mine:
        return []
    given = []
    for number in range(int(count)):
        try:
            sock = socket.socket(fileno=_FIRST + number)
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError as error:
            raise CannotStart(f"LISTEN_FDS: no socket: {error.strerror}") from error
        if not listens or sock.type != socket.SOCK_STREAM:
            raise CannotStart("LISTEN_FDS: not a socket that listens; in the unit: ListenStream=")
        sock.setblocking(False)
        sock.set_inheritable(False)
        tune(sock)
        given.append((names[number] if number < len(names) else "", sock))
    return given
