"""Sonar itself, in front of which two processes of the gateway stand."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from gateway.reasons import Reason
from tests.edge.world import deaf_port
from tests.journeys.browser import Browser
from tests.journeys.world import World, a_world, until
from tests.outages.stage import AT_ONCE, ME, RECOVERED, Stage, a_stage
from tests.servers.node import OidcProvider
from tests.servers.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Of config.yaml in these tests: how long Sonar may take to accept, and to answer.
TIMEOUT = 1.0
# What is added to what was promised: a look at the clock each, and a busy machine.
LATE = 1.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, oidc_provider: OidcProvider
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("w")
    (folder / "var").mkdir()
    port = free_port()
    upstream = {
        "url": f"http://127.0.0.1:{port}",
        "public_paths": ["/static/**"],
        "connect_timeout": f"{TIMEOUT:g}s",
        "response_timeout": f"{TIMEOUT:g}s",
    }
    async with a_world(folder, oidc_provider, server={"workers": 2}, upstream=upstream) as world:
        await stop(world)
        world.sonar_port = port
        await start(world)
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def stage(world: World) -> AsyncIterator[Stage]:
    async with a_stage(world) as stage:
        yield stage


async def stop(world: World) -> None:
    """Nobody listens any more, and all connections are cut."""
    for site in tuple(world.sonar.sites):
        await site.stop()
    assert world.sonar.server is not None
    # 0 would be: for as long as it takes.
    await world.sonar.server.shutdown(0.01)


async def start(world: World) -> None:
    await web.TCPSite(world.sonar, "127.0.0.1", world.sonar_port).start()


@asynccontextmanager
async def silent(port: int) -> AsyncIterator[None]:
    """Accepts, reads, and says nothing."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(read, "127.0.0.1", port)
    yield
    server.close()


async def all_are_told(stage: Stage, status: int, reason: Reason, within: float) -> None:
    """Password users, who is signed in, and who is nobody, through either process."""
    async with Browser(stage.world.origin, keeps_connections=False) as nobody:
        asking = [(stage.pat, ME), (stage.jo, ME), (stage.hank, ME)]
        asking += [(nobody, "/static/sonar.css")] * 8
        began = time.monotonic()
        told = await asyncio.gather(*(who.request("GET", path) for who, path in asking))
        assert time.monotonic() - began < within
    assert [(each[0], json.loads(each[2])["error"]) for each in told] == [(status, reason)] * len(
        asking
    ), stage.world.said()
    page = await stage.jo.open("/calls")
    assert (page.status, reason in page.text) == (status, True)
    assert await stage.world.is_ready()


async def signing_in_ends_at_sonar(stage: Stage, status: int, reason: Reason) -> None:
    """All that is ours is done: only the page at the end is missing."""
    async with stage.world.browser() as browser:
        page = await stage.world.google(browser, "kim", "/calls")
        assert (page.status, page.path, reason in page.text) == (status, "/calls", True)
        assert (await browser.request("GET", "/sso/me"))[0] == 200


async def recovers(stage: Stage) -> None:
    """Everybody is who they were, without signing in, and so is who signs in now."""

    async def back() -> bool:
        seen = [await browser.request("GET", ME) for browser in (stage.pat, stage.jo, stage.hank)]
        texts = [text for status, _, text in seen if status == 200]
        assert set(texts) <= set(stage.as_before.values())
        return texts == list(stage.as_before.values())

    await until(back, stage.world.said, RECOVERED + LATE)
    await until(lambda: _all_up(stage.world), stage.world.said, RECOVERED + LATE)
    await stage.signing_in_works()


async def _all_up(world: World) -> bool:
    return f'upstream_down{{address="127.0.0.1:{world.sonar_port}"}} 0.0' in await world.metrics()


async def test_sonar_gone(world: World, stage: Stage) -> None:
    reason = Reason.UPSTREAM_UNAVAILABLE
    async with stage.jo.websocket("/calls/live") as socket:
        await socket.receive_str(timeout=5)
        await stop(world)
        while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}, message
    over = time.monotonic() + 5.0
    while time.monotonic() < over:
        await all_are_told(stage, 502, reason, AT_ONCE)
        await signing_in_ends_at_sonar(stage, 502, reason)
    assert not await _all_up(world)
    await start(world)
    await recovers(stage)
    said = world.said()[stage.log_begins :]
    # Once by each of the two processes, not once a request.
    assert said.count('"upstream_down"') == said.count('"upstream_up"') == 2
    async with stage.jo.websocket("/calls/live") as socket:
        await socket.receive_str(timeout=5)


async def test_sonar_does_not_answer(world: World, stage: Stage) -> None:
    reason = Reason.UPSTREAM_TIMEOUT
    await stop(world)
    async with silent(world.sonar_port):
        for _ in range(2):
            await all_are_told(stage, 504, reason, TIMEOUT + LATE)
        await signing_in_ends_at_sonar(stage, 504, reason)
        assert await _all_up(world)
    await start(world)
    await recovers(stage)


async def test_sonar_does_not_accept(world: World, stage: Stage) -> None:
    await stop(world)
    with deaf_port(world.sonar_port):
        seen: set[tuple[int, str]] = set()

        async def both_know() -> bool:
            async with Browser(world.origin, keeps_connections=False) as nobody:
                for who, path in [(stage.pat, ME), (stage.jo, ME), (nobody, "/static/sonar.css")]:
                    status, _, text = await who.request("GET", path)
                    seen.add((status, json.loads(text)["error"]))
            return world.said()[stage.log_begins :].count('"upstream_down"') == 2

        await until(both_know, world.said)
        assert (504, Reason.UPSTREAM_TIMEOUT) in seen
        assert seen <= {(504, Reason.UPSTREAM_TIMEOUT), (502, Reason.UPSTREAM_UNAVAILABLE)}
        for _ in range(3):
            await all_are_told(stage, 502, Reason.UPSTREAM_UNAVAILABLE, AT_ONCE)
        await signing_in_ends_at_sonar(stage, 502, Reason.UPSTREAM_UNAVAILABLE)
    await start(world)
    await recovers(stage)
