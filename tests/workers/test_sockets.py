"""What is listened on: opened, or handed over."""

import socket
import subprocess
import sys

import pytest

from gateway.config import ListenAddress, Server
from gateway.errors import CannotStart
from gateway.workers.sockets import Sockets
from tests.workers.world import ROOT, free_port


def a_server(workers: int = 1, listen: int = 0, management: int | None = None) -> Server:
    return Server(
        listen=ListenAddress("127.0.0.1", listen),
        management=ListenAddress("127.0.0.1", management or free_port()),
        workers=workers,
    )


def test_each_worker_has_one_of_its_own_on_the_same_port() -> None:
    sockets = Sockets.open(a_server(workers=3), {})
    addresses = {sock.getsockname() for one in sockets.edge for sock in one}
    assert len(sockets.edge) == 3
    assert len({sock.fileno() for one in sockets.edge for sock in one}) == 3
    assert len(addresses) == 1
    sockets.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_taken_port_is_noticed_also_when_it_could_be_shared(workers: int) -> None:
    """Two gateways on one port, by mistake, would answer in turn."""
    first = Sockets.open(a_server(workers=2), {})
    port = first.edge[0][0].getsockname()[1]
    with pytest.raises(CannotStart, match=f"server.listen: cannot listen on 127.0.0.1:{port}"):
        Sockets.open(a_server(workers=workers, listen=port), {})
    first.close()


def test_nothing_stays_open_when_the_management_port_is_taken() -> None:
    first = Sockets.open(a_server(), {})
    taken = first.management[0].getsockname()[1]
    port = free_port()
    with pytest.raises(CannotStart, match=r"server\.management"):
        Sockets.open(a_server(workers=2, listen=port, management=taken), {})
    Sockets.open(a_server(listen=port), {}).close()
    first.close()


def test_what_is_meant_for_another_process_is_left_alone() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "HOME": "/"}
    sockets = Sockets.open(a_server(), environ)
    assert sockets.edge[0][0].getsockname()[0] == "127.0.0.1"
    assert environ == {"HOME": "/"}
    sockets.close()


def handed_over(code: str, *given: socket.socket, workers: int = 1) -> tuple[int, str]:
    """Run `code` in a process that systemd would have started with these sockets: exit code and
    what it said."""
    setup = (
        "import os, sys, fcntl\n"
        "fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[1:]]\n"
        "for n, fd in enumerate(fds): os.dup2(fd, 3 + n)\n"
        "os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': str(len(fds)),\n"
        "    'LISTEN_FDNAMES': ':'.join(['gateway.socket', 'management'][:len(fds)])}\n"
        "from tests.workers.test_sockets import a_server\n"
        "from gateway.workers.sockets import Sockets\n"
        f"sockets = Sockets.open(a_server({workers}))\n"
    )
    fds = [sock.fileno() for sock in given]
    done = subprocess.run(
        [sys.executable, "-c", setup + code, *map(str, fds)],
        cwd=ROOT,
        pass_fds=fds,
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_sockets_of_systemd_are_taken_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as browsers, socket.socket() as management:
        management.bind(("127.0.0.1", 0))
        management.listen()
        code, said = handed_over(
            "print([s.getsockname()[1] for one in sockets.edge for s in one])\n"
            "print([s.getsockname()[1] for s in sockets.management])\n"
            "print([s.get_inheritable() for s in sockets.management], len(sockets.edge))\n"
            "print([name for name in os.environ if name.startswith('LISTEN')])\n",
            browsers,
            management,
            workers=2,
        )
        port, other = browsers.getsockname()[1], management.getsockname()[1]
        assert code == 0, said
        assert said.splitlines()[-4:] == [f"[{port}, {port}]", f"[{other}]", "[False] 2", "[]"]


def test_without_one_for_management_it_is_opened_as_configured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as browsers:
        code, said = handed_over("print(sockets.management[0].getsockname()[0])", browsers)
        assert (code, said.splitlines()[-1]) == (0, "127.0.0.1")


def test_what_does_not_listen_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        code, said = handed_over("", datagrams)
        assert code == 1
        assert "not a socket that listens; in the unit: ListenStream=" in said
