"""Upstream's side over real sockets: bodies, retries, early and broken replies, deadlines."""

import asyncio
import gzip
from math import inf

import pytest
from hypothesis import HealthCheck, example, given, settings

from gateway.edge.client import Client
from tests.edge.conftest import MakeWorld
from tests.edge.test_tunnel import CUTS, pieces_of
from tests.edge.world import OK, Browser, Call, Reply, Script, World, get
from tests.session.samples import until

LEGACY = "Cookie: SONARSESSID=1"
USER = b" HTTP/1.1\r\nHost: a\r\nCookie: SONARSESSID=1\r\n"


def saying(*replies: bytes) -> Script:
    """One reply for each request head, then close."""

    async def script(call: Call) -> None:
        for reply in replies:
            await call.head()
            await call.say(reply)

    return script


# Framing, towards upstream.


async def test_a_body_of_known_length(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.body(11)
        await call.say(OK)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(b"POST /" + USER + b"Content-Length: 11\r\n\r\nhello")
    await until(lambda: world.sonar.calls and world.sonar.calls[0].seen.endswith(b"\r\n\r\n"))
    await browser.say(b" world")
    assert (await browser.reply()).status == 200
    assert world.sonar.calls[0].seen.endswith(b"Content-Length: 11\r\n\r\nhello world")


async def test_a_chunked_body_in_chunks_of_our_own(world: World) -> None:
    async def script(call: Call) -> None:
        await call.until(b"0\r\n\r\n")
        await call.say(OK)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(
        b"POST /" + USER + b"Transfer-Encoding: chunked\r\n\r\n"
        b"0005;ext=x\r\nhello\r\n1\r\n \r\n000\r\nTrailer: x\r\nX-Sonar-Username: evil\r\n\r\n"
    )
    assert (await browser.reply()).status == 200
    seen = bytes(world.sonar.calls[0].seen)
    assert seen.endswith(b"Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n0\r\n\r\n")
    assert b"evil" not in seen


async def test_expect_100_continue_is_upstreams_to_answer(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        await call.body(5)
        await call.say(OK)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(b"POST /" + USER + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert await browser.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await browser.say(b"hello")
    assert (await browser.reply()).status == 200
    assert b"Expect: 100-continue\r\n" in world.sonar.calls[0].seen


async def test_expect_100_continue_that_is_refused(world: World) -> None:
    world.sonar.script = saying(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    browser = await world.browser()
    await browser.say(b"POST /" + USER + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    reply = await browser.reply()
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert await browser.eof() == b""


# Framing, towards the browser.


async def test_a_chunked_reply_in_chunks_of_our_own(world: World) -> None:
    world.sonar.script = saying(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
        b"5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"
    )
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    assert await browser.until(b"0\r\n\r\n") == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )


async def test_a_chunked_reply_to_http_1_0_ends_with_the_connection(world: World) -> None:
    world.sonar.script = saying(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    browser = await world.browser()
    await browser.say(b"GET / HTTP/1.0\r\nCookie: SONARSESSID=1\r\nConnection: keep-alive\r\n\r\n")
    assert await browser.eof() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"


async def test_a_reply_without_length_goes_on_in_chunks(world: World) -> None:
    world.sonar.script = saying(b"HTTP/1.1 200 OK\r\n\r\nhello")
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    assert await browser.until(b"0\r\n\r\n") == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    await browser.say(get("/", LEGACY))  # and the browser's connection stays
    await browser.until(b"0\r\n\r\n")
    assert len(world.sonar.calls) == 2


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_head(world: World, reply: bytes) -> None:
    world.sonar.script = saying(reply, OK)
    browser = await world.browser()
    await browser.say(b"HEAD /" + USER + b"\r\n")
    await browser.head()
    await browser.say(get("/", LEGACY))
    assert (await browser.reply()).body == b"ok"
    assert len(world.sonar.calls) == 1


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"]
)
async def test_replies_without_a_body(world: World, reply: bytes) -> None:
    world.sonar.script = saying(reply, OK)
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    assert await browser.head() == reply
    await browser.say(get("/", LEGACY))
    assert (await browser.reply()).body == b"ok"
    assert len(world.sonar.calls) == 1


async def test_interim_replies_come_at_once(world: World) -> None:
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        await go.wait()
        await call.say(OK)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    assert await browser.head() == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    go.set()
    assert (await browser.reply()).status == 200


async def test_http_1_0_gets_no_interim_replies(world: World) -> None:
    world.sonar.script = saying(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK)
    browser = await world.browser()
    await browser.say(b"GET / HTTP/1.0\r\nCookie: SONARSESSID=1\r\n\r\n")
    assert (await browser.eof()).startswith(b"HTTP/1.1 200 OK\r\n")


PAGE = b"<html><form action=/login></form><p>caf\xc3\xa9</html>"
ZIPPED = gzip.compress(PAGE, mtime=0)
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
# By what is asked for: the reply, its body, and whether it gets the sign-in buttons.
REPLIES: dict[str, tuple[bytes, bytes, bool]] = {
    "/length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0\r\n\r\nHTTP/1",
        b"0\r\n\r\nHTTP/1",
        False,
    ),
    "/chunks": (
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
        b"5;a=b\r\nhello\r\n0010\r\n\r\n world\r\n0\r\n\r\n!\r\n0\r\nX: y\r\n\r\n",
        b"hello\r\n world\r\n0\r\n\r\n!",
        False,
    ),
    "/early": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, b"ok", False),
    "/none": (b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", b"", False),
    "/login?length": (HTML + b"Content-Length: %d\r\n\r\n" % len(PAGE) + PAGE, PAGE, True),
    "/login?chunks": (
        HTML + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"a\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (PAGE[:10], len(PAGE) - 10, PAGE[10:]),
        PAGE,
        True,
    ),
    "/login?zipped": (
        HTML + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED) + ZIPPED,
        PAGE,
        True,
    ),
    # The last one: it ends with its connection.
    "/close": (b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello\r\n0\r\n\r\n", b"hello\r\n0\r\n\r\n", False),
}  # fmt: skip


async def body_of(browser: Browser, reply: Reply) -> bytes:
    """The body of a reply whose head has come, out of its framing and coding."""
    body = b""
    if reply.headers.get("transfer-encoding") == "chunked":
        while size := int(await browser.until(b"\r\n"), 16):
            body += (await browser.exactly(size + 2))[:-2]
        assert await browser.exactly(2) == b"\r\n"
    else:
        body = await browser.exactly(int(reply.headers.get("content-length", "0")))
    return gzip.decompress(body) if reply.headers.get("content-encoding") == "gzip" else body


async def conversation(world: World, cuts: list[int]) -> list[tuple[bytes, bytes]]:
    """All of `REPLIES` over one connection on each side, each split at these places: every head as
    the browser gets it, with what its body says."""

    async def script(call: Call) -> None:
        while True:
            target = (await call.head()).split(b" ")[1].decode()
            for piece in pieces_of(REPLIES[target][0], cuts):
                await call.say(piece)
                await asyncio.sleep(0)
            if target == "/close":
                return

    world.sonar.script = script
    before = len(world.sonar.calls)
    browser = await world.browser()
    got = []
    for target in REPLIES:
        await browser.say(get(target, LEGACY))
        head = await browser.head()
        if head.startswith(b"HTTP/1.1 103 "):
            head += await browser.head()
        got.append((head, await body_of(browser, Reply.of(head.split(b"\r\n\r\n")[-2]))))
    browser.close()
    assert len(world.sonar.calls) - before <= 1
    return got


@given(cuts=CUTS)
@example(cuts=list(range(400)))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_same_replies_however_they_are_split(world: World, cuts: list[int]) -> None:
    """Whatever frames them: a length, chunks, the end of the connection; whole pages that get a
    fragment, in plain bytes or zipped; and what comes before them."""
    whole = await conversation(world, [])
    for (_, body), (_, said, injected) in zip(whole, REPLIES.values(), strict=True):
        assert (b"/sso/login/google" in body) is injected
        # With the fragment taken out, every byte is as Sonar sent it.
        assert body == said or (
            injected and body.startswith(PAGE[:33]) and body.endswith(PAGE[33:])
        )
    assert await conversation(world, cuts) == whole


async def test_events_are_not_held_back(world: World) -> None:
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await go.wait()
        await call.say(b"data: 2\n\n")

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/events", LEGACY))
    await browser.until(b"data: 1\n\n\r\n")
    go.set()
    assert await browser.until(b"0\r\n\r\n") == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"


async def test_an_event_stream_that_was_held_up_may_be_quiet_again(world: World) -> None:
    def clients() -> list[Client]:
        return list(world.edge._shared.clients)

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while not clients()[0]._full:
            await call.say(b": " + b"x" * 10_000 + b"\n\n")
            await asyncio.sleep(0)
        await call.eof()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/events", LEGACY))
    await until(lambda: any(client._full for client in clients()))
    (client,) = clients()
    assert client.deadline < inf
    reading = asyncio.create_task(browser.eof())
    await until(lambda: not client._full)
    assert client.deadline == inf
    reading.cancel()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: text/event-stream\r\n",
        b"Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Type: application/zip\r\nContent-Length: 1000000\r\n",
        b"Content-Type: text/html\r\nContent-Length: 1000000\r\n",
    ],
)
async def test_a_reply_under_way_ends_with_its_session(world: World, head: bytes) -> None:
    part = b"7\r\npart 1\n\r\n" if b"chunked" in head else b"part 1\n"

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + part)
        await call.eof()

    world.sonar.script = script
    cookie, live = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/export", f"Cookie: {cookie}"))
    await browser.until(b"part 1\n")
    await until(lambda: live.closers)
    await world.sessions.end(live.session.key)
    with pytest.raises(ConnectionResetError):
        await browser.eof()
    await until(lambda: world.counters.connections_open == 0)
    assert not live.closers


async def test_a_reply_that_came_whole_leaves_nothing_at_its_session(world: World) -> None:
    """What most requests are costs nothing for this."""
    cookie, live = await world.sign_in()
    added: list[object] = []

    class Noted(set[object]):
        def add(self, closer: object) -> None:
            added.append(closer)

    live.closers = Noted()  # type: ignore[assignment]
    assert (await world.ask(get("/", f"Cookie: {cookie}"))).status == 200
    assert added == []


async def test_a_request_that_waits_for_its_reply_does_not_outlive_its_session(
    world: World,
) -> None:
    """Long polling: what would come is for somebody who may not have it any more."""

    async def script(call: Call) -> None:
        await call.head()
        await call.eof()

    world.sonar.script = script
    cookie, live = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/news", f"Cookie: {cookie}"))
    await until(lambda: world.sonar.heads)
    began = asyncio.get_running_loop().time()
    await world.sessions.end(live.session.key)
    reply = await browser.reply()
    assert (reply.status, reply.json["error"]) == (401, "session_expired")
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_body_on_its_way_up_does_not_outlive_its_session(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.eof()

    world.sonar.script = script
    cookie, live = await world.sign_in()
    browser = await world.browser()
    head = f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nCookie: {cookie}\r\n\r\n"
    await browser.say(head.encode() + b"part")
    await until(lambda: world.sonar.heads)
    await world.sessions.end(live.session.key)
    reply = await browser.reply()
    assert (reply.status, b"Connection: close\r\n" in reply.raw) == (401, True)


async def test_another_s_reply_goes_on(world: World) -> None:
    gate = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        await gate.wait()
        await call.say(b"other")

    world.sonar.script = script
    cookie, _ = await world.sign_in()
    _, ended = await world.sign_in()
    browser = await world.browser()
    await browser.say(get("/export", f"Cookie: {cookie}"))
    await browser.until(b"first")
    await world.sessions.end(ended.session.key)
    gate.set()
    assert await browser.exactly(5) == b"other"


# When upstream misbehaves.


async def test_nobody_listens(make_world: MakeWorld) -> None:
    world = await make_world(upstream={"url": "http://127.0.0.1:1"})
    page = await world.ask(get("/", LEGACY, "Accept: text/html"))
    assert page.status == 502
    assert b"Sonar does not answer" in page.body
    call = await world.ask(get("/", LEGACY))
    assert call.json["error"] == "upstream_unavailable"


@pytest.mark.parametrize(
    "reply",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000,
    ],
)
async def test_what_is_no_reply_becomes_502(world: World, reply: bytes) -> None:
    world.sonar.script = saying(reply)
    answer = await world.ask(get("/", LEGACY))
    assert answer.status == 502
    assert answer.json["error"] == "upstream_malformed"


async def test_a_connection_closed_without_a_reply_becomes_502(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()

    world.sonar.script = script
    assert (await world.ask(get("/", LEGACY))).json["error"] == "upstream_unavailable"
    assert len(world.sonar.calls) == 1  # a fresh connection is no stale one: no second try


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ],
)
async def test_half_a_reply_is_never_completed(world: World, beginning: bytes) -> None:
    world.sonar.script = saying(beginning)
    browser = await world.browser()
    await browser.say(get("/", LEGACY) + get("/second", LEGACY))
    head = await browser.head()
    assert head.startswith(b"HTTP/1.1 200 OK")
    rest = b""
    try:
        rest = await browser.eof()
    except ConnectionResetError:
        return
    assert not rest.endswith(b"0\r\n\r\n")
    assert b"HTTP/1.1" not in rest


async def test_half_a_reply_without_length_ends_in_a_reset(world: World) -> None:
    """To HTTP/1.0 a plain close would look like the end."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await until(lambda: world.counters.connections_open)
        call.cut()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(b"GET / HTTP/1.0\r\nCookie: SONARSESSID=1\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await browser.eof()


async def test_no_answer_in_time_becomes_504(make_world: MakeWorld) -> None:
    world = await make_world(upstream={"response_timeout": "1s"})

    async def script(call: Call) -> None:
        await call.head()
        await call.eof()

    world.sonar.script = script
    answer = await world.ask(get("/", LEGACY))
    assert (answer.status, answer.json["error"]) == (504, "upstream_timeout")
    await until(lambda: world.sonar.calls[0].reader.at_eof())


async def test_a_reply_that_stops_is_cut_off(make_world: MakeWorld) -> None:
    world = await make_world(upstream={"response_timeout": "1s"})

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await call.eof()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    await browser.head()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await browser.exactly(10)


# Early replies.


async def test_a_reply_before_the_request_has_ended(world: World) -> None:
    world.sonar.script = saying(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    browser = await world.browser()
    await browser.say(b"POST /" + USER + b"Content-Length: 1000000\r\n\r\nhello")
    reply = await browser.reply()
    assert (reply.status, reply.body) == (413, b"no")
    assert reply.headers["connection"] == "close"
    await browser.say(b"x" * 100_000 + get("/smuggled", LEGACY))
    assert await browser.eof() == b""
    assert not [head for head in world.sonar.heads if b"smuggled" in head]
    assert not world.edge._shared.sonar.pools[0]._idle


async def test_both_ways_at_once(world: World) -> None:
    """A reply may begin early and go on while the body still comes."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        await call.say(await call.body(5))
        await call.say(await call.body(5))

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(b"POST /" + USER + b"Content-Length: 10\r\n\r\n")
    await browser.head()
    await browser.say(b"hello")
    assert await browser.exactly(5) == b"hello"
    await browser.say(b"world")
    assert await browser.exactly(5) == b"world"
    assert await browser.eof() == b""


# Stale connections.


async def test_a_stale_connection_is_replaced_once(world: World) -> None:
    """The pool's connection dies as the request is written: nobody knows whether it arrived."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(OK)
        if call.number == 1:
            await call.head()
            call.cut()
        else:
            await call.head()
            await call.say(OK)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/1", LEGACY))
    await browser.reply()
    await browser.say(get("/2", LEGACY))
    assert (await browser.reply()).status == 200
    assert [head.split(b" ")[1] for head in world.sonar.heads] == [b"/1", b"/2", b"/2"]


async def test_and_not_twice(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        if call.number == 1:
            await call.say(OK)
            await call.head()
        call.cut()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/1", LEGACY))
    await browser.reply()
    await browser.say(get("/2", LEGACY))
    assert (await browser.reply()).status == 502
    assert len(world.sonar.calls) == 2


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /2" + USER + b"\r\n",
        b"POST /2" + USER + b"Content-Length: 5\r\n\r\nhello",
        b"PUT /2" + USER + b"Content-Length: 5\r\n\r\nhello",
        b"PATCH /2" + USER + b"\r\n",
    ],
)
async def test_what_could_be_done_twice_is_not_sent_twice(
    world: World, request_bytes: bytes
) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.say(OK)
        await call.head()
        call.cut()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/1", LEGACY))
    await browser.reply()
    await browser.say(request_bytes)
    assert (await browser.reply()).status == 502
    assert len(world.sonar.calls) == 1


async def test_what_could_be_done_twice_takes_no_old_connection(world: World) -> None:
    browser = await world.browser()
    await browser.say(get("/1", LEGACY))
    await browser.reply()
    (connection,) = world.edge._shared.sonar.pools[0]._idle
    connection.idle_since -= 2.0
    await browser.say(b"POST /2" + USER + b"\r\n")
    await browser.reply()
    assert len(world.sonar.calls) == 2


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"x", b"\r\nH"]
)
async def test_a_byte_too_many_is_nobodys_reply(world: World, surplus: bytes) -> None:
    """Response splitting: what comes after a reply must not answer the next person."""

    async def script(call: Call) -> None:
        await call.head()
        await call.say(OK + (surplus if call.number == 1 else b""))
        await call.head()
        await call.say(OK)

    world.sonar.script = script
    for _ in range(2):
        assert (await world.ask(get("/", LEGACY))).body == b"ok"
    assert len(world.sonar.calls) == 2


async def test_a_byte_that_comes_later_neither(world: World) -> None:
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(OK)
        if call.number == 1:
            await go.wait()
            await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            await call.eof()

    world.sonar.script = script
    assert (await world.ask(get("/", LEGACY))).body == b"ok"
    go.set()
    await until(lambda: not world.edge._shared.sonar.pools[0]._idle)
    assert (await world.ask(get("/", LEGACY))).body == b"ok"
    assert len(world.sonar.calls) == 2


async def test_a_browser_that_leaves_takes_its_request_along(world: World) -> None:
    async def script(call: Call) -> None:
        await call.head()
        await call.eof()

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    await until(lambda: world.sonar.heads)
    browser.close()
    await until(lambda: world.sonar.calls[0].reader.at_eof())
    (line,) = world.lines_of(1)
    assert line["status"] == 499


async def test_a_megabyte_through_in_both_directions(world: World) -> None:
    body = bytes(range(256)) * 4096 * 4

    async def script(call: Call) -> None:
        await call.head()
        assert await call.body(len(body)) == body
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        await call.say(body)

    world.sonar.script = script
    browser = await world.browser()
    browser.writer.write(b"POST /" + USER + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert (await browser.reply()).body == body


async def test_compressed_replies_stay_as_they_are(world: World) -> None:
    body = gzip.compress(b"hello" * 100)
    world.sonar.script = saying(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )
    reply = await world.ask(get("/", LEGACY, "Accept-Encoding: gzip"))
    assert reply.body == body
    assert reply.headers["content-encoding"] == "gzip"
