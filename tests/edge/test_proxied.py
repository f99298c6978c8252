"""Behind a proxy that speaks the PROXY protocol, over real sockets."""

import asyncio
import select
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.edge.proxied import take_proxy_header
from gateway.reasons import Reason
from tests.edge.conftest import MakeWorld
from tests.edge.test_https import PAIR, trusting
from tests.edge.test_proxy_protocol import BAD, LOCAL, TCP6, UNIX, UNSPECIFIED, V4, V6, tls, v2
from tests.edge.world import PATIENCE, Browser, World, get
from tests.session.samples import until

LEGACY = "Cookie: SONARSESSID=1"
TEXT = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"
T = TypeVar("T")

PROXIED = {"trusted_proxies": ["127.0.0.1"], "proxy_protocol": True}


async def proxied(make_world: MakeWorld, **settings: Any) -> World:
    server = {**PROXIED, **settings.pop("server", {})}
    return await make_world(server=server, **settings)


def seen(world: World) -> list[tuple[str, str]]:
    """Client and scheme of each request, as Sonar is told."""
    told = []
    for head in world.sonar.heads:
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
        told.append((lines["X-Forwarded-For"], lines["X-Forwarded-Proto"]))
    return told


@pytest.mark.parametrize(
    ("header", "client", "proto"),
    [
        (TEXT, "192.0.2.7", "http"),
        (b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n", "2001:db8::7", "http"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1", "http"),
        (v2(), "192.0.2.7", "http"),
        (v2(TCP6, V6), "2001:db8::7", "http"),
        (v2(UNSPECIFIED, b"", LOCAL), "127.0.0.1", "http"),
        (v2(rest=V4 + tls(1)), "192.0.2.7", "https"),
        (v2(rest=V4 + tls(0)), "192.0.2.7", "http"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
async def test_the_client_is_who_the_header_says(
    make_world: MakeWorld, header: bytes, client: str, proto: str, piece: int
) -> None:
    world = await proxied(make_world)
    browser = await world.browser()
    stream = header + get("/", LEGACY)
    for start in range(0, len(stream), piece):
        await browser.say(stream[start : start + piece])
        await asyncio.sleep(0)
    assert (await browser.reply()).status == 200
    await browser.say(get("/again", LEGACY))
    assert (await browser.reply()).status == 200
    assert seen(world) == [(client, proto)] * 2
    assert [line["client"] for line in world.lines_of(2)] == [client] * 2


async def test_what_the_client_says_of_itself_is_dropped(make_world: MakeWorld) -> None:
    """The proxy passes its bytes on unread: they are the client's."""
    world = await proxied(make_world)
    browser = await world.browser()
    made_up = ("X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "Forwarded: for=1.2.3.4")
    await browser.say(TEXT + get("/", LEGACY, *made_up))
    assert (await browser.reply()).status == 200
    assert seen(world) == [("192.0.2.7", "http")]


@pytest.mark.parametrize(
    "header",
    [b"PROXY UNKNOWN\r\n", v2(UNSPECIFIED, b""), v2(UNSPECIFIED, b"", LOCAL), v2(UNIX, bytes(216))],
)
async def test_nor_is_it_believed_when_the_proxy_does_not_know_it(
    make_world: MakeWorld, header: bytes
) -> None:
    """Whom a proxy speaks for without saying so is somebody, and not the proxy."""
    world = await proxied(make_world, server={"forward_auth": "nginx"})
    browser = await world.browser()
    await browser.say(header + get("/", LEGACY, "X-Forwarded-For: 1.2.3.4"))
    assert (await browser.reply()).status == 200
    assert seen(world) == [("127.0.0.1", "http")]
    question = ("X-Original-URI: /", "X-Original-Method: GET")
    await browser.say(get("/sso/auth", LEGACY, *question))
    assert (await browser.reply()).json["error"] == Reason.PEER_UNTRUSTED


async def test_a_trusted_proxy_behind_the_proxy(make_world: MakeWorld) -> None:
    """A CDN that speaks HTTP, behind a balancer that passes bytes on."""
    world = await proxied(make_world, server={"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]})
    browser = await world.browser()
    header = b"PROXY TCP4 10.0.0.5 10.0.0.1 1 2\r\n"
    await browser.say(header + get("/", LEGACY, "X-Forwarded-For: 192.0.2.9"))
    assert (await browser.reply()).status == 200
    assert seen(world) == [("192.0.2.9", "http")]


async def closed(browser: Browser) -> bytes:
    """What came before the gateway closed, politely or not."""
    async with asyncio.timeout(PATIENCE):
        try:
            return await browser.reader.read(-1)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("header", [header for header in BAD if header])
async def test_from_a_trusted_proxy_nothing_else_is_read(
    make_world: MakeWorld, header: bytes
) -> None:
    """Not even a good request: who it is from would be anybody's guess."""
    world = await proxied(make_world)
    browser = await world.browser()
    await browser.say(header + get("/", LEGACY))
    browser.writer.write_eof()
    reply = await closed(browser)
    assert b"200 OK" not in reply
    assert world.sonar.heads == []
    await until(lambda: world.edge._shared.admission.inside == 0)


async def test_no_header_is_counted(make_world: MakeWorld) -> None:
    world = await proxied(make_world)
    for _ in range(3):
        browser = await world.browser()
        await browser.say(get("/", LEGACY))
        assert await closed(browser) == b""
    assert world.counters.rejected[Reason.PROXY_HEADER_MALFORMED] == 3


async def test_a_look_whether_anybody_listens_is_nothing(make_world: MakeWorld) -> None:
    world = await proxied(make_world)
    browser = await world.browser()
    browser.writer.write_eof()
    assert await closed(browser) == b""
    assert world.counters.rejected[Reason.PROXY_HEADER_MALFORMED] == 0


@pytest.mark.parametrize("said", [b"", TEXT[:10], v2()[:14]])
async def test_a_header_that_does_not_come(make_world: MakeWorld, said: bytes) -> None:
    world = await proxied(make_world, limits={"head_timeout": "1s"})
    browser = await world.browser()
    await browser.say(said)
    assert await closed(browser) == b""
    await until(lambda: world.edge._shared.admission.inside == 0)


@pytest.mark.parametrize("header", [TEXT, v2(), v2(UNSPECIFIED, b"", LOCAL)])
@pytest.mark.parametrize("on", [True, False])
async def test_nobody_else_chooses_an_address(
    make_world: MakeWorld, header: bytes, on: bool
) -> None:
    """A header from who is not trusted is a malformed request, whatever the setting."""
    server: dict[str, Any] = {"trusted_proxies": ["192.0.2.0/24"], "proxy_protocol": on}
    world = await make_world(server=server)
    browser = await world.browser()
    await browser.say(header + get("/", LEGACY))
    assert (await browser.reply()).status == 400
    assert await closed(browser) == b""
    assert world.sonar.heads == []


async def test_a_second_header_is_a_malformed_request(make_world: MakeWorld) -> None:
    """Through the proxy a client can write one of its own only behind the proxy's."""
    world = await proxied(make_world)
    browser = await world.browser()
    await browser.say(TEXT + b"PROXY TCP4 127.0.0.1 10.0.0.1 1 2\r\n" + get("/", LEGACY))
    assert (await browser.reply()).status == 400
    assert world.sonar.heads == []
    assert world.lines_of(1)[0]["client"] == "192.0.2.7"


async def test_who_is_not_trusted_is_served_as_itself(make_world: MakeWorld) -> None:
    world = await proxied(make_world, server={"trusted_proxies": ["192.0.2.0/24"]})
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    assert (await browser.reply()).status == 200
    assert seen(world) == [("127.0.0.1", "http")]


async def test_trusted_without_the_setting_sends_none(make_world: MakeWorld) -> None:
    world = await make_world(server={"trusted_proxies": ["127.0.0.1"]})
    browser = await world.browser()
    await browser.say(TEXT + get("/", LEGACY))
    assert (await browser.reply()).status == 400
    assert world.sonar.heads == []


async def test_addresses_that_are_told_have_their_share(make_world: MakeWorld) -> None:
    world = await proxied(make_world, limits={"connections_per_address": 2})
    inside = []
    for _ in range(2):
        browser = await world.browser()
        await browser.say(TEXT + get("/", LEGACY))
        assert (await browser.reply()).status == 200
        inside.append(browser)
    third = await world.browser()
    await third.say(TEXT + get("/", LEGACY))
    assert (await third.reply()).status == 429
    other = await world.browser()
    await other.say(v2(TCP6, V6) + get("/", LEGACY))
    assert (await other.reply()).status == 200
    for browser in (*inside, other):
        browser.close()
    await until(lambda: world.edge._shared.admission.inside == 0)
    assert world.edge._shared.admission._by_address == {}


async def test_who_is_waited_for_counts(make_world: MakeWorld) -> None:
    world = await proxied(make_world, limits={"connections": 2})
    waiting = [await world.browser() for _ in range(2)]
    await until(lambda: world.edge._shared.admission.inside == 2)
    late = await world.browser()
    assert (await late.reply()).status == 503
    waiting[0].writer.transport.abort()
    await until(lambda: world.edge._shared.admission.inside == 1)


async def test_stopping_waits_for_no_header(make_world: MakeWorld) -> None:
    world = await proxied(make_world)
    browser = await world.browser()
    await until(lambda: world.edge._shared.admission.inside == 1)
    async with asyncio.timeout(PATIENCE):
        await world.edge.drain()
    assert await closed(browser) == b""
    await until(lambda: world.edge._shared.admission.inside == 0)


@pytest.mark.parametrize("header", [TEXT, v2(rest=V4 + tls(0))])
async def test_with_tls_behind_the_header(
    make_world: MakeWorld, tmp_path: Path, header: bytes
) -> None:
    """The header comes before the handshake, and the handshake in the same packet."""
    tls_files = PAIR.write(tmp_path)
    world = await proxied(make_world, server={"public_url": "https://localhost", "tls": tls_files})
    browser = await world.browser()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")

    async def step(attempt: Callable[[], T], first: bytes = b"") -> T:
        """`attempt` until it has got what it reads; `first` goes before what it writes."""
        while True:
            try:
                return attempt()
            except ssl.SSLWantReadError:
                await browser.say(first + outgoing.read())
                first = b""
                async with asyncio.timeout(PATIENCE):
                    incoming.write(await browser.reader.read(65536))

    await step(session.do_handshake, header)
    session.write(get("/", LEGACY))
    assert (await step(session.read)).startswith(b"HTTP/1.1 200 OK")
    assert seen(world) == [("192.0.2.7", "https")]


# Off the socket.


async def coming(*pieces: bytes, end: bool = False) -> tuple[bytes | None, bytes]:
    """What is taken off a socket to which these pieces come one by one, and what stays in it."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        taking = asyncio.create_task(take_proxy_header(ours))
        for piece in pieces:
            theirs.sendall(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if end:
            theirs.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(5):
            header = await taking
        try:
            return header, ours.recv(4096)
        except BlockingIOError:
            return header, b""


async def test_a_proxy_header_is_taken_and_no_more() -> None:
    hello = b"\x16\x03\x01hello"
    assert await coming(TEXT + hello) == (TEXT, hello)
    assert await coming(TEXT) == (TEXT, b"")
    pieces = [TEXT[i : i + 1] for i in range(len(TEXT))]
    assert await coming(*pieces, hello) == (TEXT, hello)


async def test_no_proxy_header() -> None:
    assert await coming(end=True) == (b"", b"")
    assert await coming(TEXT[:10], end=True) == (None, b"")
    assert (await coming(b"GET / HTTP/1.1\r\n\r\n"))[0] is None


async def test_waiting_for_a_proxy_header_costs_nothing() -> None:
    """What has come is taken off at once: a socket that stays readable would be a busy loop."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        taking = asyncio.create_task(take_proxy_header(ours))
        theirs.sendall(TEXT[:10])
        await until(lambda: not _readable_now(ours))
        assert not taking.done()
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking


def _readable_now(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])
