"""Sockets to listen on, and the descriptors there are."""

import asyncio
import resource
import select
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from gateway.edge.sockets import bind, room_for, take_proxy_header
from gateway.values import ListenAddress
from tests.session.samples import until


def test_one_address() -> None:
    (sock,) = bind(ListenAddress("127.0.0.1", 0))
    with sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert not sock.getblocking()
        with socket.create_connection(sock.getsockname()), sock.accept()[0] as came:
            for option in (socket.TCP_NODELAY, socket.TCP_KEEPIDLE):
                assert came.getsockopt(socket.IPPROTO_TCP, option)
            assert came.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize("host", ["", "localhost"])
def test_every_address_that_is_meant(host: str) -> None:
    with ExitStack() as opened:
        sockets = [opened.enter_context(sock) for sock in bind(ListenAddress(host, 0))]
        families = {sock.family for sock in sockets}
        assert socket.AF_INET in families
        assert len(sockets) == len(families)


def test_an_address_that_is_taken_leaves_nothing_open() -> None:
    (sock,) = bind(ListenAddress("127.0.0.1", 0))
    with sock, pytest.raises(OSError, match="in use"):
        bind(ListenAddress("127.0.0.1", sock.getsockname()[1]))


def test_an_address_of_another_machine() -> None:
    with pytest.raises(OSError, match="assign"):
        bind(ListenAddress("192.0.2.1", 0))


HEADER = b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"


async def coming(*pieces: bytes, end: bool = False) -> tuple[bytes | None, bytes]:
    """What is taken off a socket to which these pieces come one by one, and what stays in it."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        taking = asyncio.create_task(take_proxy_header(ours))
        for piece in pieces:
            theirs.sendall(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if end:
            theirs.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(5):
            header = await taking
        try:
            return header, ours.recv(4096)
        except BlockingIOError:
            return header, b""


async def test_a_proxy_header_is_taken_and_no_more() -> None:
    hello = b"\x16\x03\x01hello"
    assert await coming(HEADER + hello) == (HEADER, hello)
    assert await coming(HEADER) == (HEADER, b"")
    pieces = [HEADER[i : i + 1] for i in range(len(HEADER))]
    assert await coming(*pieces, hello) == (HEADER, hello)


async def test_no_proxy_header() -> None:
    assert await coming(end=True) == (b"", b"")
    assert await coming(HEADER[:10], end=True) == (None, b"")
    assert (await coming(b"GET / HTTP/1.1\r\n\r\n"))[0] is None


async def test_waiting_for_a_proxy_header_costs_nothing() -> None:
    """What has come is taken off at once: a socket that stays readable would be a busy loop."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        taking = asyncio.create_task(take_proxy_header(ours))
        theirs.sendall(HEADER[:10])
        await until(lambda: not _readable_now(ours))
        assert not taking.done()
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking


def _readable_now(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


def test_room_as_wished() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert room_for(10) == 10
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= soft


@pytest.mark.parametrize(
    ("limits", "wished", "room", "soft"),
    [
        ((256, 1024), 10, 10, 256),
        # the soft limit is raised
        ((256, 1024), 400, 400, 928),
        # as far as the hard one
        ((256, 1024), 8000, 448, 1024),
        ((100, 100), 8000, 1, 100),
    ],
)
def test_room_by_descriptors(limits: tuple[int, int], wished: int, room: int, soft: int) -> None:
    """In a process of its own, as a hard limit cannot be raised again."""
    program = (
        "import resource; from gateway.edge.sockets import room_for\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, {limits})\n"
        f"print(room_for({wished}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout.split()[-2:] == [b"%d" % room, b"%d" % soft]
