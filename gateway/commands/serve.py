"""`sonar-gateway serve`: run the gateway until it is told to stop."""

import asyncio
import gc
import signal

import uvloop

from gateway.config import Config
from gateway.operate.log import configure_logging
from gateway.service import Service

# Python's own 700 means a collection every few requests; this is one in some thousand.
_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises `GatewayError` when it cannot start."""
    configure_logging(config.log.level, config.log.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))


def settle_memory() -> None:
    """Collect seldom from here on, and never what is there now, which stays: looking through it
    again and again cost 7 % of a request. A request leaves no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
    gc.enable()


async def _serve(config: Config) -> None:
    service = Service(config)
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop.set)
    loop.add_signal_handler(signal.SIGHUP, service.reopen_logs)
    await service.start()
    settle_memory()
    await told_to_stop.wait()
    await service.stop()
