"""The management listener: is the process alive, is it ready, what has it counted.

Its own address (`server.management`, loopback unless configured), never the public one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from gateway.operate.metrics import Counters

OK: Final = "ok"

Readiness = Mapping[str, str]
"""Each part the process needs, and `ok` or why it is not."""

# Kubernetes gives a probe one second unless told otherwise; answer before it gives up.
_READY_SECONDS = 0.8

_log = structlog.get_logger()


def make_management(
    counters: Counters, ready: Callable[[], Awaitable[Readiness]]
) -> web.Application:
    """GET /livez, /readyz and /metrics over `counters` and what `ready()` says."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(counters)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)

    async def livez(_request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def readyz(_request: web.Request) -> web.Response:
        parts = await _ask(ready)
        is_ready = all(state == OK for state in parts.values())
        return web.json_response(
            {"ready": is_ready, "parts": dict(parts)}, status=200 if is_ready else 503
        )

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


async def _ask(ready: Callable[[], Awaitable[Readiness]]) -> Readiness:
    """What `ready()` says; that it is late or broken is an answer, too."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            return await ready()
    except TimeoutError:
        return {"readiness": f"no answer within {_READY_SECONDS} s"}
    except Exception:
        _log.exception("readiness_check_failed")
        return {"readiness": "the check itself failed; the log says why"}
