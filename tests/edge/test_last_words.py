"""What a connection is told that may not come in."""

import asyncio
import time

import pytest

from gateway.edge.last_words import MOST_AWAITED
from gateway.edge.listener import Listener
from tests.edge.conftest import MakeWorld
from tests.edge.world import Reply, World, get
from tests.session.samples import until

ACCEPT = "Accept: application/json"
PAGE, JSON = "text/html; charset=utf-8", "application/json"


@pytest.fixture(params=["connections", "connections_per_address"])
async def full(make_world: MakeWorld, request: pytest.FixtureRequest) -> World:
    world = await make_world(limits={request.param: 1})
    await world.browser()
    await until(lambda: world.counters.connections_open == 1)
    return world


def kind(reply: Reply) -> str:
    assert reply.status in {429, 503}
    assert reply.headers["connection"] == "close"
    return reply.headers["content-type"]


def awaited(world: World) -> int:
    return len(listener_of(world)._entrance._last_words.awaited)


def listener_of(world: World) -> Listener:
    assert world.edge._listener is not None
    return world.edge._listener


async def test_a_request_that_comes_a_moment_later_is_answered_as_it_asks(full: World) -> None:
    """And the connection is not reset by what came."""
    late = await full.browser()
    await until(lambda: awaited(full) == 1)
    await late.say(get("/", ACCEPT))
    assert kind(await late.reply()) == JSON
    assert await late.eof() == b""
    await until(lambda: awaited(full) == 0)


async def test_a_request_that_is_there_already_is_answered_at_once(full: World) -> None:
    listener = listener_of(full)
    for sock in listener.sockets:
        asyncio.get_running_loop().remove_reader(sock)
    late = [await full.browser() for _ in range(3)]
    for browser in late:
        await browser.say(get("/", ACCEPT))
    for sock in listener.sockets:
        listener._accept(sock)
    assert awaited(full) == 0
    for browser in late:
        assert kind(await browser.reply()) == JSON


async def test_who_says_nothing_gets_a_page(full: World) -> None:
    began = time.monotonic()
    assert kind(await (await full.browser()).reply()) == PAGE
    assert 0.2 < time.monotonic() - began < 2.0


async def test_who_leaves_is_not_waited_for(full: World) -> None:
    late = await full.browser()
    await until(lambda: awaited(full) == 1)
    late.writer.transport.abort()
    await until(lambda: awaited(full) == 0, within=0.2)


async def test_in_a_flood_nobody_else_is_waited_for(full: World) -> None:
    """All at once: the first are waited for, the others get their page now."""
    listener = listener_of(full)
    for sock in listener.sockets:
        asyncio.get_running_loop().remove_reader(sock)
    flood = [await full.browser() for _ in range(2 * MOST_AWAITED)]
    for sock in listener.sockets:
        while listener._accept(sock):
            pass
    assert awaited(full) == MOST_AWAITED
    for browser in flood[:MOST_AWAITED]:
        browser.writer.write(get("/", ACCEPT))
    for number, browser in enumerate(flood):
        assert kind(await browser.reply()) == (JSON if number < MOST_AWAITED else PAGE)


async def test_stopping_waits_for_them(full: World) -> None:
    late = await full.browser()
    await until(lambda: awaited(full) == 1)
    await full.edge.drain()
    assert awaited(full) == 0
    assert kind(await late.reply()) == PAGE
