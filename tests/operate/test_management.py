"""What Kubernetes and Prometheus ask."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from unittest.mock import ANY

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from gateway.operate.management import (
    OK,
    OneProcess,
    Readiness,
    Teller,
    make_management,
    processes,
)
from gateway.operate.metrics import Counters, Kind

Ready = Callable[[], Coroutine[None, None, Readiness]]


class Told:
    """A teller of what a test says."""

    def __init__(self, ready: Ready, counters: Counters) -> None:
        self._ready = ready
        self._alone = OneProcess(counters, lambda: OK)

    async def readiness(self) -> Readiness:
        return await self._ready()

    async def metrics(self) -> Iterable[Metric]:
        return await self._alone.metrics()


async def asked(
    path: str,
    ready: Ready,
    counters: Counters | None = None,
    method: str = "GET",
    teller: Teller | None = None,
) -> tuple[int, str, str]:
    """Status, content type and body."""
    app = make_management(teller or Told(ready, counters or Counters()))
    async with TestClient(TestServer(app)) as client:
        response = await client.request(method, path)
        return response.status, response.headers["Content-Type"], await response.text()


async def fine() -> Readiness:
    return Readiness(True, {"upstream": OK, "sessions": OK})


async def draining() -> Readiness:
    return Readiness(False, {"sessions": OK, "draining": "stopping, as told"})


async def broken() -> Readiness:
    raise LookupError("hunter2")


async def hanging() -> Readiness:
    await asyncio.Event().wait()
    return Readiness(True, {})


@pytest.mark.parametrize("ready", [fine, draining, broken, hanging])
async def test_livez_depends_on_nothing(ready: Ready) -> None:
    assert await asked("/livez", ready) == (
        200,
        "application/json; charset=utf-8",
        '{"live": true}',
    )


@pytest.mark.parametrize(
    ("ready", "status", "body"),
    [
        (fine, 200, '{"ready": true, "parts": {"upstream": "ok", "sessions": "ok"}}'),
        (
            draining,
            503,
            '{"ready": false, "parts": {"sessions": "ok", "draining": "stopping, as told"}}',
        ),
        (
            hanging,
            503,
            '{"ready": false, "parts": {"readiness": "no answer within 0.8 s"}}',
        ),
    ],
)
async def test_readyz_says_which_part_and_why(ready: Ready, status: int, body: str) -> None:
    answered, _, text = await asked("/readyz", ready)
    assert (answered, text) == (status, body)


async def test_a_check_that_breaks_is_logged_and_not_shown() -> None:
    with capture_logs() as said:
        status, _, text = await asked("/readyz", broken)
    assert status == 503
    assert "the check itself failed" in text
    assert "hunter2" not in text
    assert [entry["event"] for entry in said] == ["readiness_check_failed"]


async def test_metrics_are_what_prometheus_reads() -> None:
    counters = Counters()
    counters.requests[Kind.IDENTITY, 2] += 7
    status, content_type, text = await asked("/metrics", fine, counters)
    assert status == 200
    assert content_type.startswith("text/plain; version=")
    samples = {
        (sample.name, sample.labels.get("kind"), sample.labels.get("status")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["sonar_gateway_requests_total", "identity", "2xx"] == 7
    assert samples["process_resident_memory_bytes", None, None] > 0
    assert samples["process_open_fds", None, None] > 0


async def test_one_process_is_ready_while_its_state_is_ok() -> None:
    state = "starting"
    teller = OneProcess(Counters(), lambda: state)
    starting = '{"ready": false, "parts": {"process": "starting"}}'
    assert await asked("/readyz", fine, teller=teller) == (503, ANY, starting)
    state = OK
    assert await asked("/readyz", fine, teller=teller) == (
        200, ANY, '{"ready": true, "parts": {"process": "ok"}}',
    )  # fmt: skip


async def test_processes_are_told_apart() -> None:
    """Several processes in one scrape: each family once, however many processes have it."""

    class Both(Told):
        async def metrics(self) -> Iterable[Metric]:
            pids = {"worker 1": os.getpid(), "supervisor": os.getppid()}
            return (*Counters().collect(), *processes(pids))

    text = (await asked("/metrics", fine, teller=Both(fine, Counters())))[2]
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    (memory,) = (f for f in families if f.name == "process_resident_memory_bytes")
    assert {s.labels["process"]: s.value > 0 for s in memory.samples} == {
        "worker 1": True,
        "supervisor": True,
    }


async def test_two_applications_in_one_process_do_not_collide() -> None:
    first, second = Counters(), Counters()
    first.requests[Kind.PUBLIC, 2] += 1
    line = 'sonar_gateway_requests_total{kind="public",status="2xx"}'
    assert f"{line} 1.0" in (await asked("/metrics", fine, first))[2]
    assert f"{line} 0.0" in (await asked("/metrics", fine, second))[2]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_nothing_can_be_changed(path: str) -> None:
    assert (await asked(path, fine, method="POST"))[0] == 405
    assert (await asked(path, fine, method="HEAD"))[0] == 200


@pytest.mark.parametrize("path", ["/", "/sso/login", "/livez/", "/metrics/x"])
async def test_nothing_else_is_here(path: str) -> None:
    assert (await asked(path, fine))[0] == 404
