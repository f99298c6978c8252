"""One browser connection over real sockets: order, framing, back-pressure, deadlines."""

import asyncio
import re
import socket
import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.edge.conftest import MakeWorld
from tests.edge.world import OK, Call, Reply, World, always_ok, get, held, settled
from tests.session.samples import until

LEGACY = "Cookie: SONARSESSID=1"


async def test_keep_alive_on_both_sides(world: World) -> None:
    browser = await world.browser()
    for number in range(5):
        await browser.say(get(f"/{number}", LEGACY))
        assert (await browser.reply()).body == b"ok"
    assert len(world.sonar.calls) == 1
    assert [head.split(b" ")[1] for head in world.sonar.heads] == [
        b"/0",
        b"/1",
        b"/2",
        b"/3",
        b"/4",
    ]


async def test_connection_close(world: World) -> None:
    browser = await world.browser()
    await browser.say(get("/", LEGACY, "Connection: close"))
    reply = await browser.reply()
    assert reply.headers["connection"] == "close"
    assert await browser.eof() == b""


async def test_http_1_0_closes_unless_asked_to_keep(world: World) -> None:
    browser = await world.browser()
    await browser.say(b"GET / HTTP/1.0\r\nCookie: SONARSESSID=1\r\nConnection: keep-alive\r\n\r\n")
    reply = await browser.reply()
    assert reply.headers["connection"] == "keep-alive"
    await browser.say(b"GET / HTTP/1.0\r\nCookie: SONARSESSID=1\r\n\r\n")
    reply = await browser.reply()
    assert reply.headers["connection"] == "close"
    assert await browser.eof() == b""
    assert b"Host: localhost:8080\r\n" in world.sonar.calls[0].seen


async def test_pipelined_requests_are_answered_in_order(world: World) -> None:
    async def script(call: Call) -> None:
        while True:
            path = (await call.head()).split(b" ")[1]
            if path == b"/1":
                await until(lambda: len(world.sonar.calls) == 1)
            await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(b"".join(get(f"/{number}", LEGACY) for number in range(50)))
    for number in range(50):
        assert (await browser.reply()).body == f"/{number}".encode()


async def test_pipelined_requests_wait_for_each_other(world: World) -> None:
    """The second is not even sent before the first is answered."""
    answer = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await answer.wait()
        await call.say(OK)
        await call.head()
        await call.say(OK)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/1", LEGACY) + get("/2", LEGACY) + get("/sso/x"))
    await until(lambda: world.sonar.heads)
    assert len(world.sonar.heads) == 1
    answer.set()
    for _ in range(2):
        assert (await browser.reply()).status == 200
    assert (await browser.reply()).status == 200
    assert len(world.portal.heads) == 1


async def test_a_bad_request_after_good_ones_is_answered_in_its_turn(world: World) -> None:
    browser = await world.browser()
    await browser.say(get("/1", LEGACY) + get("/2", LEGACY) + b"GARBAGE\r\n\r\n")
    assert (await browser.reply()).status == 200
    assert (await browser.reply()).status == 200
    assert (await browser.reply()).status == 400
    assert await browser.eof() == b""


USER = b" HTTP/1.1\r\nHost: a\r\nCookie: SONARSESSID=1\r\n"
POSTS = [
    b"POST /p" + USER + b"Content-Length: 11\r\n\r\nhello world",
    b"POST /c" + USER + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
]
CONVERSATION = (
    get("/1", LEGACY) + POSTS[0] + get("/static/x") + POSTS[1] + get("/nobody") + POSTS[0]
)


async def echo(call: Call) -> None:
    """Answer with method, path and body."""
    while True:
        head = await call.head()
        body = b""
        if found := re.search(rb"content-length: (\d+)", head.lower()):
            body = await call.body(int(found[1]))
        elif b"Transfer-Encoding: chunked" in head:
            while (size := int((await call.until(b"\r\n"))[:-2], 16)) > 0:
                body += (await call.body(size + 2))[:-2]
            await call.body(2)
        text = b" ".join(head.split(b" ")[:2]) + b" " + body
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))


@given(cuts=st.lists(st.integers(0, 2**16), max_size=6))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_the_same_answers_however_the_stream_is_split(world: World, cuts: list[int]) -> None:
    world.sonar.script = echo
    browser = await world.browser()
    places = sorted({0, len(CONVERSATION), *(cut % len(CONVERSATION) for cut in cuts)})
    for start, end in pairwise(places):
        await browser.say(CONVERSATION[start:end])
        await asyncio.sleep(0)
    bodies = [(await browser.reply()).body for _ in range(6)]
    assert bodies[:4] == [
        b"GET /1 ",
        b"POST /p hello world",
        b"GET /static/x ",
        b"POST /c hello world",
    ]
    assert b"not_signed_in" in bodies[4]
    assert bodies[5] == b"POST /p hello world"
    browser.close()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: \x01\r\n\r\n", 400),
        (b"GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a%5cb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /static/..;/b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nCookie: a=" + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417),
    ],
)  # fmt: skip
async def test_the_ambiguous_is_refused_and_goes_nowhere(
    world: World, request_bytes: bytes, status: int
) -> None:
    browser = await world.browser()
    smuggled = get("/smuggled", LEGACY)
    await browser.say(request_bytes + smuggled)
    reply = await browser.reply()
    assert reply.status == status
    assert reply.headers["connection"] == "close"
    assert await browser.eof() == b""
    assert world.sonar.heads == []


async def test_cookies_that_piled_up_get_a_clear_answer(world: World) -> None:
    browser = await world.browser()
    await browser.say(get("/", "Accept: text/html", "Cookie: " + "x=y; " * 20_000))
    reply = await browser.reply()
    assert reply.status == 431
    assert b"Delete the cookies" in reply.body
    assert await browser.eof() == b""


async def test_the_reply_is_read_although_much_was_still_coming(world: World) -> None:
    """A reset would take the reply away before it is read: the rest is read and thrown away."""
    browser = await world.browser()
    browser.writer.write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
    reply = await browser.reply()
    assert reply.status == 401
    assert reply.headers["connection"] == "close"
    browser.writer.write(b"x" * 1_000_000)
    assert await browser.eof() == b""


async def test_who_catches_up_with_its_last_reply_is_let_go_soon(world: World) -> None:
    """Closed already, with the last of the reply still on its way: what comes after that is read
    and thrown away for a moment, and not for as long as a reply may take."""
    browser = await world.browser()
    await browser.say(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert (await browser.reply()).status == 401
    assert await browser.eof() == b""
    (client,) = world.edge._shared.clients
    due = client.deadline
    assert due - time.monotonic() < 3
    client.resume_writing()  # as the event loop does, when it depends on the kernel
    assert client.deadline == due


async def test_a_small_body_of_a_refused_request_costs_no_connection(world: World) -> None:
    browser = await world.browser()
    await browser.say(
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get("/", LEGACY)
    )
    assert (await browser.reply()).status == 401
    assert (await browser.reply()).status == 200


async def test_a_slow_head_gets_408(make_world: MakeWorld) -> None:
    world = await make_world(limits={"head_timeout": "1s"})
    browser = await world.browser()
    await browser.say(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow")
    assert (await browser.reply()).status == 408
    assert await browser.eof() == b""


async def test_dripping_a_head_does_not_help(make_world: MakeWorld) -> None:
    """Each byte in time, the whole too late: the deadline is the head's."""
    world = await make_world(limits={"head_timeout": "1s"})
    browser = await world.browser()

    async def drip() -> None:
        while True:
            await browser.say(b"G" if not browser.writer.is_closing() else b"")
            await asyncio.sleep(0.05)

    await browser.say(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    dripping = asyncio.create_task(drip())
    assert (await browser.reply()).status == 408
    dripping.cancel()


async def test_an_idle_connection_is_closed_when_its_time_is_over(make_world: MakeWorld) -> None:
    """Not before; and a request begins it anew."""
    world = await make_world(limits={"idle_timeout": "10m"})
    idle, used = await world.browser(), await world.browser()
    await until(lambda: world.counters.connections_open == 2)
    world.clock.pass_by(590)
    for browser in (idle, used):
        await browser.say(get("/", LEGACY))
        assert (await browser.reply()).status == 200
    world.clock.pass_by(300)
    await used.say(get("/", LEGACY))
    assert (await used.reply()).status == 200
    world.clock.pass_by(301)
    assert await idle.eof() == b""
    await used.say(get("/", LEGACY))
    assert (await used.reply()).status == 200
    world.clock.pass_by(601)
    assert await used.eof() == b""
    await until(lambda: world.counters.connections_open == 0)


async def test_empty_lines_win_no_time(world: World) -> None:
    world.edge._shared.idle_seconds = 0.5
    browser = await world.browser()
    closed = asyncio.create_task(browser.eof())
    deadline = time.monotonic() + 5
    while not closed.done():
        assert time.monotonic() < deadline
        await browser.say(b"\r\n")
        await asyncio.wait([closed], timeout=0.05)
    # With a reset, if one more line met the closed connection.
    with suppress(ConnectionResetError):
        assert closed.result() == b""


async def test_empty_lines_sent_ahead_of_the_end_of_a_stream_win_no_time(world: World) -> None:
    """A stream of events may take its time, and what comes after it may not."""
    world.edge._shared.idle_seconds = 0.5
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await call.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1\r\n.\r\n"
        )
        await go.wait()
        await call.say(b"0\r\n\r\n")

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    await browser.until(b".\r\n")
    await browser.say(b"\r\n")
    (client,) = world.edge._shared.clients
    await until(lambda: client._intake.waiting == 2)
    go.set()
    assert await browser.eof() == b"0\r\n\r\n"


async def test_a_body_that_does_not_come_gets_408(make_world: MakeWorld) -> None:
    world = await make_world(limits={"body_timeout": "1s"})
    world.sonar.script = echo
    browser = await world.browser()
    await browser.say(
        b"POST / HTTP/1.1\r\nHost: a\r\nCookie: SONARSESSID=1\r\nContent-Length: 5\r\n\r\nhe"
    )
    reply = await browser.reply()
    assert (reply.status, reply.json["error"]) == (408, "request_too_slow")
    assert await browser.eof() == b""
    await until(lambda: world.sonar.calls[0].reader.at_eof())


async def test_dripping_a_body_does_not_help(make_world: MakeWorld) -> None:
    """A byte now and then, each in time: it is the rate that counts."""
    world = await make_world(limits={"body_timeout": "1s", "body_rate": "1KiB"})
    world.sonar.script = echo
    browser = await world.browser()

    async def drip() -> None:
        while True:
            await browser.say(b"x")
            await asyncio.sleep(0.05)

    begun = time.monotonic()
    await browser.say(POSTS[0][: POSTS[0].index(b"Content")] + b"Content-Length: 5000\r\n\r\n")
    dripping = asyncio.create_task(drip())
    assert (await browser.reply()).status == 408
    dripping.cancel()
    assert time.monotonic() - begun < 2.0


async def test_a_body_that_keeps_its_rate_may_take_long(make_world: MakeWorld) -> None:
    """Longer in all than the time limit of a body, and never behind."""
    world = await make_world(limits={"body_timeout": "1s", "body_rate": "1KiB"})
    world.sonar.script = echo
    browser = await world.browser()
    pieces = 30
    length = b"Content-Length: %d\r\n\r\n" % (pieces * 200)
    await browser.say(POSTS[0][: POSTS[0].index(b"Content")] + length)
    begun = time.monotonic()
    for _ in range(pieces):
        await browser.say(b"x" * 200)
        await asyncio.sleep(0.06)
    assert (await browser.reply()).status == 200
    assert time.monotonic() - begun > 1.5


async def test_a_body_that_waits_for_sonar_is_not_too_slow(make_world: MakeWorld) -> None:
    """Whoever is held back by Sonar does not pay for it."""
    world = await make_world(limits={"body_timeout": "1s"})
    go = asyncio.Event()
    size = 20_000_000

    world.sonar.script = held(go, body=size)
    browser = await world.browser()
    head = f"POST / HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\nContent-Length: {size}\r\n\r\n"
    browser.writer.write(head.encode() + b"x" * size)
    asyncio.get_running_loop().call_later(1.6, go.set)
    assert (await browser.reply()).status == 200


async def test_a_body_that_says_it_is_too_large_reaches_nobody(make_world: MakeWorld) -> None:
    world = await make_world(limits={"body": "1KiB"})
    browser = await world.browser()
    post = f"POST /x HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\nExpect: 100-continue\r\n"
    await browser.say(f"{post}Content-Length: 1025\r\n\r\n".encode())
    reply = await browser.reply()
    assert (reply.status, reply.json["error"]) == (413, "body_too_large")
    assert await browser.eof() == b""
    assert world.sonar.heads == []


@pytest.mark.parametrize("chunk", [1, 100, 5000])
async def test_a_chunked_body_is_counted(make_world: MakeWorld, chunk: int) -> None:
    """Sonar gets no more than the limit, and never the end that would make it whole."""
    world = await make_world(limits={"body": "1000B"})
    world.sonar.script = echo
    browser = await world.browser()
    head = f"POST /x HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"%x\r\n%b\r\n" % (chunk, b"y" * chunk)
    await browser.say(head.encode())
    browser.writer.write(piece * (1 + 1000 // chunk) + b"0\r\n\r\n")
    reply = await browser.reply()
    assert (reply.status, reply.json["error"]) == (413, "body_too_large")
    if world.sonar.calls:
        await until(lambda: world.sonar.calls[0].reader.at_eof())
        assert b"\r\n0\r\n\r\n" not in world.sonar.calls[0].seen
        assert world.sonar.calls[0].seen.count(b"y") <= 1000


async def test_a_chunked_body_at_the_limit_passes(make_world: MakeWorld) -> None:
    world = await make_world(limits={"body": "11B"})
    world.sonar.script = echo
    browser = await world.browser()
    await browser.say(POSTS[1])
    assert (await browser.reply()).body == b"POST /c hello world"


@pytest.mark.parametrize(("accept", "kind"), [
    ("text/html,*/*;q=0.8", "text/html; charset=utf-8"), ("*/*", "application/json"),
    ("application/json", "application/json"),
])  # fmt: skip
@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("GET /a%2fb HTTP/1.1", "", 400),
        ("GET / HTTP/1.1", "Content-Length: x\r\n", 400),
        ("GET / HTTP/1.1", "B: c\r\nA : b\r\n", 400),
        ("GET / HTTP/1.1", "Cookie: " + "x" * 100_000 + "\r\n", 431),
        ("GET / HTTP/1.1", "A: b\r\n" * 200, 431),
        ("POST / HTTP/1.1", "Content-Length: 99999999999\r\n", 413),
        ("TRACE / HTTP/1.1", "", 405),
        ("HEAD /a%2fb HTTP/1.1", "", 400),
    ],
)
async def test_told_as_asked_for(
    world: World, line: str, more: str, status: int, accept: str, kind: str
) -> None:
    """Also where the head could not be understood: what came of it says page or JSON."""
    browser = await world.browser()
    await browser.say(f"{line}\r\nHost: a\r\nAccept: {accept}\r\n{more}\r\n".encode())
    head_only = line.startswith("HEAD")
    reply = await browser.reply(head_only=head_only)
    assert (reply.status, reply.headers["content-type"]) == (status, kind)
    if not head_only:
        assert b"reload" in reply.body or b"try again" in reply.body or b"support" in reply.body
    assert await browser.eof() == b""


async def test_a_slow_head_is_told_as_it_asked_so_far(make_world: MakeWorld) -> None:
    world = await make_world(limits={"head_timeout": "1s"})
    program, person = await world.browser(), await world.browser()
    await program.say(b"GET / HTTP/1.1\r\nAccept: */*\r\nX-Slow: ")
    await person.say(b"GET / HTTP/1.1\r\nAccept: text/html\r\nX-Slow: ")
    assert (await program.reply()).json["error"] == "request_too_slow"
    assert b"did not arrive in time" in (await person.reply()).body


async def test_requests_sent_ahead_are_bounded(make_world: MakeWorld) -> None:
    """What is beyond the limit stays in the network: the browser cannot send it."""
    world = await make_world(limits={"pipelined": "4KiB"})
    world.narrow()
    go = asyncio.Event()

    async def script(call: Call) -> None:
        await call.head()
        await go.wait()
        await call.say(OK)
        await always_ok(call)

    world.sonar.script = script
    browser = await world.browser()
    count = 200_000
    browser.writer.write(get("/", LEGACY) + get("/static/x") * count)
    await until(lambda: world.sonar.heads)
    left = await settled(browser.writer.transport.get_write_buffer_size)
    assert left > count * len(get("/static/x")) // 3
    (client,) = world.edge._shared.clients
    assert client._intake.waiting < 600_000  # what one read of the event loop can bring
    assert len(client.get_buffer(-1)) == 64 * 1024  # and it is read in the smallest pieces
    assert len(world.sonar.heads) == 1
    go.set()
    for _ in range(100):
        assert (await browser.reply()).status == 200


async def test_a_browser_that_does_not_read_holds_upstream_not_memory(world: World) -> None:
    world.narrow()
    sent = 0

    async def script(call: Call) -> None:
        nonlocal sent
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            await call.say(b"x" * 100_000)
            sent += 100_000

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    head = await browser.head()
    assert Reply.of(head).status == 200
    await settled(lambda: sent)
    assert sent < 40_000_000  # kernel buffers and ours, not the whole
    for _ in range(500):
        await browser.exactly(100_000)
    await until(lambda: sent == 50_000_000)


async def test_a_browser_that_does_not_read_holds_up_nobody_else(world: World) -> None:
    """Its last reply came from upstream at once and whole; the connection serves the next one."""
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000

    async def script(call: Call) -> None:
        while True:
            await call.say(large if b"/large" in await call.head() else OK)

    world.sonar.script = script
    slow = await world.browser()
    slow.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.writer.write(get("/static/large") * 200)
    await settled(lambda: len(world.sonar.heads))
    assert len(world.sonar.heads) < 200
    for _ in range(3):
        assert (await world.ask(get("/static/small"))).status == 200
    assert len(world.sonar.calls) == 1


async def test_a_browser_that_never_reads_is_given_up(make_world: MakeWorld) -> None:
    world = await make_world(limits={"send_timeout": "1s"})

    async def script(call: Call) -> None:
        await call.head()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        while True:
            await call.say(b"x" * 100_000)

    world.sonar.script = script
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    await browser.head()
    await until(lambda: world.counters.connections_open == 0)


async def test_an_upload_waits_for_upstream(world: World) -> None:
    world.narrow()
    go = asyncio.Event()
    size = 30_000_000

    world.sonar.script = held(go, body=size)
    browser = await world.browser()
    head = f"POST / HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\nContent-Length: {size}\r\n\r\n"
    browser.writer.write(head.encode() + b"x" * size)
    left = await settled(browser.writer.transport.get_write_buffer_size)
    assert left > size // 3  # the gateway did not take it all in
    go.set()
    assert (await browser.reply()).status == 200


async def test_an_idle_connection_keeps_no_reader(world: World) -> None:
    browser = await world.browser()
    await browser.say(get("/", LEGACY))
    await browser.reply()
    (client,) = world.edge._shared.clients
    await until(lambda: client._intake._reader is None)
    await browser.say(get("/", LEGACY))
    assert (await browser.reply()).status == 200


async def test_the_second_head_has_a_deadline_too(make_world: MakeWorld) -> None:
    world = await make_world(limits={"head_timeout": "1s"})
    browser = await world.browser()
    request = get("/", LEGACY)
    await browser.say(request[:20])
    await until(lambda: any(client._head_due for client in world.edge._shared.clients))
    await browser.say(request[20:])
    assert (await browser.reply()).status == 200
    await browser.say(request[:20])
    assert (await browser.reply()).status == 408


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("GET /a%2fb HTTP/1.1", "", 400),
        ("TRACE / HTTP/1.1", "", 405),
        ("GET / HTTP/1.1", "Host: b\r\n", 400),
        ("GET / HTTP/1.1", "Expect: x\r\n", 417),
        ("POST / HTTP/1.1", "Content-Length: 99999999999\r\n", 413),
    ],
)
@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("X-Forwarded-For: 192.0.2.9", "192.0.2.9"),
        ("X-Forwarded-For: 203.0.113.1, 192.0.2.9", "192.0.2.9"),
        ("Forwarded: for=192.0.2.9;proto=https", "192.0.2.9"),
        ("Forwarded: for=192.0.2.9;proto=https\r\nX-Forwarded-For: 192.0.2.9", "192.0.2.9"),
        # It wrote one of them, and its client the other.
        ("Forwarded: for=192.0.2.8\r\nX-Forwarded-For: 192.0.2.9", "127.0.0.1"),
        ("X-Forwarded-For: nonsense", "127.0.0.1"),
        ("X: y", "127.0.0.1"),
    ],
)
async def test_what_is_refused_is_logged_with_the_client_that_a_proxy_tells(
    trusting: World, line: str, more: str, status: int, forwarded: str, client: str
) -> None:
    for number in (1, 2):
        # The second time the headers are remembered.
        request = f"{line}\r\nHost: a\r\n{forwarded}\r\n{more}\r\n"
        assert (await trusting.ask(request.encode())).status == status
        logged = trusting.lines_of(number)[-1]
        assert (logged["status"], logged["client"]) == (status, client)


@pytest.fixture
async def trusting(make_world: MakeWorld) -> World:
    return await make_world(server={"trusted_proxies": ["127.0.0.1"]})


async def test_an_unreadable_head_is_logged_with_the_peer(trusting: World) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.9\r\nA : b\r\n\r\n"
    assert (await trusting.ask(request)).status == 400
    assert trusting.lines_of(1)[0]["client"] == "127.0.0.1"


async def test_who_is_not_trusted_is_not_believed_in_the_log_either(world: World) -> None:
    reply = await world.ask(get("/a%2fb", "X-Forwarded-For: 192.0.2.9", "Forwarded: for=192.0.2.9"))
    assert reply.status == 400
    assert world.lines_of(1)[0]["client"] == "127.0.0.1"
