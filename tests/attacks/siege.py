"""Strangers who hold connections to a gateway that speaks TLS, each in its own way.

async with Siege(gateway, trusted) as siege:
    await siege.begin(20)           # of each kind
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.edge.world import PATIENCE, Browser, get
from tests.workers.world import PUBLIC, Gateway

# Between two bytes of one who sends a byte at a time.
_DRIP_SECONDS = 0.05

Kind = Callable[["Siege"], Awaitable[None]]


class Handshake:
    """A browser's side of TLS, a step at a time."""

    def __init__(self, trusted: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = trusted.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    @property
    def done(self) -> bool:
        return self._tls.cipher() is not None

    def step(self, data: bytes = b"") -> bytes:
        """What to send after `data` has come."""
        self._incoming.write(data)
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._outgoing.read()

    def sealed(self, data: bytes) -> bytes:
        """What to send to say this, once the handshake is done."""
        self._tls.write(data)
        return self._outgoing.read()

    def opened(self, data: bytes) -> bytes:
        """What was said by this, to the end of it or to the goodbye."""
        self._incoming.write(data)
        said = b""
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := self._tls.read(65536):
                said += part
        return said


class Siege:
    """`prelude`: what a proxy says first on each connection."""

    def __init__(self, gateway: Gateway, trusted: ssl.SSLContext, prelude: bytes = b"") -> None:
        self._port = gateway.ports[0]
        self._trusted = trusted
        self._prelude = prelude
        self._open: list[Browser] = []
        self._dripping: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Siege":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._dripping:
            task.cancel()
        for stranger in self._open:
            stranger.writer.transport.abort()
        await asyncio.gather(*self._dripping, return_exceptions=True)

    async def begin(self, count: int, *kinds: Kind) -> None:
        """So many of each kind."""
        for kind in kinds or KINDS:
            await asyncio.gather(*(kind(self) for _ in range(count)))

    async def browser(self) -> Browser:
        """One who means well, its handshake done."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self._port, ssl=self._trusted, server_hostname="localhost"
            )
        self._open.append(Browser(reader, writer))
        return self._open[-1]

    async def _stranger(self) -> Browser:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open.append(Browser(reader, writer))
        writer.write(self._prelude)
        return self._open[-1]

    async def silent(self) -> None:
        await self._stranger()

    async def half_hello(self) -> None:
        stranger = await self._stranger()
        await stranger.say(Handshake(self._trusted).step()[:100])

    async def dripping_hello(self) -> None:
        """A byte at a time."""
        stranger = await self._stranger()

        async def drip() -> None:
            with suppress(ConnectionError):
                for byte in Handshake(self._trusted).step():
                    await stranger.say(bytes([byte]))
                    await asyncio.sleep(_DRIP_SECONDS)

        self._dripping.append(asyncio.create_task(drip()))

    async def half_handshake(self) -> None:
        """Has the gateway's part of it, and says no more."""
        stranger = await self._stranger()
        await stranger.say(Handshake(self._trusted).step())
        async with asyncio.timeout(PATIENCE):
            assert await stranger.reader.read(1)

    async def half_head(self) -> None:
        await (await self.browser()).say(get(PUBLIC)[:20])

    async def half_body(self) -> None:
        head = f"POST {PUBLIC} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
        await (await self.browser()).say(head.encode() + b"x" * 10)

    async def never_reads(self) -> None:
        """Asks for more than fits anywhere on the way."""
        stranger = await self.browser()
        stranger.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stranger.say(get(f"{PUBLIC}/large"))


KINDS: tuple[Kind, ...] = (
    Siege.silent,
    Siege.half_hello,
    Siege.dripping_hello,
    Siege.half_handshake,
    Siege.half_head,
    Siege.half_body,
    Siege.never_reads,
)


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))
