"""One worker, or the whole gateway when there is but one: on its own event loop, until told."""

import asyncio
import gc
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvloop

from gateway.config import Config
from gateway.errors import GatewayError
from gateway.service import Service
from gateway.workers.sockets import Sockets

if TYPE_CHECKING:
    from gateway.workers.post import Post

_log = structlog.get_logger()

# Python's own 700 means a collection every few requests; this is one in some thousand.
_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def alone(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises `GatewayError` when it cannot start."""
    _run(config, None, None)


def work(config: Config, sockets: Sockets, number: int, end: socket.socket, folder: Path) -> int:
    """Be worker `number`, whose end of the line to the supervisor is `end`, until SIGTERM, or
    until there is no supervisor any more; the exit code. `folder` is where its own is made."""
    # Imported here, and by the supervisor long ago: who is alone has no time for it.
    from gateway.workers.line import Line
    from gateway.workers.post import Post

    structlog.contextvars.bind_contextvars(worker=number)
    own = folder / str(os.getpid())
    own.mkdir(mode=0o700)
    line = Line(end)
    try:
        _run(config, sockets, Post(number, line, own))
    except GatewayError as error:
        line.fail(str(error))
        return 1
    return 0


def settle_memory() -> None:
    """Collect seldom from here on, and never what is there now, which stays: looking through it
    again and again cost 7 % of a request. A request leaves no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
    gc.enable()


def _run(config: Config, sockets: Sockets | None, post: "Post | None") -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, sockets, post))


async def _serve(config: Config, sockets: Sockets | None, post: "Post | None") -> None:
    service = Service(config, sockets, post)
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told_to_stop.set)
    # Ctrl-C reaches all processes of a terminal; the supervisor says what is to be done.
    loop.add_signal_handler(signal.SIGINT, told_to_stop.set if post is None else _nothing)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    loop.add_signal_handler(signal.SIGUSR2, _refuse_restart if post is None else _nothing)
    if post is not None:
        post.line.open(service.counters, service.stand_in, told_to_stop.set)
    await service.start()
    settle_memory()
    await told_to_stop.wait()
    await service.stop()
    if post is not None:
        await post.line.close()


def _nothing() -> None:
    """The supervisor has heard it, too."""


def _refuse_restart() -> None:
    _log.error("restart_refused", problems=["server.workers: 1, so nobody would serve meanwhile"])
