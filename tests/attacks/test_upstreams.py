"""A Sonar that is hostile, or says what somebody who found a hole in it wants."""

import asyncio
import socket
import struct

import pytest

from tests.edge.world import OK, Call, Reply, Script, World, get
from tests.session.samples import until

LEGACY = "Cookie: SONARSESSID=own"


def saying(sonar: bytes) -> Script:
    """One reply, then close."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(sonar)

    return script


async def reply_to(world: World, sonar: bytes, *headers: str) -> bytes:
    """What the browser gets when Sonar says this and closes."""
    world.sonar.script = saying(sonar)
    browser = await world.browser()
    await browser.say(get("/x", *headers, "Connection: close"))
    return await browser.eof()


def ok(*lines: bytes, body: bytes = b"ok") -> bytes:
    return b"\r\n".join((b"HTTP/1.1 200 OK", *lines, b"", body))


def chunked(body: bytes) -> bytes:
    return ok(b"Transfer-Encoding: chunked", body=body)


TWO = b"Content-Length: 2"
CHUNKED = b"Transfer-Encoding: chunked"
WHOLE = b"2\r\nok\r\n0\r\n\r\n"

# What no two servers need read the same way: nothing of it reaches the browser. Sources: RFC 9112
# sections 2.2, 4, 5.1, 5.2, 6.1, 6.3 and 7.1, RFC 9110 sections 5.5, 8.6 and 15.2.
NO_REPLY = {
    "both lengths": ok(TWO, CHUNKED, body=WHOLE),
    "both lengths, the other way round": ok(CHUNKED, TWO, body=WHOLE),
    "a length twice": ok(TWO, TWO),
    "two lengths": ok(TWO, b"Content-Length: 3"),
    "a list of lengths": ok(b"Content-Length: 2, 2"),
    "a length with a sign": ok(b"Content-Length: +2"),
    "a negative length": ok(b"Content-Length: -2"),
    "a length in hex": ok(b"Content-Length: 0x2"),
    "a length with an underscore": ok(b"Content-Length: 1_0", body=b"0123456789"),
    "an empty length": ok(b"Content-Length: "),
    "a length too large to count": ok(b"Content-Length: 99999999999999999999999"),
    "two numbers as a length": ok(b"Content-Length: 2 2"),
    "chunked twice": ok(CHUNKED, CHUNKED, body=WHOLE),
    "chunked twice in one line": ok(b"Transfer-Encoding: chunked, chunked", body=WHOLE),
    "another coding": ok(b"Transfer-Encoding: identity"),
    "another coding and a length": ok(b"Transfer-Encoding: identity", TWO),
    "a coding under chunked": ok(b"Transfer-Encoding: gzip, chunked", body=WHOLE),
    "a coding under chunked in a line of its own": ok(
        b"Transfer-Encoding: gzip", CHUNKED, body=WHOLE
    ),
    "nearly chunked": ok(b"Transfer-Encoding: xchunked", body=WHOLE),
    "chunked with a parameter": ok(b"Transfer-Encoding: chunked;q=1", body=WHOLE),
    "chunked after a vertical tab": ok(b"Transfer-Encoding: \x0bchunked", body=WHOLE),
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\n%b\r\n\r\n%b" % (CHUNKED, WHOLE),
    "a 204 in chunks": b"HTTP/1.1 204 No Content\r\n%b\r\n\r\n%b" % (CHUNKED, WHOLE),
    "an interim reply with a length": b"HTTP/1.1 103 X\r\n%b\r\n\r\nok%b" % (TWO, OK),
    "an interim reply in chunks": b"HTTP/1.1 103 X\r\n%b\r\n\r\n%b%b" % (CHUNKED, WHOLE, OK),
    "lines that end in LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "one line that ends in LF": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\r\nok",
    "a CR inside a line": ok(b"A: b\rX: y", TWO),
    "a folded line": ok(b"A: b\r\n c", TWO),
    "a folded length": ok(b"Content-Length:\r\n 2"),
    "a line that begins with a blank": ok(b" A: b", TWO),
    "a blank before the colon": ok(b"Content-Length : 2"),
    "a line without a colon": ok(b"A", TWO),
    "a header without a name": ok(b": a", TWO),
    "a name that is none": ok(b"A(b: c", TWO),
    **{
        f"a control character in a value: {char:#04x}": ok(b"A: b%cc" % char, TWO)
        for char in (0x00, 0x01, 0x08, 0x0B, 0x1B, 0x7F)
    },
    **{
        f"a control character in the phrase: {char:#04x}": b"HTTP/1.1 200 O%cK\r\n%b\r\n\r\nok"
        % (char, TWO)
        for char in (0x00, 0x01, 0x1B, 0x7F)
    },
    "two places to go": b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\n\r\n",
    "an endless phrase": b"HTTP/1.1 200 %b\r\n%b\r\n\r\nok" % (b"O" * 100_000, TWO),
    "one header without end": ok(b"A: " + b"b" * 1_000_000, TWO),
    "headers without end": ok(*[b"A: " + b"b" * 1000] * 100, TWO),
    "very many headers": ok(*[b"A: b"] * 300, TWO),
    "two digits of status": b"HTTP/1.1 20 OK\r\n%b\r\n\r\nok" % TWO,
    "four digits of status": b"HTTP/1.1 2000 OK\r\n%b\r\n\r\nok" % TWO,
    "no status": b"HTTP/1.1 OK\r\n%b\r\n\r\nok" % TWO,
    **{
        f"{protocol.decode()}": b"%b 200 OK\r\n%b\r\n\r\nok" % (protocol, TWO)
        for protocol in (b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"ICY", b"RTSP/1.0")
    },
    "a body without a head": b"<html>hello</html>\r\n\r\n",
    "empty lines before the status": b"\r\n\r\n" + OK,
    "a blank before the status": b" " + OK,
    "two blanks in the status line": b"HTTP/1.1  200 OK\r\n%b\r\n\r\nok" % TWO,
    "tabs in the status line": b"HTTP/1.1\t200\tOK\r\n%b\r\n\r\nok" % TWO,
    "a WebSocket that nobody asked for": (
        b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    ),
    "a switch to nothing": b"HTTP/1.1 101 X\r\n\r\n" + OK,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("sonar", NO_REPLY.values(), ids=NO_REPLY)
async def test_what_has_two_readings_has_none(world: World, sonar: bytes) -> None:
    async def script(call: Call) -> None:
        await call.head()
        call.writer.write(sonar)

    world.sonar.script = script
    for method in ("GET", "HEAD"):
        browser = await world.browser()
        await browser.say(f"{method} /x HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\n\r\n".encode())
        reply = await browser.reply(head_only=method == "HEAD")
        assert reply.status == 502
    assert not world.edge._shared.sonar.pools[0]._idle


# What is found out after the head has gone to the browser: the reply ends in a reset, for HTTP/1.0
# too, whose replies otherwise end with the connection.
BROKEN_BODIES = {
    "less than announced": ok(b"Content-Length: 10", body=b"hello"),
    "a length no disk holds": ok(b"Content-Length: 18446744073709551615"),
    "no last chunk": chunked(b"2\r\nok\r\n"),
    "no end of the trailers": chunked(b"2\r\nok\r\n0\r\nA: b\r\n"),
    "half a chunk": chunked(b"ff\r\nok"),
    "a chunk size that is no number": chunked(b"2\r\nok\r\nzz\r\nok\r\n0\r\n\r\n"),
    "a chunk size with 0x": chunked(b"2\r\nok\r\n0x2\r\nok\r\n0\r\n\r\n"),
    "a negative chunk size": chunked(b"2\r\nok\r\n-2\r\nok\r\n0\r\n\r\n"),
    "a chunk size too large to count": chunked(b"2\r\nok\r\n10000000000000002\r\nok\r\n0\r\n\r\n"),
    "a blank after a chunk size": chunked(b"2\r\nok\r\n2 \r\nok\r\n0\r\n\r\n"),
    "chunk lines that end in LF": chunked(b"2\r\nok\r\n2\nok\n0\n\n"),
    "an LF in a chunk extension": chunked(b"2\r\nok\r\n2;a\nb\r\nok\r\n0\r\n\r\n"),
    "a chunk longer than its size": chunked(b"2\r\nok\r\n2\r\nokay\r\n0\r\n\r\n"),
    "a chunk extension without end": chunked(b"2\r\nok\r\n2;" + b"a" * 300_000),
    "trailers without end": chunked(b"2\r\nok\r\n0\r\n" + b"A: b\r\n" * 50_000),
    "an LF in a trailer": chunked(b"2\r\nok\r\n0\r\nA: b\nC: d\r\n\r\n"),
}


@pytest.mark.parametrize("minor", [0, 1])
@pytest.mark.parametrize("sonar", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
async def test_a_broken_body_is_never_a_whole_one(world: World, sonar: bytes, minor: int) -> None:
    async def script(call: Call) -> None:
        await call.head()
        call.writer.write(sonar)

    world.sonar.script = script
    browser = await world.browser()
    browser.writer.write(f"GET /x HTTP/1.{minor}\r\nHost: a\r\n{LEGACY}\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await browser.eof()
    (line,) = world.lines_of(1)
    assert line["reason"] in {"upstream_malformed", "upstream_unavailable"}


def reset(call: Call) -> None:
    sock = call.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    call.cut()


async def test_a_reset_is_not_the_end_of_a_reply_without_length(world: World) -> None:
    seen = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await seen.wait()
        reset(call)

    world.sonar.script = script
    for minor, end in ((1, b"hello\r\n"), (0, b"hello")):
        seen.clear()
        browser = await world.browser()
        browser.writer.write(f"GET /x HTTP/1.{minor}\r\nHost: a\r\n{LEGACY}\r\n\r\n".encode())
        await browser.until(end)
        seen.set()
        with pytest.raises(ConnectionResetError):
            await browser.eof()


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_an_early_reply_arrives_though_the_upload_breaks(world: World, end: str) -> None:
    """Sonar says no in the middle of the body and is gone: a reset on the heels of its reply."""

    async def script(call: Call) -> None:
        await call.head()
        await call.body(100_000)
        await call.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        if end == "reset":
            reset(call)

    world.sonar.script = script
    for _ in range(10):
        browser = await world.browser()
        browser.writer.write(
            f"POST /x HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\nContent-Length: 50000000\r\n\r\n".encode()
            + bytes(4_000_000)
        )
        reply = await browser.reply()
        assert (reply.status, reply.body) == (413, b"no")
        browser.writer.transport.abort()


# Unusual, but with one reading.
ODD_REPLIES = {
    "no phrase": (b"HTTP/1.1 200\r\n%b\r\n\r\nok" % TWO, b"ok"),
    "zeros before a length": (ok(b"Content-Length: 0002"), b"ok"),
    "a tab before a value": (ok(b"Transfer-Encoding:\tchunked", body=WHOLE), WHOLE),
    "letters beyond ASCII": (ok(b"A: \xe9", TWO), b"ok"),
    "an offer to upgrade": (ok(b"Connection: upgrade", b"Upgrade: h2c", TWO), b"ok"),
    "a 204 of no length": (b"HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", b""),
    "a 304 with the length it would have": (b"HTTP/1.1 304 X\r\n%b\r\n\r\n" % TWO, b""),
    "nearly too many headers": (ok(*[b"A: b"] * 199, TWO), b"ok"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n%b\r\n\r\nok" % TWO, b"ok"),
    "HTTP/1.0 until the end": (b"HTTP/1.0 200 OK\r\n\r\nok", WHOLE),
    "keep-alive without a length": (ok(b"Connection: keep-alive"), WHOLE),
}


@pytest.mark.parametrize(("sonar", "body"), ODD_REPLIES.values(), ids=ODD_REPLIES)
async def test_what_is_odd_and_has_one_reading_passes(
    world: World, sonar: bytes, body: bytes
) -> None:
    got = await reply_to(world, sonar, LEGACY)
    assert Reply.of(got).status < 400
    assert got.endswith(b"\r\n\r\n" + body)


async def test_a_flood_of_interim_replies_ends(world: World) -> None:
    got = await reply_to(world, b"HTTP/1.1 103 X\r\nLink: </a>\r\n\r\n" * 10_000 + OK, LEGACY)
    assert got.count(b"HTTP/1.1 103 ") == 100
    assert got.count(b"HTTP/1.1 502 ") == 1


async def test_headers_that_any_connection_line_names_go_no_further(world: World) -> None:
    said = ok(b"Connection: X-Hop", b"Connection: close", b"X-Hop: hop", TWO)
    assert b"hop" not in await reply_to(world, said, LEGACY)


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 204 X\r\nContent-Length: 42\r\n\r\n",
        b"HTTP/1.1 304 X\r\nContent-Length: 42\r\n\r\n",
    ],
)
async def test_the_body_of_what_has_none_is_nobodys_reply(world: World, first: bytes) -> None:
    """It comes later, when the connection might have been somebody else's."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(first if call.number == 1 else OK)
        await call.eof()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/1", LEGACY))
    await browser.head()
    await browser.say(get("/2", LEGACY))
    assert (await browser.reply()).body == b"ok"
    assert len(world.sonar.calls) == 2


async def test_a_reply_to_no_request_is_nobodys(world: World) -> None:
    """Said before anything was asked, on a connection that waits in the pool."""
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    browser = await world.browser()
    await browser.say(get("/1", LEGACY))
    await browser.reply()
    await world.sonar.calls[0].say(evil)
    await until(lambda: not world.edge._shared.sonar.pools[0]._idle)
    await browser.say(get("/2", LEGACY))
    assert (await browser.reply()).body == b"ok"


@pytest.mark.parametrize("status", [b"099", b"000", b"600", b"999"])
@pytest.mark.parametrize("signed_in", [True, False])
async def test_a_status_that_is_none_is_refused(
    world: World, status: bytes, signed_in: bool
) -> None:
    """What is below 100 would pass as interim, and its body as the head of the next reply."""
    cookie = (await world.sign_in())[0] if signed_in else "SONARSESSID=own"
    evil = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=evil\r\nContent-Length: 0\r\n\r\n"
    said = b"HTTP/1.1 %b X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(evil), evil)
    got = await reply_to(world, said, f"Cookie: {cookie}")
    assert got.startswith(b"HTTP/1.1 502 ")
    assert b"evil" not in got


@pytest.mark.parametrize(
    "cookie",
    [
        "sonar_sso=attackers",
        " sonar_sso = attackers; Path=/",
        "=sonar_sso=attackers",
        "sonar_tx_AAAAAAAAAAAAAAAA=attackers",
        "=sonar_tx_AAAAAAAAAAAAAAAA=attackers",
    ],
)
@pytest.mark.parametrize("signed_in", [True, False])
async def test_sonar_does_not_set_our_cookies(world: World, cookie: str, signed_in: bool) -> None:
    """Who can have Sonar send a header of their own would put their session into the browser."""
    own = (await world.sign_in())[0] if signed_in else "SONARSESSID=own"
    said = f"HTTP/1.1 200 OK\r\nSet-Cookie: {cookie}\r\nContent-Length: 2\r\n\r\nok"
    got = await reply_to(world, said.encode(), f"Cookie: {own}")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"attackers" not in got


async def test_a_cookie_without_a_name_is_no_way_round_the_seal(world: World) -> None:
    """Browsers send `=SONARSESSID=x` back as `SONARSESSID=x` (RFC 6265bis section 5.8.3)."""
    own = (await world.sign_in())[0]
    said = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: =SONARSESSID=bare; Path=/\r\nContent-Length: 2\r\n\r\nok"
    )
    assert b"bare" not in await reply_to(world, said, f"Cookie: {own}")
    assert b"bare" in await reply_to(world, said, "Cookie: SONARSESSID=own")
