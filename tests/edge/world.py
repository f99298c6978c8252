"""A gateway's edge on real sockets: a scripted Sonar behind it, a raw browser before it."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gateway.config import Config, config_from
from gateway.edge.arrival import Herald
from gateway.edge.server import EdgeServer
from gateway.operate.access_log import AccessLog
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies, Policy, ProviderRule, Sso
from gateway.session.assertion import AssertionMinter
from gateway.session.cookie import CookieNames
from gateway.session.identity_headers import IdentityLines
from gateway.session.live import Live, Sessions
from gateway.session.model import Session
from gateway.session.store.embedded import EmbeddedStore
from tests.session.samples import an_account, an_identity, ring_in

# Nothing in these tests takes longer unless it hangs.
PATIENCE = 5.0

POLICY = Policy(domain="acme.example", sso=Sso.ON, providers={"google": ProviderRule()})
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[["Call"], Awaitable[None]]


@contextmanager
def deaf_port(port: int = 0) -> Iterator[int]:
    """A port whose queue is full: whoever connects waits for ever."""
    with ExitStack() as opened:
        listening = opened.enter_context(socket.socket())
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(0)
        port = listening.getsockname()[1]
        for _ in range(8):
            waiting = opened.enter_context(socket.socket())
            waiting.settimeout(0.1)
            try:
                waiting.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        else:
            raise AssertionError("its queue has no end")
        yield port


def narrow(sock: socket.socket) -> None:
    """Let the kernel keep little of what comes and is not read.

    Else it keeps as much as it likes, on some machines tens of megabytes: a whole body. A
    connection has this of the socket that listened for it.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)


async def settled(value: Callable[[], int]) -> int:
    """What `value` gives once it has stopped changing."""
    seen: list[int] = []
    async with asyncio.timeout(PATIENCE):
        while len(seen) < 20 or len(set(seen[-20:])) > 1:
            seen.append(value())
            await asyncio.sleep(0.01)
    return seen[-1]


@dataclass
class Call:
    """One connection at the scripted Sonar. `seen`: every byte that came, exactly."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    seen: bytearray = field(default_factory=bytearray)

    async def head(self) -> bytes:
        """The next request head, with its empty line."""
        return await self._take(self.reader.readuntil(b"\r\n\r\n"))

    async def body(self, size: int) -> bytes:
        return await self._take(self.reader.readexactly(size))

    async def until(self, end: bytes) -> bytes:
        return await self._take(self.reader.readuntil(end))

    async def eof(self) -> bytes:
        """Everything until the gateway closes."""
        return await self._take(self.reader.read(-1))

    async def _take(self, reading: Awaitable[bytes]) -> bytes:
        async with asyncio.timeout(PATIENCE):
            data = await reading
        self.seen += data
        return data

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def cut(self) -> None:
        self.writer.transport.abort()


async def always_ok(call: Call) -> None:
    """Answer every request without a body with `OK`."""
    while True:
        await call.head()
        await call.say(OK)


def held(go: asyncio.Event, body: int = 0) -> Script:
    """Answer one request with `OK`, from `go` on, when a body of so many bytes has come."""

    async def script(call: Call) -> None:
        await call.head()
        await go.wait()
        got = 0
        while got < body:
            got += len(await call.reader.read(1_000_000))
        await call.say(OK)

    return script


class Sonar:
    """Upstream that does what `script` says on each connection; `calls` has all of them."""

    def __init__(self) -> None:
        self.script: Script = always_ok
        self.calls: list[Call] = []
        self.errors: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """Those that listen."""
        assert self._server is not None
        return self._server.sockets

    @property
    def port(self) -> int:
        port: int = self.sockets[0].getsockname()[1]
        return port

    @property
    def heads(self) -> list[bytes]:
        """The request heads of all connections, in order of connection."""
        parts = [part for call in self.calls for part in bytes(call.seen).split(b"\r\n\r\n")]
        return [part + b"\r\n" for part in parts if part]

    async def start(
        self, path: Path | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        if path is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=tls)
        else:
            self._server = await asyncio.start_unix_server(self._serve, path, ssl=tls)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self.errors == []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        call = Call(reader, writer, len(self.calls) + 1)
        self.calls.append(call)
        try:
            await self.script(call)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            self._tasks.discard(task)
            writer.close()


class Browser:
    """A raw connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(end)

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(size)

    async def eof(self) -> bytes:
        """Everything until the gateway closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read(-1)

    async def reply(self, *, head_only: bool = False) -> "Reply":
        """One whole reply with a length."""
        head = await self.head()
        reply = Reply.of(head)
        if not head_only and reply.status not in {204, 304}:
            reply.body = await self.exactly(int(reply.headers.get("content-length", "0")))
        return reply

    def close(self) -> None:
        self.writer.close()


@dataclass
class Reply:
    status: int
    raw: bytes
    headers: dict[str, str]
    body: bytes = b""

    @classmethod
    def of(cls, head: bytes) -> Self:
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(": ")
                headers[name.lower()] = value
        return cls(int(lines[0].split(" ")[1]), head, headers)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Clock:
    """That of the machine, and what a test lets pass besides."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def pass_by(self, seconds: float) -> None:
        self._ahead += seconds


class World:
    """One gateway with everything real but Sonar and the portal, which follow scripts. `clock`
    says when its deadlines have passed."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.settings = settings
        self.sonar = Sonar()
        self.portal = Sonar()
        self.counters = Counters()
        self.clock = Clock()
        self.policies = Policies({"acme.example": POLICY})
        self.herald: Herald | None = None
        self._browsers: list[Browser] = []
        self._narrow = False

    async def start(self) -> None:
        """Start every part; whatever happens, `stop` stops what was started."""
        parts = self._parts = AsyncExitStack()
        await self.sonar.start()
        parts.push_async_callback(self.sonar.stop)
        portal = self.folder / "portal.sock"
        await self.portal.start(portal)
        parts.push_async_callback(self.portal.stop)
        self.config = self._config()
        keys = ring_in(self.folder / "keys")
        minter = AssertionMinter(
            keys, issuer=self.config.server.public_url, audience="sonar", lifetime=300.0
        )
        self.store = EmbeddedStore(self.folder / "sessions.db")
        lines = IdentityLines(self.config.headers, minter)
        self.sessions = Sessions(self.store, keys, lines, self.config.sessions)
        await self.sessions.start()
        parts.push_async_callback(self.sessions.stop)
        self.names = CookieNames(self.config.server.public_url.startswith("https:"))
        self.signed_out: list[tuple[Session, str, str]] = []
        self.log = self.folder / "access.log"
        self.access_log = AccessLog(str(self.log), self.counters)
        self.access_log.start()
        parts.callback(self.access_log.close)
        self.edge = EdgeServer(
            self.config,
            sessions=self.sessions,
            policies=lambda: self.policies,
            portal_socket=str(portal),
            access_log=self.access_log,
            counters=self.counters,
            signed_out=lambda *told: self.signed_out.append(told),
            herald=lambda: self.herald,
            clock=self.clock,
        )
        await self.edge.start()
        self.edge_port = self.edge.port
        parts.push_async_callback(self.edge.drain)

    async def stop(self) -> None:
        for browser in self._browsers:
            browser.close()
        await self._parts.aclose()

    def _config(self) -> Config:
        upstream = {
            "url": f"http://127.0.0.1:{self.sonar.port}",
            "public_paths": ["/static/**", "/favicon.ico"],
            **self.settings.get("upstream", {}),
        }
        server = {"listen": "127.0.0.1:0", "drain": "2s", **self.settings.get("server", {})}
        return config_from(
            {
                "server": server,
                "upstream": upstream,
                "limits": self.settings.get("limits", {}),
                "providers": {"google": {"client_id": "id", "client_secret": "made up"}},
                "directory": {"kind": "file", "path": "accounts.yaml"},
            },
            self.folder,
        )

    def narrow(self) -> None:
        """Let the kernel keep little of what the gateway, Sonar and browsers do not read."""
        self._narrow = True
        assert self.edge._listener is not None
        for listening in (*self.edge._listener.sockets, *self.sonar.sockets):
            narrow(listening)

    async def browser(self, tls: ssl.SSLContext | None = None) -> Browser:
        """A new connection, with TLS if it is told whom to trust."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.edge_port,
            ssl=tls,
            server_hostname=None if tls is None else "localhost",
        )
        if self._narrow:
            narrow(writer.get_extra_info("socket"))
        browser = Browser(reader, writer)
        self._browsers.append(browser)
        return browser

    async def ask(self, request: bytes) -> Reply:
        """One request on a connection of its own, one reply with a length."""
        browser = await self.browser()
        await browser.say(request)
        reply = await browser.reply(head_only=request.startswith(b"HEAD "))
        browser.close()
        return reply

    async def sign_in(self) -> tuple[str, Live]:
        """A live session: its cookie as `name=value`, and itself."""
        value, _ = await self.sessions.create(an_identity(), an_account(), POLICY, time.time())
        live = self.sessions.peek(value, time.time())
        assert isinstance(live, Live)
        return f"{self.names.session}={value}", live

    def lines_of(self, count: int) -> list[dict[str, Any]]:
        """The access log once it has `count` lines; the writing thread is not ours."""
        self.access_log.flush()
        deadline = time.monotonic() + PATIENCE
        while len(lines := self.log.read_text().splitlines()) < count:
            assert time.monotonic() < deadline, lines
            time.sleep(0.005)
        assert len(lines) == count
        return [json.loads(line) for line in lines]


def get(path: str = "/", *headers: str, host: str = "sonar.test") -> bytes:
    """A GET with these header lines."""
    return "\r\n".join((f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", "")).encode()


NAVIGATION = ("Sec-Fetch-Mode: navigate", "Accept: text/html")
