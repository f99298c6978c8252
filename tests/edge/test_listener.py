"""Accepting connections: limits, running out of descriptors, the last ones."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from gateway.reasons import Reason
from tests.edge.conftest import MakeWorld
from tests.edge.world import PATIENCE, Browser, World, get
from tests.session.samples import until

LEGACY = "Cookie: SONARSESSID=1"


async def test_beyond_the_limit_of_connections(make_world: MakeWorld) -> None:
    world = await make_world(limits={"connections": 2})
    inside = [await world.browser() for _ in range(2)]
    await until(lambda: world.counters.connections_open == 2)
    late = await world.browser()
    reply = await late.reply()
    assert reply.status == 503
    assert reply.headers["retry-after"]
    assert b"very busy" in reply.body
    assert await late.eof() == b""
    assert world.counters.rejected[Reason.CONNECTIONS_FULL] == 1
    # who is inside is served
    await inside[0].say(get("/", LEGACY))
    assert (await inside[0].reply()).status == 200
    inside[1].close()
    await until(lambda: world.counters.connections_open == 1)
    assert (await world.ask(get("/", LEGACY))).status == 200


async def test_beyond_the_share_of_an_address(make_world: MakeWorld) -> None:
    world = await make_world(limits={"connections_per_address": 1})
    first = await world.browser()
    await until(lambda: world.counters.connections_open == 1)
    second = await world.browser()
    await second.say(get("/", LEGACY))
    reply = await second.reply()
    assert reply.status == 429
    assert b"connections_of_address" in reply.body
    first.close()
    await until(lambda: world.counters.connections_open == 0)
    assert (await world.ask(get("/", LEGACY))).status == 200


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("connections", Reason.CONNECTIONS_FULL),
        ("connections_per_address", Reason.CONNECTIONS_OF_ADDRESS),
    ],
)
async def test_turning_away_is_logged_once_a_minute(
    make_world: MakeWorld, capfd: pytest.CaptureFixture[str], limit: str, reason: Reason
) -> None:
    world = await make_world(limits={limit: 1})
    await world.browser()
    await until(lambda: world.counters.connections_open == 1)

    async def turned_away(times: int) -> int:
        """How often the log said so."""
        for _ in range(times):
            await (await world.browser()).reply()
        told = [line for line in capfd.readouterr().out.splitlines() if "refused" in line]
        assert all("connections_refused" in line and reason in line for line in told)
        assert all("client=127.0.0.1" in line and "connections=1" in line for line in told)
        return len(told)

    assert await turned_away(3) == 1
    assert await turned_away(3) == 0
    world.clock.pass_by(61)
    assert await turned_away(3) == 1
    assert world.counters.rejected[reason] == 9


async def test_a_trusted_proxy_has_no_share(make_world: MakeWorld) -> None:
    world = await make_world(
        limits={"connections_per_address": 1}, server={"trusted_proxies": ["127.0.0.1"]}
    )
    for _ in range(5):
        browser = await world.browser()
        await browser.say(get("/", LEGACY))
        assert (await browser.reply()).status == 200


async def test_every_connection_is_counted_out(make_world: MakeWorld) -> None:
    """Whatever ends it: the browser at once, with a reset, after a request, as a WebSocket."""
    world = await make_world(limits={"connections_per_address": 3})
    for number in range(12):
        browser = await world.browser()
        if number % 2:
            await browser.say(get("/", LEGACY))
            await browser.reply()
        if number % 3:
            browser.writer.transport.abort()
        else:
            browser.close()
        await until(lambda: world.edge._shared.admission.inside == 0)
    assert world.edge._shared.admission._by_address == {}
    assert world.counters.connections_open == 0


async def test_who_waits_when_the_gateway_stops_is_served(world: World) -> None:
    """Closing a socket resets what waits in its queue: it is accepted first."""
    listener = world.edge._listener
    assert listener is not None
    for sock in listener.sockets:
        asyncio.get_running_loop().remove_reader(sock)
    waiting = [await world.browser() for _ in range(100)]
    for browser in waiting:
        await browser.say(get("/", LEGACY))
    await world.edge.drain()
    for browser in waiting:
        reply = await browser.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")


async def test_who_came_last_and_asks_nothing_holds_up_nobody(make_world: MakeWorld) -> None:
    world = await make_world(server={"drain": "30s"})
    listener = world.edge._listener
    assert listener is not None
    for sock in listener.sockets:
        asyncio.get_running_loop().remove_reader(sock)
    browser = await world.browser()
    async with asyncio.timeout(PATIENCE):
        await world.edge.drain()
    assert await browser.eof() == b""


async def test_the_last_ones_have_no_more_time_than_draining(make_world: MakeWorld) -> None:
    """Half a PROXY header holds up nothing beyond `server.drain`."""
    world = await make_world(
        server={"drain": "0s", "trusted_proxies": ["127.0.0.1"], "proxy_protocol": True}
    )
    proxy = await world.browser()
    await proxy.say(b"PROXY TCP4 192.0.2.7")
    await until(lambda: world.edge._shared.admission.inside == 1)
    began = time.monotonic()
    await world.edge.drain()
    assert time.monotonic() - began < 0.5
    assert await proxy.eof() == b""
    await until(lambda: world.edge._shared.admission.inside == 0)


class Starving:
    """The process of starving.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.stdin, self.stdout = process.stdin, process.stdout

    async def line(self) -> list[str]:
        async with asyncio.timeout(4 * PATIENCE):
            while True:
                words = (await self.stdout.readline()).decode().split()
                # Between its answers it logs.
                if words and words[0].isdecimal():
                    return words

    async def tell(self, word: str) -> tuple[int, float]:
        """How often accepting has failed, and seconds of CPU."""
        self.stdin.write(f"{word}\n".encode())
        failed, seconds = await self.line()
        return int(failed), float(seconds)

    async def failed(self, times: int) -> tuple[int, float]:
        """Wait until accepting has failed that many times."""
        return await self.tell(f"failed {times}")


async def browse(port: int) -> Browser:
    return Browser(*await asyncio.open_connection("127.0.0.1", port))


@pytest.mark.parametrize("rounds", [2])
async def test_running_out_of_descriptors_is_survived(tmp_path: Path, rounds: int) -> None:
    """In a real process with a real limit: no busy loop, open connections go on, who waits is
    served as soon as there are descriptors again."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.edge.starving", str(tmp_path),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    gateway = Starving(process)
    try:
        port = int((await gateway.line())[0])
        inside = await browse(port)
        await inside.say(get("/"))
        assert (await inside.reply()).status == 401
        for number in range(rounds):
            before, _ = await gateway.tell("starve")
            waiting = await browse(port)
            await waiting.say(get("/"))
            begun = time.monotonic()
            first, cpu = await gateway.failed(before + 1)
            after, cpu_after = await gateway.failed(first + 4)
            elapsed = time.monotonic() - begun
            # at most one attempt a tick of the clock
            assert after - before <= elapsed / 0.25 + 2
            assert cpu_after - cpu < 0.5 * elapsed
            await inside.say(get("/"))
            assert (await inside.reply()).status == 401
            # No descriptor for a connection to Sonar, but for the one that is there from before.
            await inside.say(get("/", LEGACY))
            assert (await inside.reply()).status == (503 if number == 0 else 200)
            await gateway.tell("feed")
            await inside.say(get("/", LEGACY))
            assert (await inside.reply()).status == 200
            assert (await waiting.reply()).status == 401
            waiting.close()
        inside.close()
        gateway.stdin.close()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
