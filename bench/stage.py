"""Where a measurement plays: a folder, ports, upstream, a provider; and everything that runs."""

import http.client
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.process import OTHER_CORE, PROXY_CORE, Program, python, start
from bench.programs import NGINX, find
from bench.upstream import pages

CLIENT_ID, CLIENT_SECRET = "bench", "bench-stand-in-secret"


class Stage:
    """`pages`: the port of upstream, which answers each page with 1 KB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Program] = []
        self._beside: list[Program] = []
        self._counted = 0
        self.pages = free_port()
        config = folder / "pages.conf"
        config.write_text(pages.config(folder, self.pages))
        self.run("upstream", (find(NGINX), "-c", str(config)), port=self.pages, core=OTHER_CORE)

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        port: int,
        core: int = PROXY_CORE,
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        """Start `command`, and wait until `port` answers. Whatever runs is stopped at the end."""
        log = self.folder / f"{name.replace(' ', '-')}.log"
        program = start(name, command, log, core=core, folder=self.folder, environment=environment)
        self._running.append(program)
        if core == OTHER_CORE:
            self._beside.append(program)
        program.wait_until(lambda: is_open(port))
        return program

    def module(self, name: str, *arguments: str, core: int = OTHER_CORE) -> int:
        """Run one of our own programs, whose first argument is its port; the port."""
        port = free_port()
        command = python(name, str(port), *arguments)
        self.run(f"{name}-{port}", command, port=port, core=core)
        return port

    @property
    def beside(self) -> tuple[Program, ...]:
        """What runs on the core that is not the proxy's."""
        return tuple(self._beside)

    def stop(self, program: Program) -> None:
        self._running.remove(program)
        if program in self._beside:
            self._beside.remove(program)
        program.stop()

    def stop_all(self) -> None:
        while self._running:
            self._running.pop().stop()

    def upstream_requests(self) -> int:
        """How many requests upstream has answered, this one not among them."""
        _, said = get(self.pages, pages.COUNT_PATH)
        found = re.search(rb"accepts handled requests\s+\d+ \d+ (\d+)", said)
        if found is None:
            raise ValueError(f"upstream's count cannot be read: {said!r}")
        self._counted += 1
        return int(found[1]) - self._counted


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    stage = Stage(folder)
    try:
        yield stage
    finally:
        stage.stop_all()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of one GET on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()
