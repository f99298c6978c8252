"""A provider that is down: whoever does not need it does not notice.

The gateway begins anew in each test, or it would still know the provider's documents and send
browsers to a provider that they find down themselves.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.reasons import Reason
from tests.journeys.world import a_world
from tests.outages.stage import GRACE, RECOVERED, Stage, a_stage
from tests.servers.node import OidcProvider, running_oidc_provider
from tests.servers.ports import free_port
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.asyncio(loop_scope="module")
GONE = Reason.PROVIDER_UNAVAILABLE


@dataclass
class Google:
    """`running` at `port`, or not."""

    port: int
    running: OidcProvider
    closing: ExitStack

    def goes(self) -> None:
        self.running.stop()

    def comes_back(self) -> None:
        """With other keys, too: another machine of the provider's."""
        again = self.closing.enter_context(running_oidc_provider(self.port))
        again.take_over(self.running)
        self.running = again


@pytest.fixture(scope="module")
def google() -> Iterator[Google]:
    port = free_port()
    with ExitStack() as closing:
        yield Google(port, closing.enter_context(running_oidc_provider(port)), closing)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, google: Google) -> AsyncIterator[Stage]:
    async with (
        a_world(tmp_path_factory.mktemp("w"), google.running) as world,
        a_stage(world) as stage,
    ):
        yield stage


async def begin_anew(stage: Stage) -> None:
    await stage.world.stop()
    stage.log_begins = len(stage.world.said())
    await stage.world.start()


async def only_google_is_down(stage: Stage) -> None:
    await begin_anew(stage)

    async def everybody_else() -> None:
        await stage.signed_in_go_on()
        await stage.password_users_see_nothing()
        async with stage.world.browser() as browser:
            assert (await stage.world.microsoft(browser, "mara", "/calls")).path == "/calls"

    # The slowest sign-in there is takes ten seconds to be refused.
    await asyncio.gather(stage.signing_in_is_refused(GONE), everybody_else())
    await stage.one_is_down("provider google", GONE)


async def it_is_back(stage: Stage, google: Google, watch: Stopwatch) -> None:
    """Who comes within two seconds signs in; nobody asks before that."""

    async def signs_in() -> bool:
        async with stage.world.browser() as browser:
            page = await stage.world.google(browser, "jo", "/calls")
            assert page.status in {200, 503}, page.text
            return page.status == 200

    await stage.within(RECOVERED, signs_in, watch)
    assert [event["event"] for event in stage.told()] == ["part_down", "part_up"]


def since_now(stage: Stage, google: Google) -> Stopwatch:
    assert stage.world.process is not None
    return Stopwatch(stage.world.process.pid, google.running.pid)


async def test_provider_slow(google: Google, stage: Stage) -> None:
    google.running.freeze()
    try:
        await only_google_is_down(stage)
    finally:
        google.running.thaw()
    await it_is_back(stage, google, since_now(stage, google))


async def test_provider_gone(google: Google, stage: Stage) -> None:
    google.goes()
    try:
        await only_google_is_down(stage)
    finally:
        google.comes_back()
    await it_is_back(stage, google, since_now(stage, google))


async def test_provider_gone_that_is_asked_again(
    google: Google, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`refresh`: nobody can say any more whether those who signed in may go on."""
    times = {"recheck": "1s", "outage_grace": f"{GRACE:.0f}s"}
    place = tmp_path_factory.mktemp("asked-again")
    async with (
        a_world(place, google.running, refresh="1s", sessions=times) as world,
        a_stage(world) as stage,
    ):
        google.goes()
        stage.breaks()
        try:
            await stage.signed_in_go_on()
            await stage.signed_in_are_sent_away()
            await stage.password_users_see_nothing()
        finally:
            google.comes_back()
        await it_is_back(stage, google, since_now(stage, google))


@asynccontextmanager
async def somebody_else(google: Google) -> AsyncIterator[None]:
    """Answers at the provider's address, in HTML and friendly."""
    google.goes()
    app = web.Application()

    async def nonsense(_request: web.Request) -> web.Response:
        return web.Response(text="<h1>It works!</h1>", content_type="text/html")

    app.router.add_route("*", "/{path:.*}", nonsense)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    host = urlsplit(google.running.issuer).hostname
    await web.TCPSite(runner, host, google.port).start()
    try:
        yield
    finally:
        await runner.cleanup()
        google.comes_back()


async def test_provider_answers_nonsense(google: Google, stage: Stage) -> None:
    async with somebody_else(google):
        await only_google_is_down(stage)
    await it_is_back(stage, google, since_now(stage, google))


async def test_provider_changes_its_keys(google: Google, stage: Stage) -> None:
    """The gateway knows the old ones, which it has had no reason to doubt."""
    await stage.signing_in_works()
    google.goes()
    google.comes_back()
    stage.log_begins = len(stage.world.said())
    await stage.signing_in_works()
    assert stage.told() == []
