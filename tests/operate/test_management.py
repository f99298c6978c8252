"""What Kubernetes and Prometheus ask."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from gateway.operate.management import OK, Readiness, make_management
from gateway.operate.metrics import Counters, Kind

Ready = Callable[[], Awaitable[Readiness]]


async def asked(
    path: str, ready: Ready, counters: Counters | None = None, method: str = "GET"
) -> tuple[int, str, str]:
    """Status, content type and body."""
    app = make_management(counters or Counters(), ready)
    async with TestClient(TestServer(app)) as client:
        response = await client.request(method, path)
        return response.status, response.headers["Content-Type"], await response.text()


async def fine() -> Readiness:
    return {"upstream": OK, "sessions": OK}


async def draining() -> Readiness:
    return {"sessions": OK, "draining": "stopping, as told"}


async def broken() -> Readiness:
    raise LookupError("hunter2")


async def hanging() -> Readiness:
    await asyncio.Event().wait()
    return {}


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
