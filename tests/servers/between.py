"""Between a client and a real server: passes everything on, slowly, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_LARGEST_READ = 65536


class Between:
    """`connect` opens a connection to the server; where it listens itself, `listen` says.

    `delay`: seconds before each piece of an answer. `opened`: how many connections it was asked
    for, those that were refused not counted.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Opened]],
        listen: Callable[..., Awaitable[asyncio.Server]],
    ) -> None:
        self.delay = 0.0
        self.opened = 0
        self._connect = connect
        self._listen = listen
        self._server: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen, if not yet."""
        if self._server is not None:
            return
        self._server = await self._listen(self._meet)

    async def cut(self) -> None:
        """Close every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def hold(self) -> None:
        """Pass nothing on, and close nothing: a network that swallows what it is given."""
        self._passing.clear()

    def release(self) -> None:
        self._passing.set()

    def lose(self) -> None:
        """Pass on what new connections bring. Those open now stay so, and nothing ever comes of
        them: a network that is back, and has forgotten them."""
        self._passing = asyncio.Event()
        self._passing.set()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.opened += 1
        self._writers.add(writer)
        passing = self._passing
        # What a cut cancels ends like any other.
        with suppress(OSError, asyncio.CancelledError):
            server_reader, server_writer = await self._connect()
            self._writers.add(server_writer)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass(reader, server_writer, passing, 0))
                    both.create_task(self._pass(server_reader, writer, passing, 1))
            except* OSError:
                pass
            finally:
                server_writer.transport.abort()
                self._writers.discard(server_writer)
        self._writers.discard(writer)
        writer.transport.abort()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        passing: asyncio.Event,
        slow: int,
    ) -> None:
        while piece := await reader.read(_LARGEST_READ):
            await passing.wait()
            if self.delay and slow:
                await asyncio.sleep(self.delay)
            writer.write(piece)
            await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def between_ports(port: int, server_port: int) -> AsyncIterator[Between]:
    """Listens on `port` of this machine, for the server on `server_port`."""
    between = Between(
        lambda: asyncio.open_connection("127.0.0.1", server_port),
        lambda meet: asyncio.start_server(meet, "127.0.0.1", port, start_serving=True),
    )
    await between.open()
    yield between
    between.release()
    await between.cut()


@asynccontextmanager
async def between_sockets(path: Path, server: Path) -> AsyncIterator[Between]:
    """The same with Unix sockets."""

    async def listen(meet: Callable[..., Awaitable[None]]) -> asyncio.Server:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - nothing to wait for
        return await asyncio.start_unix_server(meet, path)

    between = Between(lambda: asyncio.open_unix_connection(server), listen)
    await between.open()
    yield between
    between.release()
    await between.cut()
