"""Connections held open on purpose, thousands of handshakes half done, and a gateway of several
processes that is told to stop, to restart, or loses a worker meanwhile."""

import asyncio
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.siege import Handshake, Siege, descriptors
from tests.certificates import Pair, make_pair
from tests.edge.world import PATIENCE, Browser, Call, get
from tests.workers.world import PUBLIC, Gateway, a_gateway, alive, until

PAIR = make_pair("localhost")
LARGE = 64 * 1024 * 1024
# Nobody's patience ends by itself during a test.
PATIENT = {"head_timeout": "60s", "body_timeout": "60s", "send_timeout": "60s"}
SHORT = {"head_timeout": "1s", "body_timeout": "1s", "send_timeout": "1s"}
# For a process to close what it has open, on a busy machine.
CLOSING_SECONDS = 3.0


class Held:
    """Sonar: what is asked for at /static/x/held is answered from `go` on; no connection to it is
    used twice, so that the gateway's descriptors are those of its browsers."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting = 0

    async def script(self, call: Call) -> None:
        path = (await call.head()).split(b" ")[1]
        size = LARGE if path.endswith(b"/large") else 2
        if path.endswith(b"/held"):
            self.waiting += 1
            await self.go.wait()
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
        call.writer.write(head.encode())
        for start in range(0, size, 1 << 20):
            await call.say(b"x" * min(size - start, 1 << 20))


@asynccontextmanager
async def besieged(folder: Path, workers: int = 2, **sections: Any) -> AsyncIterator[Gateway]:
    """A gateway that speaks TLS, started."""
    own = {"public_url": "https://localhost", "tls": PAIR.write(folder), "drain": "3s"}
    server = {**own, **sections.pop("server", {})}
    async with a_gateway(folder, workers=workers, server=server, **sections) as gateway:
        gateway.sonar.script = Held().script
        await gateway.start()
        yield gateway


def siege(gateway: Gateway, pair: Pair = PAIR, prelude: bytes = b"") -> Siege:
    return Siege(gateway, pair.trusted(), prelude)


async def served(browser: Browser) -> None:
    await browser.say(get(PUBLIC))
    assert (await browser.reply()).status == 200


async def in_flight(siege: Siege, gateway: Gateway, count: int) -> tuple[Held, list[Browser]]:
    """So many requests that Sonar has not answered yet."""
    held = Held()
    gateway.sonar.script = held.script
    browsers = [await siege.browser() for _ in range(count)]
    for browser in browsers:
        await browser.say(get(f"{PUBLIC}/held"))

    async def all_waiting() -> bool:
        return held.waiting == count

    await until(all_waiting)
    return held, browsers


async def nobody_inside(processes: dict[int, int]) -> None:
    """Until each process has as many descriptors as before."""

    def now() -> dict[int, int]:
        return {pid: descriptors(pid) for pid in processes}

    async def as_before() -> bool:
        return now() == processes

    await until(as_before, why=lambda: f"{processes} became {now()}")


async def at_rest(gateway: Gateway) -> dict[int, int]:
    """Descriptors by process, once they stay the same."""
    pids = [gateway.pid, *gateway.workers()]
    before: dict[int, int] = {}

    async def unchanged() -> bool:
        nonlocal before
        last, before = before, {pid: descriptors(pid) for pid in pids}
        await asyncio.sleep(0.1)
        return last == before

    await until(unchanged)
    return before


def nothing_broke(gateway: Gateway) -> None:
    """No worker hung, was killed or met an error that nobody foresaw."""
    said = gateway.said()
    for bad in ("worker_overdue", "worker_silent", "worker_failed", "Traceback", "Task exception"):
        assert bad not in said, said[-3000:]


async def test_whoever_holds_a_connection_on_purpose_is_let_go(tmp_path: Path) -> None:
    """After the time that `limits` give, to the last descriptor; who means well is served."""
    async with besieged(tmp_path, limits=SHORT) as gateway:
        before = await at_rest(gateway)
        async with siege(gateway) as strangers:
            await strangers.begin(20)
            async with siege(gateway) as friends:
                await served(await friends.browser())
            await nobody_inside(before)
        nothing_broke(gateway)


async def test_thousands_of_handshakes_half_done(tmp_path: Path) -> None:
    """They count as connections: beyond `limits.connections` they are turned away at once, and who
    is inside is served. When their time is over there is room again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    room, wave = 400, 2000
    limits = {"connections": room, "head_timeout": "3s", "idle_timeout": "60s"}
    async with besieged(tmp_path, limits=limits) as gateway:
        before = await at_rest(gateway)
        async with siege(gateway) as friends, siege(gateway) as strangers:
            inside = [await friends.browser() for _ in range(10)]
            await strangers.begin(wave // 2, Siege.silent, Siege.half_hello)

            async def turned_away() -> bool:
                full = await gateway.metric(
                    "sonar_gateway_rejected_total", reason="connections_full"
                )
                return full >= wave - 2 * room

            await until(turned_away)
            for browser in inside:
                await served(browser)
            for pid in gateway.workers():
                # Two for each handshake, one of them to say how it failed.
                assert descriptors(pid) <= before[pid] + 2 * room

            async def room_again() -> bool:
                try:
                    await served(await friends.browser())
                except OSError:
                    return False
                return True

            await until(room_again)
            for browser in inside:
                await served(browser)
        await nobody_inside(before)
        nothing_broke(gateway)


@pytest.mark.parametrize("workers", [1, 2])
async def test_stopping_takes_no_longer(tmp_path: Path, workers: int) -> None:
    """SIGTERM: what is under way is finished, and all ends within `server.drain`."""
    async with besieged(tmp_path, workers, limits=PATIENT) as gateway:
        processes = [gateway.pid, *gateway.workers()]
        async with siege(gateway) as strangers, siege(gateway) as friends:
            await strangers.begin(15)
            held, waiting = await in_flight(friends, gateway, 10)
            told = time.monotonic()
            gateway.signal(signal.SIGTERM)

            async def all_drain() -> bool:
                return gateway.said().count('"draining"') == len(processes)

            await until(all_drain)
            held.go.set()
            for browser in waiting:
                reply = await browser.reply()
                assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert await gateway.ended() == 0
            assert time.monotonic() - told < 3.0 + CLOSING_SECONDS
        assert not any(map(alive, processes))
        nothing_broke(gateway)


async def test_a_rolling_restart(tmp_path: Path) -> None:
    """SIGUSR2: the old workers end within `server.drain`, what they had under way is finished, the
    new ones serve, and the supervisor keeps nothing of those that went."""
    async with besieged(tmp_path, limits=PATIENT) as gateway:
        before = await at_rest(gateway)
        old = gateway.workers()
        async with siege(gateway) as strangers, siege(gateway) as friends:
            await strangers.begin(15)
            held, waiting = await in_flight(friends, gateway, 10)
            gateway.signal(signal.SIGUSR2)

            async def restarted() -> bool:
                return '"restarted"' in gateway.said()

            await until(restarted, why=gateway.said)
            told = time.monotonic()
            held.go.set()
            for browser in waiting:
                assert (await browser.reply()).status == 200

            async def gone() -> bool:
                return not any(map(alive, old))

            await until(gone, within=3.0 + CLOSING_SECONDS)
            assert time.monotonic() - told < 3.0 + CLOSING_SECONDS
            for _ in range(10):
                await served(await friends.browser())
        await nobody_inside({gateway.pid: before[gateway.pid]})
        assert len(set(gateway.workers()) - set(old)) == 2
        nothing_broke(gateway)


async def test_a_worker_that_dies(tmp_path: Path) -> None:
    """Another one takes its place, and those who were at the others keep what they have."""
    async with besieged(tmp_path, limits=PATIENT) as gateway:
        before = await at_rest(gateway)
        dies, stays = gateway.workers()
        async with siege(gateway) as strangers, siege(gateway) as friends:
            await strangers.begin(15)
            held, waiting = await in_flight(friends, gateway, 20)
            os.kill(dies, signal.SIGKILL)
            await until(gateway.all_ok, why=gateway.said)
            held.go.set()
            statuses = [await status_of(browser) for browser in waiting]
            # 20 of which one worker had all are two in a million.
            assert set(statuses) == {200, None}
            for _ in range(10):
                await served(await friends.browser())
        await nobody_inside({pid: before[pid] for pid in (gateway.pid, stays)})
        assert '"killed by SIGKILL"' in gateway.said()


async def status_of(browser: Browser) -> int | None:
    """Of the reply, or `None` when the connection broke."""
    try:
        return (await browser.reply()).status
    except (OSError, EOFError):
        return None


async def test_handshakes_half_done_end_with_the_certificate_they_began_with(
    tmp_path: Path,
) -> None:
    """SIGHUP: a new certificate in the middle."""
    async with besieged(tmp_path, limits=PATIENT) as gateway:
        async with siege(gateway) as strangers:
            await strangers.begin(10)
            begun = [await begin_handshake(gateway) for _ in range(10)]
            new = make_pair("localhost")
            new.write(tmp_path)
            gateway.signal(signal.SIGHUP)

            async def renewed() -> bool:
                return gateway.said().count('"certificate_reloaded"') == 2

            await until(renewed, why=gateway.said)
            for handshake, browser, flight in begun:
                await browser.say(handshake.step(flight))
                assert handshake.done
                browser.close()
        async with siege(gateway, new) as friends:
            for _ in range(10):
                await served(await friends.browser())
        nothing_broke(gateway)


async def begin_handshake(gateway: Gateway) -> tuple[Handshake, Browser, bytes]:
    """One that has the gateway's part, and has not gone on: what came of it."""
    handshake, browser = Handshake(PAIR.trusted()), await gateway.browser()
    await browser.say(handshake.step())
    async with asyncio.timeout(PATIENCE):
        return handshake, browser, await browser.reader.read(65536)


HALF = [b"PROXY TCP4 192.0.2.7 10.0.0.1 56", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00", b""]


@pytest.mark.parametrize("stop", [False, True])
async def test_half_a_proxy_header(tmp_path: Path, stop: bool) -> None:
    """Waited for as long as a handshake, and no longer than there is time to stop."""
    server = {"trusted_proxies": ["127.0.0.1/32"], "proxy_protocol": True}
    limits = PATIENT if stop else SHORT
    async with besieged(tmp_path, server=server, limits=limits) as gateway:
        before = await at_rest(gateway)
        for half in HALF:
            for _ in range(20):
                await (await gateway.browser()).say(half)

        async def all_in() -> bool:
            return sum(map(descriptors, before)) >= sum(before.values()) + 20 * len(HALF)

        await until(all_in)
        if stop:
            told = time.monotonic()
            assert await gateway.stop() == 0
            assert time.monotonic() - told < 3.0 + CLOSING_SECONDS
        else:
            await nobody_inside(before)
        nothing_broke(gateway)


async def test_connections_that_are_broken_off_at_every_moment(tmp_path: Path) -> None:
    """With a reset, after each byte of a handshake: nothing is left of them."""
    async with besieged(tmp_path) as gateway:
        before = await at_rest(gateway)
        hello = Handshake(PAIR.trusted()).step()
        for size in range(0, len(hello) + 1, 7):
            with socket.create_connection(("127.0.0.1", gateway.ports[0])) as sock:
                sock.sendall(hello[:size])
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await nobody_inside(before)
        async with siege(gateway) as friends:
            await served(await friends.browser())
        nothing_broke(gateway)
