"""A TLS handshake that fails: what is said of it, and to whom.

OpenSSL has an alert ready that tells a browser why (RFC 8446 section 6). The event loop closes the
connection without sending it, so it goes with the error, to whoever still has a hold on the socket.
"""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

_FULL = frozenset((errno.EMFILE, errno.ENFILE))


class HandshakeFailed(ssl.SSLError):
    """`alert`: for the peer, empty when there is none to be sent; `plain_http`: it spoke HTTP
    without TLS, as far as OpenSSL knows its methods: GET, HEAD, POST and PUT."""

    def __init__(self, error: ssl.SSLError, alert: bytes) -> None:
        super().__init__(*error.args)
        self.alert = alert
        self.plain_http = error.reason == "HTTP_REQUEST"


class Speaking(ssl.SSLObject):
    """Raises `HandshakeFailed`. `outgoing`: where OpenSSL writes to."""

    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            raise HandshakeFailed(error, self.outgoing.read()) from error


class SpeakingContext(ssl.SSLContext):
    """Its connections are `Speaking`."""

    sslobject_class = Speaking

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> Speaking:
        made = cast(
            Speaking,
            super().wrap_bio(incoming, outgoing, server_side, server_hostname, session),
        )
        made.outgoing = outgoing
        return made


@contextmanager
def held(sock: socket.socket) -> Iterator[socket.socket | None]:
    """A second hold on a socket, that lasts when the event loop has closed it; `None` without a
    descriptor for one."""
    try:
        second = sock.dup()
    except OSError as error:
        if error.errno not in _FULL:
            raise
        yield None
        return
    with second:
        yield second
