"""Sockets to listen on, and how many descriptors there are for what comes through them."""

import asyncio
import errno
import fcntl
import resource
import socket
import struct
import termios
from contextlib import ExitStack, suppress

import structlog

from gateway.config import ListenAddress

_log = structlog.get_logger()

# Connections that the kernel holds for us while the loop is busy with others.
_BACKLOG = 1024
# What the process needs besides connections: logs, databases, providers, the portal.
_DESCRIPTORS_FOR_OURSELVES = 128
# An address that this machine does not have.
_ABSENT = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))
_INT = struct.Struct("i")


def bind(address: ListenAddress, *, shared: bool = False) -> list[socket.socket]:
    """Sockets that listen on every address `address` stands for, as far as the machine has them
    (`localhost` without IPv6). `OSError` when one is taken, or there is none. `shared`: others of
    this user may listen there, too, and the kernel spreads connections (SO_REUSEPORT)."""
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    found = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    with ExitStack() as opened:
        for family, kind, protocol, _, where in dict.fromkeys(found):
            try:
                sock = opened.enter_context(socket.socket(family, kind, protocol))
                _prepare(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
                sock.bind(where)
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
            else:
                sock.listen(_BACKLOG)
                sockets.append(sock)
        if absent is not None and not sockets:
            raise absent
        opened.pop_all()
    return sockets


def _prepare(sock: socket.socket) -> None:
    """For a socket that is not bound yet."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    tune(sock)


def tune(sock: socket.socket) -> None:
    """Small replies go at once, and the kernel notices a peer that vanished without a word, within
    two minutes. Whoever is accepted inherits it from the socket that listens, at no cost."""
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


def unsent(transport: asyncio.Transport) -> int:
    """How many bytes written to it the other end has not got: those that the event loop still has,
    and those that the kernel sends again until they are acknowledged (tcp(7), SIOCOUTQ)."""
    kernel = bytes(_INT.size)
    with suppress(OSError):
        kernel = fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, kernel)
    (count,) = _INT.unpack(kernel)
    return int(count) + transport.get_write_buffer_size()


async def readable(sock: socket.socket) -> None:
    """Wait until something has come, or its end."""
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


def room_for(connections: int) -> int:
    """How many browser connections, `connections` at most, there are descriptors for: two each,
    as each may need one to Sonar. The soft limit is raised as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * connections + _DESCRIPTORS_FOR_OURSELVES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    room = max(1, (soft - _DESCRIPTORS_FOR_OURSELVES) // 2)
    _log.warning("descriptors_few", limit=soft, connections=room, wanted=connections)
    return room
