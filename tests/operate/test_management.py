"""What Kubernetes and Prometheus ask."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Iterable
from unittest.mock import ANY

import aiohttp
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from gateway.operate.families import families
from gateway.operate.management import (
    OK,
    Management,
    OneProcess,
    Readiness,
    Teller,
)
from gateway.operate.metrics import Counters, Kind
from gateway.operate.scrape import processes

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
    management = Management(teller or Told(ready, counters or Counters()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        await management.open([listening])
        url = f"http://127.0.0.1:{listening.getsockname()[1]}{path}"
        async with aiohttp.ClientSession() as client, client.request(method, url) as response:
            found = response.status, response.headers["Content-Type"], await response.text()
        await management.close()
        return found


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
            return (*families(Counters()), *processes(pids))

    text = (await asked("/metrics", fine, teller=Both(fine, Counters())))[2]
    read = list(text_string_to_metric_families(text))
    assert len({family.name for family in read}) == len(read)
    (memory,) = (f for f in read if f.name == "process_resident_memory_bytes")
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


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "garbage"])
async def test_what_cannot_be_done_says_what_can(method: str) -> None:
    assert await raw(f"{method} /readyz HTTP/1.1\r\n\r\n".encode()) == (
        b"HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 28\r\nAllow: GET, HEAD\r\nCache-Control: no-store\r\n"
        b"Connection: close\r\n\r\nnothing can be changed here\n"
    )


async def raw(request: bytes) -> bytes:
    """Everything that comes back."""
    management = Management(Told(fine, Counters()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        await management.open([listening])
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(request)
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(5):
            said = await reader.read()
        writer.close()
        await management.close()
        return said


@pytest.mark.parametrize("request_", [b"", b"GET /livez", b"x" * 100_000, b"\x16\x03\x01\x02\x00"])
async def test_what_is_no_request_gets_no_answer(request_: bytes) -> None:
    assert await raw(request_) == b""


async def test_a_query_is_not_part_of_the_path() -> None:
    assert (await raw(b"GET /livez?x=1 HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_scrape_that_fails_is_logged_and_not_shown() -> None:
    class Broken(Told):
        async def metrics(self) -> Iterable[Metric]:
            raise LookupError("hunter2")

    with capture_logs() as said:
        status, _, text = await asked("/metrics", fine, teller=Broken(fine, Counters()))
    assert (status, text) == (500, "the log says why\n")
    assert [entry["event"] for entry in said] == ["management_failed"]


async def test_who_says_nothing_is_not_waited_for_at_the_end() -> None:
    management = Management(Told(fine, Counters()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        await management.open([listening])
        _, writer = await asyncio.open_connection(*listening.getsockname())
        async with asyncio.timeout(1):
            await management.close()
        writer.close()
