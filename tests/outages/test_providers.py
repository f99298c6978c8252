"""A provider that is down: whoever does not need it does not notice.

The gateway begins anew in each test, or it would still know the provider's documents and send
browsers to a provider that they find down themselves.
"""

import os
import signal
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.reasons import Reason
from tests.journeys.world import a_world
from tests.outages.stage import Stage, a_stage
from tests.servers.node import OidcProvider, running_oidc_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")
GONE = Reason.PROVIDER_UNAVAILABLE


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def google_and_stage(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[OidcProvider, Stage]]:
    with running_oidc_provider() as google:
        async with (
            a_world(tmp_path_factory.mktemp("w"), google) as world,
            a_stage(world) as stage,
        ):
            yield google, stage


async def only_google_is_down(stage: Stage) -> None:
    stage.log_begins = len(stage.world.said())
    await stage.world.stop()
    await stage.world.start()
    await stage.signing_in_is_refused(GONE)
    await stage.one_is_down("provider google", GONE)
    await stage.signed_in_go_on()
    await stage.password_users_see_nothing()
    async with stage.world.browser() as browser:
        assert (await stage.world.microsoft(browser, "mara", "/calls")).path == "/calls"


async def test_provider_slow(google_and_stage: tuple[OidcProvider, Stage]) -> None:
    google, stage = google_and_stage
    os.kill(google._process.pid, signal.SIGSTOP)
    try:
        await only_google_is_down(stage)
    finally:
        os.kill(google._process.pid, signal.SIGCONT)
    await stage.signing_in_works()
    assert [event["event"] for event in stage.told()] == ["part_down", "part_up"]


async def test_provider_gone(google_and_stage: tuple[OidcProvider, Stage]) -> None:
    google, stage = google_and_stage
    google.stop()
    await only_google_is_down(stage)


async def test_provider_answers_nonsense(google_and_stage: tuple[OidcProvider, Stage]) -> None:
    """Somebody else answers at its address, in HTML and friendly."""
    google, stage = google_and_stage
    google.stop()
    app = web.Application()

    async def nonsense(_request: web.Request) -> web.Response:
        return web.Response(text="<h1>It works!</h1>", content_type="text/html")

    app.router.add_route("*", "/{path:.*}", nonsense)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(
        runner, urlsplit(google.issuer).hostname, urlsplit(google.issuer).port
    ).start()
    try:
        await only_google_is_down(stage)
    finally:
        await runner.cleanup()
