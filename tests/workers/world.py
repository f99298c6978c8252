"""A gateway of several processes, as `serve` runs it, in front of a Sonar that tests hold up."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.account.migrations import migrate
from gateway.secret import Secret
from tests.edge.world import PATIENCE, Browser, Call, Reply, Sonar

ROOT = Path(__file__).parent.parent.parent
# A start takes half a second on a quiet machine; this only bounds one that hangs.
START_WITHIN = 30.0
PUBLIC = "/static/x"


async def until(
    holds: Callable[[], Awaitable[object]], within: float = START_WITHIN, why: Any = ""
) -> None:
    """Wait until `holds()` is true; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not await holds():
        assert time.monotonic() < deadline, why() if callable(why) else why
        await asyncio.sleep(0.01)


@dataclass
class Gateway:
    """`folder` has config.yaml, var/ and what was logged; `ports`: for browsers, management."""

    folder: Path
    ports: tuple[int, int]
    sonar: Sonar
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    browsers: list[Browser] = field(default_factory=list)

    @property
    def sonar_asked(self) -> int:
        """How many requests Sonar has got."""
        return len(self.sonar.heads)

    @property
    def pid(self) -> int:
        return self.processes[-1].pid

    async def start(self, handed_over: Iterable[socket.socket] = ()) -> None:
        """Run `serve` until all of it is ready. `handed_over`: sockets that it need not open, as
        systemd would give them."""
        await self.run(handed_over)
        await until(self.is_ready, why=self.said)
        await until(self.all_ok, why=self.said)

    async def run(self, handed_over: Iterable[socket.socket] = ()) -> None:
        fds = [sock.fileno() for sock in handed_over]
        log = (self.folder / "gateway.log").open("ab")
        self.processes.append(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.workers.activated", *map(str, fds)),
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
                pass_fds=fds,
                start_new_session=True,
            )
        )
        log.close()

    async def stop(self, number: int = -1) -> int:
        """SIGTERM; the exit code."""
        process = self.processes[number]
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        return await self.ended(number)

    async def ended(self, number: int = -1) -> int:
        async with asyncio.timeout(START_WITHIN):
            return await self.processes[number].wait()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def workers(self) -> list[int]:
        """The process ids of the workers of the last one started, as the kernel sees them."""
        return children(self.pid)

    async def is_ready(self) -> bool:
        ended = self.processes[-1].returncode
        assert ended is None, self.said()
        with suppress(aiohttp.ClientError, TimeoutError):
            return (await self.readyz())[0] == 200
        return False

    async def all_ok(self) -> bool:
        with suppress(aiohttp.ClientError, TimeoutError):
            status, answer = await self.readyz()
            return status == 200 and set(answer["parts"].values()) == {"ok"}
        return False

    async def readyz(self) -> tuple[int, Any]:
        status, text = await self._ask("/readyz")
        return status, json.loads(text)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples with these labels."""
        _, text = await self._ask("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def _ask(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.ports[1]}{path}"
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        # A connection of its own, which may reach any worker.
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(url, headers={"Connection": "close"}) as reply,
        ):
            return reply.status, await reply.text()

    async def browser(self) -> Browser:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[0])
        browser = Browser(reader, writer)
        self.browsers.append(browser)
        return browser

    async def ask(self, request: bytes) -> Reply:
        """One request on a connection of its own."""
        browser = await self.browser()
        await browser.say(request)
        reply = await browser.reply()
        browser.close()
        return reply

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    def said(self) -> str:
        return (self.folder / "gateway.log").read_text(errors="replace")

    def configure(self, section: str, **values: object) -> None:
        path = self.folder / "config.yaml"
        content = yaml.safe_load(path.read_text())
        content[section] = {**content.get(section, {}), **values}
        path.write_text(yaml.safe_dump(content))


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether the process is there and not only waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@asynccontextmanager
async def a_gateway(folder: Path, *, workers: int = 2, **sections: Any) -> AsyncIterator[Gateway]:
    """Set up everything and start it on leaving; `sections` are merged into config.yaml."""
    async with AsyncExitStack() as closing:
        sonar = Sonar()
        await sonar.start()
        closing.push_async_callback(sonar.stop)
        gateway = Gateway(folder, (free_port(), free_port()), sonar)
        closing.push_async_callback(_kill, gateway)
        (folder / "policies").mkdir()
        (folder / "policies" / "acme.example.yaml").write_text(
            "domain: acme.example\nsso: on\nproviders: {google: {}}\n"
        )
        (folder / "accounts.yaml").write_text("accounts: []\n")
        content: dict[str, dict[str, Any]] = {
            "server": {
                "listen": f"127.0.0.1:{gateway.ports[0]}",
                "management": f"127.0.0.1:{gateway.ports[1]}",
                "workers": workers,
                "drain": "5s",
            },
            "upstream": {"url": f"http://127.0.0.1:{sonar.port}", "public_paths": ["/static/**"]},
            "providers": {"google": {"client_id": "id", "client_secret": "made up"}},
            "directory": {"kind": "file", "path": "accounts.yaml"},
            "log": {"access": "access.log"},
        }
        for name, values in sections.items():
            content[name] = {**content.get(name, {}), **values}
        (folder / "config.yaml").write_text(yaml.safe_dump(content))
        await migrate(Secret(f"sqlite:///{folder}/var/gateway.db"))
        yield gateway


async def _kill(gateway: Gateway) -> None:
    """Whatever is left, workers first."""
    for browser in gateway.browsers:
        browser.close()
    for process in gateway.processes:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def tells_process(call: Call) -> None:
    """Answer every request with the part of its id that is the gateway process's own."""
    while True:
        head = await call.head()
        process = head.partition(b"X-Request-ID: ")[2].partition(b"-")[0]
        await call.say(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Process: " + process + b"\r\n\r\nok"
        )
