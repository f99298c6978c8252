"""A hostile browser, or a page that a person's browser has open beside Sonar."""

import asyncio

import pytest

from tests.edge.world import NAVIGATION, Call, World, get

WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def switch(call: Call) -> None:
    await call.head()
    await call.say(SWITCHED)
    await call.eof()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        # Of the same site, so that SameSite=Lax lets the cookie through.
        "http://evil.sonar.test",
        "http://sonar.test:8081",
        "http://sonar.test.evil.example",
        "http://sonar.test@evil.example",
        "null",
        "",
        "sonar.test",
        "http://sonar.test, http://evil.example",
    ],
)
async def test_another_origins_websocket_gets_no_identity(world: World, origin: str) -> None:
    """Cross-site WebSocket hijacking: no browser asks before it connects across origins."""
    world.sonar.script = switch
    cookie, _ = await world.sign_in()
    reply = await world.ask(get("/live", f"Cookie: {cookie}", f"Origin: {origin}", *WEBSOCKET))
    assert reply.status == 403
    assert reply.json["error"] == "origin_foreign"
    assert world.sonar.heads == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Origin: http://sonar.test",),
        ("Origin: https://SONAR.test",),
        # The configured address, whatever a proxy made of Host.
        ("Origin: http://localhost:8080",),
        # No browser: none leaves it out.
        (),
    ],
)
async def test_sonars_own_websocket_gets_it(world: World, headers: tuple[str, ...]) -> None:
    world.sonar.script = switch
    cookie, _ = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/live", f"Cookie: {cookie}", *headers, *WEBSOCKET))
    assert (await browser.head()).startswith(b"HTTP/1.1 101 ")
    assert b"X-Sonar-Username: jo" in world.sonar.heads[0]


async def test_a_password_users_websocket_is_sonars_affair(world: World) -> None:
    world.sonar.script = switch
    browser = await world.browser()
    headers = ("Cookie: SONARSESSID=own", "Origin: https://evil.example", *WEBSOCKET)
    await browser.say(get("/live", *headers))
    assert (await browser.head()).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    "last",
    [
        get("/x", "Connection: close", *NAVIGATION),
        get("/a%2fb", "Connection: close"),
        get("/x", "Connection: close", host="two hosts"),
        b"POST /x HTTP/1.1\r\nHost: sonar.test\r\nContent-Length: 9\r\n\r\nabc",
        b"GET /x HTTP/1.1\r\nHost: sonar.test\r\n : broken\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: sonar.test\r\nX: half",
    ],
)
async def test_what_one_connection_leaves_behind_meets_no_other(world: World, last: bytes) -> None:
    """Parsers are used again: one that a client left closed, broken or half fed would refuse the
    next person's request, or read it as the end of this client's."""
    for _ in range(3):
        first = await world.browser()
        await first.say(last)
        if not last.endswith(b"half"):
            await first.head()
        first.close()
        reply = await world.ask(get("/x", "Cookie: SONARSESSID=own"))
        assert reply.status == 200


@pytest.mark.parametrize(
    "kind", ["application/x-ndjson", "multipart/x-mixed-replace", "text/event-stream", "text/html"]
)
@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", "Connection: close"])
async def test_a_reply_without_end_ends_with_its_session(
    world: World, kind: str, length: str
) -> None:
    """Long polling and pushed pages go on for as long as a WebSocket does."""

    async def push(call: Call) -> None:
        await call.head()
        await call.say(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n\r\n".encode())
        await call.say(b"5\r\nhello\r\n")
        await call.eof()

    world.sonar.script = push
    cookie, live = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/events", f"Cookie: {cookie}"))
    await browser.until(b"hello")
    await world.sessions.end(live.session.key)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await browser.exactly(1000)


async def test_the_page_that_says_goodbye_is_whole(world: World) -> None:
    async def goodbye(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n")
        await call.say(b"3\r\nbye\r\n0\r\n\r\n")

    world.sonar.script = goodbye
    cookie, live = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/logout", f"Cookie: {cookie}"))
    got = await browser.until(b"\r\n0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"bye" in got
    assert live.ended


@pytest.mark.parametrize(
    "path",
    [
        # `.`, `/` and `\` in more bytes than UTF-8 allows, which old decoders read all the same.
        "/static/%C0%AE%C0%AE/admin",
        "/static/%c0%ae%c0%ae%c0%afadmin",
        "/static/..%c1%9cadmin",
        "/static/%e0%80%ae%e0%80%ae/admin",
        "/static/%C0%80/admin",
    ],
)
async def test_overlong_utf8_is_no_way_round_a_public_path(world: World, path: str) -> None:
    reply = await world.ask(get(path))
    assert reply.status == 400
    assert world.sonar.heads == []
