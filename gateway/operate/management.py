"""The management listener: is the gateway alive, is it ready, what has it counted.

Its own address (`server.management`, loopback unless configured), never the public one. With
several workers any of them answers, and for all: `Teller` is who knows.

A few lines on asyncio's streams, and not an aiohttp application, whose import would be a quarter of
the start: who probes and scrapes from inside asks for one of three paths.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol, TypeAlias

import structlog

from gateway.operate.metrics import Counters

if TYPE_CHECKING:
    from prometheus_client.core import Metric

OK: Final = "ok"
Metrics: TypeAlias = "Iterable[Metric]"
_Answer = tuple[int, str, bytes]


class Readiness(NamedTuple):
    """Whether the gateway should get requests. `parts`: each that matters, and `ok` or why not."""

    ready: bool
    parts: Mapping[str, str]


class Teller(Protocol):
    """Who knows about the gateway, be it one process or several."""

    async def readiness(self) -> Readiness: ...

    async def metrics(self) -> Metrics:
        """Everything that is measured; two families may have one name, with other labels."""


_JSON = "application/json; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_ALLOW = "Allow: GET, HEAD\r\n"
# What probes and scrapers send is less than 1 KiB, and there at once.
_LARGEST_HEAD = 16 * 1024
_PATIENCE_SECONDS = 5.0
# Kubernetes gives a probe one second unless told otherwise; answer before it gives up.
_READY_SECONDS = 0.8

_log = structlog.get_logger()


class OneProcess:
    """A gateway of one process: what it has counted; `state()` is `ok` while it should get
    requests."""

    def __init__(self, counters: Counters, state: Callable[[], str]) -> None:
        self._counters = counters
        self._state = state

    async def readiness(self) -> Readiness:
        state = self._state()
        return Readiness(state == OK, {"process": state})

    async def metrics(self) -> Metrics:
        # Imported here, as a start needs them not.
        from gateway.operate.families import families
        from gateway.operate.scrape import this_process

        return (*families(self._counters), *this_process())


class Management:
    """GET /livez, /readyz and /metrics, as `teller` tells: one request a connection."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: set[asyncio.StreamWriter] = set()

    async def open(self, sockets: Iterable[socket.socket]) -> None:
        """Answer on these sockets, which listen already."""
        for sock in sockets:
            server = await asyncio.start_server(self._meet, sock=sock, limit=_LARGEST_HEAD)
            self._servers.append(server)

    async def close(self) -> None:
        """Accept nobody more, and finish what is under way."""
        for server in self._servers:
            server.close()
        for writer in self._silent:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE_SECONDS)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._silent.add(writer)
        with suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                self._silent.discard(writer)
                writer.write(await self._reply(head))
                await writer.drain()
        self._silent.discard(writer)
        writer.close()

    async def _reply(self, head: bytes) -> bytes:
        method, _, rest = head.decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        answer = self._answers.get(path)
        if answer is None:
            return _rendered(404, _TEXT, b"there are /livez, /readyz and /metrics\n")
        if method not in {"GET", "HEAD"}:
            return _rendered(405, _TEXT, b"nothing can be changed here\n")
        try:
            status, kind, body = await answer(self)
        except Exception:
            _log.exception("management_failed", path=path)
            status, kind, body = 500, _TEXT, b"the log says why\n"
        return _rendered(status, kind, body, head_only=method == "HEAD")

    async def _livez(self) -> _Answer:
        return 200, _JSON, b'{"live": true}'

    async def _readyz(self) -> _Answer:
        ready, parts = await _ask(self._teller)
        body = json.dumps({"ready": ready, "parts": dict(parts)}).encode()
        return (200 if ready else 503), _JSON, body

    async def _metrics(self) -> _Answer:
        # Imported here, as a start needs it not.
        from gateway.operate.scrape import CONTENT_TYPE, text

        return 200, CONTENT_TYPE, text(await self._teller.metrics())

    _answers: ClassVar = {"/livez": _livez, "/readyz": _readyz, "/metrics": _metrics}


def _rendered(status: int, kind: str, body: bytes, *, head_only: bool = False) -> bytes:
    phrase = HTTPStatus(status).phrase
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"{_ALLOW if status == 405 else ''}"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if head_only else body)


async def _ask(teller: Teller) -> Readiness:
    """What is told; that it is late or broken is an answer, too."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            return await teller.readiness()
    except TimeoutError:
        return Readiness(False, {"readiness": f"no answer within {_READY_SECONDS} s"})
    except Exception:
        _log.exception("readiness_check_failed")
        return Readiness(False, {"readiness": "the check itself failed; the log says why"})
