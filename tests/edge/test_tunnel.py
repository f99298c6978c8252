"""WebSockets through the edge: bytes both ways, gone with their session."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge.world import Call, World, get, settled
from tests.session.samples import until

UPGRADE = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: y\r\n\r\n"
)


async def echo(call: Call) -> None:
    await call.head()
    await call.say(SWITCH)
    while data := await call.reader.read(65536):
        call.seen += data
        await call.say(data)


async def test_bytes_both_ways(world: World) -> None:
    world.sonar.script = echo
    browser = await world.browser()
    await browser.say(get("/ws", *UPGRADE, "Cookie: SONARSESSID=1"))
    answer = await browser.head()
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in answer
    assert b"Sec-WebSocket-Accept: y\r\n" in answer
    for data in (b"\x81\x05hello", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 1000):
        browser.writer.write(data)
        assert await browser.exactly(len(data)) == data
    (head, *_) = world.sonar.heads
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
    assert b"Sec-WebSocket-Key: x\r\n" in head
    assert world.counters.tunnels_open == 1
    browser.close()
    await until(lambda: world.counters.tunnels_open == 0)
    await until(lambda: world.counters.connections_open == 0)
    (line,) = world.lines_of(1)
    assert (line["status"], line["kind"]) == (101, "password")
    assert line["bytes"] == 7 + 18 + 256_000


async def test_what_comes_with_the_switch_is_not_lost(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(SWITCH + b"early")
        assert await call.body(4) == b"soon"
        await call.say(b"done")

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/ws", *UPGRADE, "Cookie: SONARSESSID=1") + b"soon")
    await browser.head()
    assert await browser.eof() == b"earlydone"


CUTS = st.lists(st.integers(0, 2**16), max_size=6)


def pieces_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(places)]


@given(to_sonar=CUTS, to_browser=CUTS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_same_bytes_however_both_streams_are_split(
    world: World, to_sonar: list[int], to_browser: list[int]
) -> None:
    """The head and what is sent behind it, and the switch and what comes behind that."""
    frames = b"GET / HTTP/1.1\r\n\r\n\x00\xff"

    async def script(call: Call) -> None:
        await call.head()
        for piece in pieces_of(SWITCH + b"HTTP/1.1 200 OK\r\n\r\n", to_browser):
            await call.say(piece)
            await asyncio.sleep(0)
        await call.say(await call.body(len(frames)))

    world.sonar.script = script
    browser = await world.browser()
    for piece in pieces_of(get("/ws", *UPGRADE, "Cookie: SONARSESSID=1") + frames, to_sonar):
        await browser.say(piece)
        await asyncio.sleep(0)
    assert (await browser.head()).startswith(b"HTTP/1.1 101 ")
    assert await browser.eof() == b"HTTP/1.1 200 OK\r\n\r\n" + frames
    browser.close()


async def test_a_tunnel_ends_with_its_session(world: World) -> None:
    world.sonar.script = echo
    cookie, live = await world.sign_in()
    other_cookie, _ = await world.sign_in()
    browsers = []
    for value in (cookie, cookie, other_cookie):
        browser = await world.browser()
        await browser.say(get("/ws", *UPGRADE, f"Cookie: {value}"))
        await browser.head()
        browsers.append(browser)
    assert b"X-Sonar-Username: jo\r\n" in world.sonar.heads[0]
    await world.sessions.end(live.session.key)
    for browser in browsers[:2]:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await browser.exactly(1)
    await until(lambda: world.counters.tunnels_open == 1)
    assert live.closers == set()
    await browsers[2].say(b"still here")
    assert await browsers[2].exactly(10) == b"still here"
    await until(lambda: world.sonar.calls[0].reader.at_eof())


async def test_a_closed_tunnel_leaves_nothing_with_its_session(world: World) -> None:
    world.sonar.script = echo
    cookie, live = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/ws", *UPGRADE, f"Cookie: {cookie}"))
    await browser.head()
    assert len(live.closers) == 1
    browser.close()
    await until(lambda: not live.closers)


async def test_sonar_that_does_not_switch(world: World) -> None:
    """The upgrade is refused: an ordinary reply, and the connection goes on as HTTP."""
    browser = await world.browser()
    await browser.say(get("/ws", *UPGRADE, "Cookie: SONARSESSID=1"))
    assert (await browser.reply()).status == 200
    await browser.say(get("/", "Cookie: SONARSESSID=1"))
    assert (await browser.reply()).status == 200


async def test_h2c_is_not_switched_to(world: World) -> None:
    browser = await world.browser()
    await browser.say(
        get("/1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: x",
            "Cookie: SONARSESSID=1") + get("/2", "Cookie: SONARSESSID=1")
    )  # fmt: skip
    for _ in range(2):
        assert (await browser.reply()).body == b"ok"
    assert b"Upgrade" not in world.sonar.heads[0]
    assert b"HTTP2-Settings" not in world.sonar.heads[0]
    assert len(world.sonar.heads) == 2


async def test_a_slow_side_holds_the_other(world: World) -> None:
    world.narrow()
    sent = 0

    async def script(call: Call) -> None:
        nonlocal sent
        await call.head()
        await call.say(SWITCH)
        for _ in range(500):
            await call.say(b"x" * 100_000)
            sent += 100_000

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/ws", *UPGRADE, "Cookie: SONARSESSID=1"))
    await browser.head()
    assert await settled(lambda: sent) < 40_000_000  # kernel buffers and ours, not the whole
    for _ in range(500):
        await browser.exactly(100_000)
    await until(lambda: sent == 50_000_000)


async def test_a_side_that_is_slow_already_holds_the_other_from_the_start(world: World) -> None:
    """That a buffer is full the event loop says once, and it was said before there was a tunnel."""
    world.narrow()
    sent = 0

    def unsent() -> int:
        (client,) = world.edge._shared.clients
        return client.transport.get_write_buffer_size()

    async def script(call: Call) -> None:
        nonlocal sent
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while unsent() < 20_000:
            await call.say(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await asyncio.sleep(0)
        await call.say(b"0\r\n\r\n")
        await call.head()
        await call.say(SWITCH[:-2] + b"X: " + b"x" * 60_000 + b"\r\n\r\n")
        await until(lambda: world.counters.tunnels_open == 1)
        for _ in range(300):
            await call.say(b"x" * 100_000)
            sent += 100_000

    world.sonar.script = script
    browser = await world.browser()
    cookie = "Cookie: SONARSESSID=1"
    await browser.say(get("/", cookie) + get("/ws", *UPGRADE, cookie))
    await until(lambda: world.counters.tunnels_open == 1)
    assert await settled(lambda: sent) < 25_000_000
    taken = asyncio.create_task(browser.reader.read(100_000))
    while sent < 30_000_000:
        assert await taken
        taken = asyncio.create_task(browser.reader.read(100_000))
    taken.cancel()


async def test_upstream_that_goes_takes_the_browser_along(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(SWITCH + b"bye")

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/ws", *UPGRADE, "Cookie: SONARSESSID=1"))
    await browser.head()
    assert await browser.eof() == b"bye"
