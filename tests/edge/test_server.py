"""Listening, the clock, and draining."""

import asyncio
import gc
from collections import Counter

import pytest

from gateway.edge.pool import IDLE_SECONDS
from gateway.edge.server import EdgeServer
from gateway.edge.websocket import GOING_AWAY
from tests.edge.conftest import MakeWorld
from tests.edge.world import Call, World, get, held
from tests.session.samples import until

LEGACY = "Cookie: SONARSESSID=1"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


async def test_requests_under_way_are_finished(world: World) -> None:
    go = asyncio.Event()

    world.sonar.script = held(go)
    busy, idle = await world.browser(), await world.browser()
    await idle.say(get("/sso/x"))
    await idle.reply()
    await busy.say(get("/", LEGACY))
    await until(lambda: world.sonar.heads)
    draining = asyncio.create_task(world.edge.drain())
    assert await idle.eof() == b""
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", world.edge_port)
    assert not draining.done()
    go.set()
    reply = await busy.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await busy.eof() == b""
    await draining


async def test_draining_has_an_end(make_world: MakeWorld) -> None:
    world = await make_world(server={"drain": "1s"})

    async def script(call: Call) -> None:
        await call.head()
        await call.eof()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    await until(lambda: world.sonar.heads)
    await world.edge.drain()
    with pytest.raises(ConnectionResetError):
        await browser.eof()


async def test_draining_an_idle_gateway_is_quick(world: World) -> None:
    async with asyncio.timeout(0.5):
        await world.edge.drain()


async def test_an_idle_connection_may_ask_once_more(world: World) -> None:
    """Its request may be on the way while we stop: it is answered, not reset."""
    idle, silent = await world.browser(), await world.browser()
    for browser in (idle, silent):
        await browser.say(get("/", LEGACY))
        assert "connection" not in (await browser.reply()).headers
    draining = asyncio.create_task(world.edge.drain())
    await until(lambda: world.edge._shared.closing)
    await idle.say(get("/", LEGACY))
    reply = await idle.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await idle.eof() == b""
    assert await silent.eof() == b""
    await draining


async def test_a_reply_begun_before_does_not_hold_up_the_end(make_world: MakeWorld) -> None:
    """Its head has promised to keep the connection; then it is one more that idles."""
    world = await make_world(server={"drain": "30s"})
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await go.wait()
        await call.say(b"k")

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    await browser.head()
    draining = asyncio.create_task(world.edge.drain())
    await until(lambda: world.edge._shared.closing)
    go.set()
    assert await browser.exactly(2) == b"ok"
    async with asyncio.timeout(5):
        assert await browser.eof() == b""
        await draining


async def test_before_the_end_replies_say_that_it_is_near(world: World) -> None:
    browser = await world.browser()
    world.edge.wind_down()
    late = await world.browser()
    for asking in (browser, late):
        await asking.say(get("/", LEGACY))
        assert (await asking.reply()).headers["connection"] == "close"


async def test_websockets_are_told(world: World) -> None:
    """Upstream's frame under way is finished first, the browser's answer goes to upstream, and
    both sides part in time."""
    parted: list[bytes] = []
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(SWITCH + b"\x81\x05hel")
        await go.wait()
        await call.say(b"lo\x81\x05never")
        parted.append(await call.body(8))

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY, "Connection: Upgrade", "Upgrade: websocket"))
    await browser.head()
    assert await browser.exactly(5) == b"\x81\x05hel"
    draining = asyncio.create_task(world.edge.drain())
    await until(lambda: world.edge._shared.closing)
    go.set()
    assert await browser.exactly(6) == b"lo" + GOING_AWAY
    answer = b"\x88\x82mask" + bytes(a ^ b for a, b in zip(GOING_AWAY[2:], b"ma", strict=True))
    await browser.say(answer)
    assert await browser.eof() == b""
    async with asyncio.timeout(1.0):
        await draining
    assert parted == [answer]
    assert world.counters.tunnels_open == 0


@pytest.mark.parametrize("said", [b"", b"\x81\x05hel"])
async def test_a_websocket_that_does_not_part_is_cut_off(
    make_world: MakeWorld, said: bytes
) -> None:
    world = await make_world(server={"drain": "1s"})

    async def script(call: Call) -> None:
        await call.head()
        await call.say(SWITCH + said)
        await call.eof()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY, "Connection: Upgrade", "Upgrade: websocket"))
    await browser.head()
    await browser.exactly(len(said))
    async with asyncio.timeout(2.0):
        await world.edge.drain()
    with pytest.raises(ConnectionResetError):
        await browser.eof()
    await until(lambda: world.counters.tunnels_open == 0)


async def test_a_websocket_opened_at_the_last_moment_is_told(world: World) -> None:
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await go.wait()
        await call.say(SWITCH)
        await call.eof()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY, "Connection: Upgrade", "Upgrade: websocket"))
    await until(lambda: world.sonar.heads)
    draining = asyncio.create_task(world.edge.drain())
    await until(lambda: world.edge._shared.closing)
    go.set()
    await browser.head()
    assert await browser.exactly(4) == GOING_AWAY
    browser.close()
    await draining


async def test_idle_connections_to_sonar_go(world: World) -> None:
    await world.ask(get("/", LEGACY))
    (connection,) = world.edge._shared.sonar.pools[0]._idle
    connection.idle_since -= IDLE_SECONDS
    await until(lambda: not world.edge._shared.sonar.pools[0]._idle)
    await until(lambda: world.sonar.calls[0].reader.at_eof())


async def test_an_address_in_use_is_an_error(world: World) -> None:
    settings = world.config.model_copy(
        update={
            "server": world.config.server.model_copy(
                update={"listen": world.config.server.listen._replace(port=world.edge_port)}
            )
        }
    )
    second = EdgeServer(
        settings,
        sessions=world.sessions,
        policies=lambda: world.policies,
        portal_socket="nowhere",
        access_log=world.access_log,
        counters=world.counters,
    )
    with pytest.raises(OSError, match="in use"):
        await second.start()


def test_a_server_that_was_not_started_has_no_port(world: World) -> None:
    second = EdgeServer(
        world.config,
        sessions=world.sessions,
        policies=lambda: world.policies,
        portal_socket="nowhere",
        access_log=world.access_log,
        counters=world.counters,
    )
    with pytest.raises(RuntimeError):
        _ = second.port


async def test_a_request_leaves_no_garbage(world: World) -> None:
    """Nothing waits for the collector, which is why it may run seldom."""
    cookie, _ = await world.sign_in()
    browser = await world.browser()

    async def ask(times: int) -> None:
        for _ in range(times):
            await browser.say(get("/", f"Cookie: {cookie}"))
            await browser.reply()

    await ask(3)
    gc.collect()
    gc.disable()
    try:
        await ask(50)
        world_garbage = [
            thing for thing in _unreachable() if type(thing).__module__.startswith("gateway.edge")
        ]
    finally:
        gc.enable()
    assert world_garbage == []


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: so", b""),
        (b"POST / HTTP/1.1\r\nHost: sonar.test\r\nContent-Length: 9\r\n\r\nab", b""),
        (b"POST / HTTP/1.1\r\nHost: sonar.test\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n", b""),
        (get("/", LEGACY), b""),
        (get("/", LEGACY), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
        (get("/", LEGACY), b"HTTP/1.1 2"),
        (get("/ws", LEGACY, "Connection: Upgrade", "Upgrade: websocket"), SWITCH),
    ],
    ids=["head", "body", "chunk", "unanswered", "reply", "reply head", "tunnel"],
)
async def test_a_connection_that_broke_leaves_nothing(
    world: World, said: bytes, answer: bytes
) -> None:
    """Nor for the collector. Compiled, its readers once stayed for ever: the collector counted one
    of their attributes twice. Ten thousand broken connections took twenty MiB."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(answer)
        await call.eof()

    async def break_off(times: int) -> None:
        for _ in range(times):
            browser = await world.browser()
            await browser.say(said)
            if answer.endswith(b"\r\n\r\n"):
                await browser.head()
            browser.close()
        await until(lambda: world.counters.connections_open == 0)

    def alive() -> Counter[str]:
        kinds = (type(thing) for thing in gc.get_objects())
        return Counter(str(kind) for kind in kinds if "gateway.edge" in str(kind))

    world.sonar.script = script
    await break_off(5)
    gc.collect()
    gc.disable()
    try:
        before = alive()
        await break_off(20)
        more = alive() - before
    finally:
        gc.enable()
    assert {kind: count for kind, count in more.items() if count >= 20} == {}


def _unreachable() -> list[object]:
    """What a collection finds now."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
