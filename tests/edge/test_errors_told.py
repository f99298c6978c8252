"""Each error that the edge itself tells: by a short page or in JSON, as the client asks."""

import os
import resource
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.edge.conftest import MakeWorld
from tests.edge.world import Call, Reply, World
from tests.session.samples import until

# Longer than each time limit.
LONG = 100.0
SHORT = 4096

Told = Callable[[MakeWorld, str], Awaitable[Reply]]


def asking(accept: str, line: str = "GET /", *more: str) -> bytes:
    lines = (f"{line} HTTP/1.1", "Host: a", "Cookie: SONARSESSID=1", f"Accept: {accept}", *more)
    return "\r\n".join((*lines, "", "")).encode()


async def silent(call: Call) -> None:
    await call.eof()


async def told(world: World, *pieces: bytes) -> Reply:
    browser = await world.browser()
    for piece in pieces:
        await browser.say(piece)
    return await browser.reply()


async def slow_head(make_world: MakeWorld, accept: str) -> Reply:
    world = await make_world()
    browser = await world.browser()
    await browser.say(asking(accept, "GET /", "X-Slow: ")[:-4])
    await until(lambda: any(client._head_due for client in world.edge._shared.clients))
    world.clock.pass_by(LONG)
    return await browser.reply()


async def slow_body(make_world: MakeWorld, accept: str) -> Reply:
    world = await make_world()
    world.sonar.script = silent
    browser = await world.browser()
    await browser.say(asking(accept, "POST /", "Content-Length: 5") + b"he")
    await until(lambda: world.sonar.calls)
    # What is due is the body, no more the connection to Sonar.
    (client,) = world.edge._shared.clients
    await until(lambda: client.deadline - world.clock() <= world.config.limits.body_timeout)
    world.clock.pass_by(world.config.limits.body_timeout + 1)
    return await browser.reply()


async def long_body(make_world: MakeWorld, accept: str) -> Reply:
    return await told(await make_world(), asking(accept, "POST /", "Content-Length: 99999999999"))


async def long_body_in_chunks(make_world: MakeWorld, accept: str) -> Reply:
    world = await make_world(limits={"body": "1000B"})
    world.sonar.script = silent
    head = asking(accept, "POST /", "Transfer-Encoding: chunked")
    return await told(world, head, b"%x\r\n%b\r\n" % (1001, b"x" * 1001))


async def long_line(make_world: MakeWorld, accept: str) -> Reply:
    return await told(await make_world(), asking(accept, "GET /" + "x" * 9000))


async def long_headers(make_world: MakeWorld, accept: str) -> Reply:
    return await told(await make_world(), asking(accept, "GET /", "Cookie: " + "x" * 100_000))


async def unreachable(make_world: MakeWorld, accept: str) -> Reply:
    world = await make_world()
    await world.sonar.stop()
    return await told(world, asking(accept))


async def malformed(make_world: MakeWorld, accept: str) -> Reply:
    world = await make_world()

    async def nonsense(call: Call) -> None:
        await call.head()
        await call.say(b"nonsense\r\n\r\n")

    world.sonar.script = nonsense
    return await told(world, asking(accept))


async def unanswered(make_world: MakeWorld, accept: str) -> Reply:
    world = await make_world()
    world.sonar.script = silent
    browser = await world.browser()
    await browser.say(asking(accept))
    await until(lambda: world.sonar.calls)
    (client,) = world.edge._shared.clients
    await until(lambda: client.deadline - world.clock() <= world.edge._shared.response_timeout)
    world.clock.pass_by(LONG)
    return await browser.reply()


async def one_too_many(make_world: MakeWorld, accept: str, limit: str) -> Reply:
    world = await make_world(limits={limit: 1})
    await world.browser()
    await until(lambda: world.counters.connections_open == 1)
    return await told(world, asking(accept))


async def full(make_world: MakeWorld, accept: str) -> Reply:
    return await one_too_many(make_world, accept, "connections")


async def full_for_this_address(make_world: MakeWorld, accept: str) -> Reply:
    return await one_too_many(make_world, accept, "connections_per_address")


@contextmanager
def no_descriptors() -> Iterator[None]:
    """This process cannot open anything."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def without_descriptors(make_world: MakeWorld, accept: str) -> Reply:
    """None is left for a connection to Sonar."""
    world = await make_world()
    browser = await world.browser()
    await until(lambda: world.counters.connections_open == 1)
    with no_descriptors():
        await browser.say(asking(accept))
        return await browser.reply()


@pytest.mark.parametrize(("accept", "kind"), [
    ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
    ("application/json", "application/json"),
    ("*/*", "application/json"),
])  # fmt: skip
@pytest.mark.parametrize(
    ("told_by", "status", "reason"),
    [
        (slow_head, 408, "request_too_slow"),
        (slow_body, 408, "request_too_slow"),
        (long_body, 413, "body_too_large"),
        (long_body_in_chunks, 413, "body_too_large"),
        (long_line, 414, "request_too_large"),
        (full_for_this_address, 429, "connections_of_address"),
        (long_headers, 431, "request_too_large"),
        (unreachable, 502, "upstream_unavailable"),
        (malformed, 502, "upstream_malformed"),
        (full, 503, "connections_full"),
        (without_descriptors, 503, "connections_full"),
        (unanswered, 504, "upstream_timeout"),
    ],
)
async def test_as_the_client_asks(
    make_world: MakeWorld, told_by: Told, status: int, reason: str, accept: str, kind: str
) -> None:
    reply = await told_by(make_world, accept)
    assert (reply.status, reply.headers["content-type"]) == (status, kind)
    assert len(reply.body) < SHORT
    if kind == "application/json":
        assert reply.json["error"] == reason
        assert reply.json["way_out"]
    else:
        assert f"{status} &middot; {reason} &middot; ".encode() in reply.body
        assert b"<h1>" in reply.body
