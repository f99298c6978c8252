"""Sockets to listen on, and the descriptors there are."""

import resource
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from gateway.edge.sockets import bind, room_for
from gateway.values import ListenAddress


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
