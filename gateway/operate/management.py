"""The management listener: is the gateway alive, is it ready, what has it counted.

Its own address (`server.management`, loopback unless configured), never the public one. With
several workers any of them answers, and for all: `Teller` is who knows.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol

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
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

OK: Final = "ok"
Metrics = Iterable[Metric]


class Readiness(NamedTuple):
    """Whether the gateway should get requests. `parts`: each that matters, and `ok` or why not."""

    ready: bool
    parts: Mapping[str, str]


class Teller(Protocol):
    """Who knows about the gateway, be it one process or several."""

    async def readiness(self) -> Readiness: ...

    async def metrics(self) -> Metrics:
        """Everything that is measured; two families may have one name, with other labels."""


# Kubernetes gives a probe one second unless told otherwise; answer before it gives up.
_READY_SECONDS = 0.8

_log = structlog.get_logger()


class OneProcess:
    """A gateway of one process: what it has counted; `state()` is `ok` while it should get
    requests."""

    def __init__(self, counters: Collector, state: Callable[[], str]) -> None:
        self._counters = counters
        self._state = state

    async def readiness(self) -> Readiness:
        state = self._state()
        return Readiness(state == OK, {"process": state})

    async def metrics(self) -> Metrics:
        quiet = CollectorRegistry(auto_describe=False)
        others = ProcessCollector(registry=quiet), PlatformCollector(registry=quiet)
        return [
            metric
            for collector in (self._counters, *others, GCCollector(registry=quiet))
            for metric in collector.collect()
        ]


def processes(pids: Mapping[str, int]) -> Iterator[Metric]:
    """Memory, CPU time and descriptors of each process, by name in the label `process`."""
    for name, pid in pids.items():
        quiet = CollectorRegistry(auto_describe=False)
        for family in ProcessCollector(pid=_always(pid), registry=quiet).collect():
            labelled = Metric(family.name, family.documentation, family.type)
            for sample in family.samples:
                labelled.add_sample(sample.name, {"process": name}, sample.value)
            yield labelled


def make_management(teller: Teller) -> web.Application:
    """GET /livez, /readyz and /metrics, as `teller` tells."""

    async def livez(_request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def readyz(_request: web.Request) -> web.Response:
        ready, parts = await _ask(teller)
        return web.json_response(
            {"ready": ready, "parts": dict(parts)}, status=200 if ready else 503
        )

    async def metrics(_request: web.Request) -> web.Response:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(await teller.metrics()))
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


class _Collected(Collector):
    """Families as Prometheus wants them: each name once."""

    def __init__(self, metrics: Metrics) -> None:
        self._families: dict[str, Metric] = {}
        for metric in metrics:
            known = self._families.setdefault(metric.name, metric)
            if known is not metric:
                known.samples.extend(metric.samples)

    def collect(self) -> Metrics:
        return self._families.values()


def _always(pid: int) -> Callable[[], int]:
    return lambda: pid


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
