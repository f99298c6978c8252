"""Steady load by clients that forgive nothing: a request without its reply is a failure."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import NoReturn

from tests.edge.world import Reply, get
from tests.workers.world import PUBLIC, Gateway

# Between two requests of a connection, so that some are idle whenever something happens.
_PAUSE = 0.01


class Load:
    """`async with Load(gateway)`: browsers that keep their connections, and others that open one
    for each request. `failures`: in words; `answered`: how many by each process."""

    def __init__(self, gateway: Gateway, *, keeping: int = 12, opening: int = 4) -> None:
        self._gateway = gateway
        self._keeping = keeping
        self._opening = opening
        self._tasks: list[asyncio.Task[None]] = []
        self._going = True
        self.failures: list[str] = []
        self.answered: Counter[str] = Counter()

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._keep()) for _ in range(self._keeping)]
        self._tasks += [asyncio.create_task(self._open()) for _ in range(self._opening)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let everybody have the reply they wait for."""
        self._going = False
        await asyncio.gather(*self._tasks)

    async def more(self, count: int) -> None:
        """Until so many more were answered."""
        wanted = self.answered.total() + count
        async with asyncio.timeout(30):
            while self.answered.total() < wanted:  # noqa: ASYNC110 - the others change it
                await asyncio.sleep(0.01)

    async def _keep(self) -> None:
        while self._going:
            with suppress(_Failed):
                await self._connection(many=True)

    async def _open(self) -> None:
        while self._going:
            with suppress(_Failed):
                await self._connection(many=False)

    async def _connection(self, *, many: bool) -> None:
        try:
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._gateway.ports[0])
        except (OSError, TimeoutError) as error:
            self._failed(f"connecting: {error!r}")
        number = 0
        try:
            closing = False
            while not closing:
                number += 1
                closing = not many or not self._going
                reply = await self._ask(reader, writer, closing, number)
                closing = closing or reply.headers.get("connection") == "close"
                await asyncio.sleep(_PAUSE)
        finally:
            writer.close()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        closing: bool,
        number: int,
    ) -> Reply:
        try:
            async with asyncio.timeout(10):
                writer.write(get(PUBLIC, *(("Connection: close",) if closing else ())))
                reply = Reply.of(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(int(reply.headers["content-length"]))
        except (OSError, EOFError, TimeoutError) as error:
            self._failed(f"request {number} of a connection: {error!r}")
        if reply.status != 200:
            self._failed(f"request {number} of a connection: {reply.status}")
        self.answered[reply.headers["x-process"]] += 1
        return reply

    def _failed(self, how: str) -> NoReturn:
        self.failures.append(how)
        raise _Failed(how)


class _Failed(Exception):
    """Counted already."""
