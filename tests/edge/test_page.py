"""Legacy pages that get a fragment, over real sockets."""

import gzip

import pytest

from gateway.edge.page import LARGEST_AS_SENT
from tests.edge.world import Call, Script, World, get

LOGIN = b"<html><form action=/login></form><p>caf\xc3\xa9</html>"
PROFILE = b"<html><div id=change-account-security></div></html>"


def page(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Script:
    lines = b"".join(header + b"\r\n" for header in (b"Content-Type: text/html", *headers))

    async def script(call: Call) -> None:
        while True:
            head = await call.head()
            await call.say(
                b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n" % (status, lines, len(body))
            )
            if not head.startswith(b"HEAD"):
                await call.say(body)

    return script


async def test_the_sign_in_page_gets_the_buttons(world: World) -> None:
    world.sonar.script = page(LOGIN, b"ETag: x", b"Last-Modified: y", b"Accept-Ranges: bytes")
    reply = await world.ask(get("/login", "If-None-Match: x", "Range: bytes=0-1"))
    assert reply.status == 200
    assert reply.body.startswith(b"<html><form action=/login></form>")
    assert reply.body.endswith(b"<p>caf\xc3\xa9</html>")
    assert b"/sso/login/google" in reply.body
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert not {"etag", "last-modified", "accept-ranges"} & set(reply.headers)
    (head,) = world.sonar.heads
    assert b"If-None-Match" not in head
    assert b"Range" not in head
    assert b"Accept-Encoding: gzip, br, zstd\r\n" in head
    assert world.counters.injections == {("login_buttons", "done"): 1}


async def test_compressed_too(world: World) -> None:
    world.sonar.script = page(gzip.compress(LOGIN), b"Content-Encoding: gzip")
    reply = await world.ask(get("/login"))
    assert reply.headers["content-encoding"] == "gzip"
    assert b"/sso/login/google" in gzip.decompress(reply.body)


async def test_in_chunks_too(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for byte in LOGIN:
            await call.say(b"1\r\n%c\r\n" % byte)
        await call.say(b"0\r\n\r\n")

    world.sonar.script = script
    reply = await world.ask(get("/login"))
    assert b"/sso/login/google" in reply.body


@pytest.mark.parametrize(
    ("query", "way_back"),
    [
        ("?return_to=/voicemail%3Fbox%3D7", b"next=/voicemail%3Fbox%3D7"),
        ("?return_to=https://evil.example/", b"next=/"),
        ("?return_to=//evil.example/", b"next=/"),
        ("?return_to=/a&return_to=/b", b"next=/"),
        ("", b"next=/"),
    ],
)
async def test_deep_links_survive(world: World, query: str, way_back: bytes) -> None:
    world.sonar.script = page(LOGIN)
    reply = await world.ask(get(f"/login{query}"))
    assert way_back in reply.body
    assert b"evil" not in reply.body


async def test_the_profile_page_gets_its_section(world: World) -> None:
    world.sonar.script = page(PROFILE)
    cookie, _ = await world.sign_in()
    for line in (f"Cookie: {cookie}", "Cookie: SONARSESSID=1"):
        reply = await world.ask(get("/profile", line))
        assert b"/sso/settings" in reply.body
    assert world.counters.injections == {("profile_section", "done"): 2}


async def test_a_signed_in_person_gets_no_buttons(world: World) -> None:
    world.sonar.script = page(LOGIN)
    cookie, _ = await world.sign_in()
    assert (await world.ask(get("/login", f"Cookie: {cookie}"))).body == LOGIN


async def test_a_password_that_was_wrong_shows_the_buttons_again(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.body(3)
        await call.say(
            b"HTTP/1.1 401 No\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(LOGIN)
            + LOGIN
        )

    world.sonar.script = script
    reply = await world.ask(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nu=p")
    assert reply.status == 401
    assert b"/sso/login/google" in reply.body


async def test_head_says_nothing_about_bytes_that_get_would_change(world: World) -> None:
    world.sonar.script = page(LOGIN, b"ETag: x")
    reply = await world.ask(b"HEAD /login HTTP/1.1\r\nHost: a\r\n\r\n")
    assert reply.status == 200
    assert not {"etag", "content-length"} & set(reply.headers)


async def test_a_page_without_the_place_passes_as_it_is(world: World) -> None:
    body = b"<html>no such element</html>"
    world.sonar.script = page(body, b"ETag: x")
    reply = await world.ask(get("/login"))
    assert reply.body == body
    assert reply.headers["etag"] == "x"
    assert world.counters.injections == {("login_buttons", "not_found"): 1}


async def test_an_unreadable_page_passes_as_it_is(world: World) -> None:
    world.sonar.script = page(b"\x1f\x8bnonsense", b"Content-Encoding: gzip")
    reply = await world.ask(get("/login"))
    assert reply.body == b"\x1f\x8bnonsense"
    assert world.counters.injections == {("login_buttons", "unreadable"): 1}


@pytest.mark.parametrize("length", [True, False])
async def test_a_page_that_is_too_large_passes_as_it_is(world: World, length: bool) -> None:
    body = LOGIN + b" " * LARGEST_AS_SENT

    async def script(call: Call) -> None:
        await call.head()
        framing = b"Content-Length: %d\r\n" % len(body) if length else b"Connection: close\r\n"
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + framing + b"\r\n" + body)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(b"GET /login HTTP/1.0\r\n\r\n")
    head = await browser.head()
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert await browser.eof() == body


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx",
    ],
)
async def test_what_is_no_page_passes_at_once(world: World, reply: bytes) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(reply)

    world.sonar.script = script
    answer = await world.ask(get("/login"))
    assert answer.raw + answer.body == reply
    assert world.counters.injections == {}


async def test_half_a_page_is_no_page(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\n<for"
        )

    world.sonar.script = script
    assert (await world.ask(get("/login"))).status == 502
