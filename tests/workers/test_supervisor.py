"""Several real processes behind one port: started, killed, stuck, restarted, stopped."""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.edge.websocket import GOING_AWAY
from tests.edge.world import Browser, Call, Reply, get
from tests.workers.load import Load
from tests.workers.world import (
    PUBLIC,
    ROOT,
    START_WITHIN,
    Gateway,
    a_gateway,
    alive,
    free_port,
    tells_process,
    until,
)


async def one_on_each(gateway: Gateway) -> dict[str, Browser]:
    """A connection to each of the two workers, by what tells them apart."""
    found: dict[str, Browser] = {}
    while len(found) < 2:
        browser = await gateway.browser()
        await browser.say(get(PUBLIC))
        found.setdefault((await browser.reply()).headers["x-process"], browser)
    return found


async def works(browser: Browser) -> bool:
    """Whether a request on this connection is answered."""
    try:
        await browser.say(get(PUBLIC))
        return (await browser.reply()).status == 200
    except (ConnectionError, EOFError):
        return False


async def test_connections_are_spread(gateway: Gateway) -> None:
    """By the kernel, and evenly: 100 of which one worker gets less than 20 are one in 10⁹."""
    seen: list[str] = [(await gateway.ask(get(PUBLIC))).headers["x-process"] for _ in range(100)]
    assert len(set(seen)) == 2
    assert min(seen.count(process) for process in set(seen)) >= 20


async def test_a_worker_that_dies_is_replaced_and_the_others_do_not_notice(
    gateway: Gateway,
) -> None:
    held = await one_on_each(gateway)
    before = set(gateway.workers())
    counted = 0.0

    async def counts() -> float:
        """What all have counted; it never goes down. Each worker tells once a second."""
        nonlocal counted
        now = await gateway.metric("sonar_gateway_requests_total", kind="public")
        assert now >= counted
        counted = now
        return now

    async def both_told() -> bool:
        return await counts() >= 2 and gateway.sonar_asked == await counts()

    await until(both_told)
    os.kill(gateway.workers()[0], signal.SIGKILL)
    # Also those that were on their way to the one that died.
    for _ in range(50):
        assert (await gateway.ask(get(PUBLIC))).status == 200
        await counts()
    assert [await works(browser) for browser in held.values()].count(True) == 1
    await until(gateway.all_ok, why=gateway.said)
    after = set(gateway.workers())
    assert len(after) == 2
    assert len(after & before) == 1

    async def nothing_forgotten() -> bool:
        return await counts() == gateway.sonar_asked

    await until(nothing_forgotten)
    (event,) = [one for one in gateway.events() if one["event"] == "worker_ended"]
    assert (event["exit"], event["again_in"]) == (-signal.SIGKILL, 0.0)
    assert event["why"] == "killed by SIGKILL"


async def test_one_that_dies_again_at_once_is_waited_for_and_the_others_stand_in(
    gateway: Gateway,
) -> None:
    other = gateway.workers()[1]

    def waits() -> list[float]:
        return [one["again_in"] for one in gateway.events() if one["event"] == "worker_ended"]

    async def killed() -> bool:
        for pid in gateway.workers():
            # One listed a moment ago may have been buried since.
            if pid != other:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return len(waits()) >= 4

    await until(killed)
    assert waits()[:4] == [0.0, 0.5, 1.0, 2.0]
    # Two seconds in which nobody is in its place.
    status, answer = await gateway.readyz()
    assert status == 200
    assert sorted(part.partition(";")[0] for part in answer["parts"].values()) == ["ended", "ok"]
    began = time.monotonic()
    replies = [await gateway.ask(get(PUBLIC)) for _ in range(40)]
    assert {reply.status for reply in replies} == {200}
    assert len({reply.headers["x-process"] for reply in replies}) == 1
    assert time.monotonic() - began < 1.5
    await until(gateway.all_ok, why=gateway.said)


async def test_one_that_is_stuck_is_stood_in_for(gateway: Gateway) -> None:
    """As long as its event loop does not turn, the others take its connections."""
    stuck = gateway.workers()[0]
    os.kill(stuck, signal.SIGSTOP)
    try:

        async def told() -> bool:
            return any(
                part.startswith("silent") for part in (await gateway.readyz())[1]["parts"].values()
            )

        # The question itself may have come to the stuck one.
        async def told_in_time() -> bool:
            try:
                async with asyncio.timeout(0.5):
                    return await told()
            except TimeoutError:
                return False

        await until(told_in_time)
        async with asyncio.timeout(5):
            replies = [await gateway.ask(get(PUBLIC)) for _ in range(40)]
        assert len({reply.headers["x-process"] for reply in replies}) == 1
    finally:
        os.kill(stuck, signal.SIGCONT)
    await until(gateway.all_ok)

    async def back() -> bool:
        return len({(await gateway.ask(get(PUBLIC))).headers["x-process"] for _ in range(20)}) == 2

    await until(back)
    assert stuck in gateway.workers()


async def test_one_that_cannot_start_at_first_stops_all_with_its_words(tmp_path: Path) -> None:
    async with a_gateway(tmp_path) as gateway:
        (tmp_path / "var" / "gateway.db").unlink()
        await gateway.run()
        assert await gateway.ended() == 1
        words = "links.database has no tables yet"
        assert gateway.said().count(words) == 1
        assert "Traceback" not in gateway.said()
        assert not [one for one in gateway.events() if one["event"] == "ready"]


async def test_one_that_cannot_start_later_leaves_the_others_alone(gateway: Gateway) -> None:
    database = gateway.folder / "var" / "gateway.db"
    database.rename(database.with_suffix(".away"))
    os.kill(gateway.workers()[0], signal.SIGKILL)

    async def tried() -> bool:
        return any(
            "links.database has no tables yet" in one.get("why", "") for one in gateway.events()
        )

    await until(tried)
    assert (await gateway.readyz())[0] == 200
    assert (await gateway.ask(get(PUBLIC))).status == 200
    database.with_suffix(".away").rename(database)
    await until(gateway.all_ok)


async def test_sigterm_finishes_what_is_under_way_on_each(gateway: Gateway) -> None:
    go = asyncio.Event()
    asked = 0

    async def script(call: Call) -> None:
        nonlocal asked
        await call.head()
        asked += 1
        await go.wait()
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    held = await one_on_each(gateway)
    gateway.sonar.script = script
    for call in gateway.sonar.calls:
        call.cut()
    workers = gateway.workers()
    for browser in held.values():
        await browser.say(get(PUBLIC))

    async def both() -> bool:
        return asked == 2

    await until(both)
    gateway.signal(signal.SIGTERM)

    async def nobody_listens() -> bool:
        try:
            await gateway.browser()
        except ConnectionRefusedError:
            return True
        return False

    await until(nobody_listens)
    go.set()
    for browser in held.values():
        reply = await browser.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await gateway.ended() == 0
    assert not any(alive(pid) for pid in workers)


async def switching(call: Call) -> None:
    """A WebSocket that says nothing, and parts when it is told to."""
    process = (await call.head()).partition(b"X-Request-ID: ")[2].partition(b"-")[0]
    await call.say(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"X-Process: " + process + b"\r\n\r\n"
    )
    call.seen += await call.reader.readexactly(len(PARTING))


# The answer of a browser to a close frame: the same code, masked with nothing.
PARTING = b"\x88\x82\0\0\0\0" + GOING_AWAY[2:]
DRAIN = 3.0


@pytest.mark.parametrize("answers", [True, False])
async def test_sigterm_tells_the_websockets_of_each(tmp_path: Path, answers: bool) -> None:
    """All of them get close code 1001. Those that part are let go at once; for those that do not
    `server.drain` is the end."""
    async with a_gateway(tmp_path, server={"drain": f"{DRAIN:g}s"}) as gateway:
        gateway.sonar.script = switching
        await gateway.start()
        found: dict[str, list[Browser]] = {}
        while len(found) < 2:
            browser = await gateway.browser()
            await browser.say(
                get(PUBLIC, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")
            )
            process = Reply.of(await browser.head()).headers["x-process"]
            found.setdefault(process, []).append(browser)
        browsers = [browser for held in found.values() for browser in held]
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        for browser in browsers:
            assert await browser.exactly(4) == GOING_AWAY
        if answers:
            for browser in browsers:
                await browser.say(PARTING)
                assert await browser.eof() == b""
        assert await gateway.ended() == 0
        took = time.monotonic() - began
        # Two seconds for three processes to end.
        assert took < DRAIN if answers else DRAIN <= took < DRAIN + 2
        parted = [call.seen.endswith(PARTING) for call in gateway.sonar.calls]
        assert parted == [answers] * len(browsers)
        assert "worker_overdue" not in gateway.said()


async def test_readiness_fails_first(tmp_path: Path) -> None:
    async with a_gateway(tmp_path, server={"drain_delay": "2s"}) as gateway:
        gateway.sonar.script = tells_process
        await gateway.start()
        gateway.signal(signal.SIGTERM)

        async def not_ready() -> bool:
            return (await gateway.readyz())[0] == 503

        await until(not_ready)
        assert (await gateway.readyz())[1]["parts"] == {"gateway": "stopping, as told"}
        reply = await gateway.ask(get(PUBLIC))
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await gateway.ended() == 0


async def test_ctrl_c_reaches_everybody_and_all_drain_once(gateway: Gateway) -> None:
    os.killpg(gateway.pid, signal.SIGINT)
    assert await gateway.ended() == 0
    events = [one["event"] for one in gateway.events()]
    assert events.count("draining") == 3
    assert events.count("stopped") == 3
    assert "worker_ended" not in events


async def test_without_a_supervisor_nobody_stays(gateway: Gateway) -> None:
    workers = gateway.workers()
    gateway.signal(signal.SIGKILL)

    async def gone() -> bool:
        return not any(alive(pid) for pid in workers)

    await until(gone)


async def test_a_rolling_restart_loses_no_request(gateway: Gateway) -> None:
    """Worker after worker goes by the new config.yaml, under load."""
    before = set(gateway.workers())
    async with Load(gateway) as load:
        await load.more(200)
        gateway.configure("upstream", public_paths=["/static/**", "/new/**"])
        gateway.signal(signal.SIGUSR2)
        await load.more(200)

        async def replaced() -> bool:
            return "restarted" in [one["event"] for one in gateway.events()]

        await until(replaced, why=gateway.said)

        async def two_again() -> bool:
            return len(gateway.workers()) == 2

        await until(two_again)
        await load.more(200)
    assert load.failures == []
    assert len(load.answered) == 4
    assert not before & set(gateway.workers())
    assert (await gateway.ask(get("/new/x"))).status == 200
    assert "worker_ended" not in [one["event"] for one in gateway.events()]


@pytest.mark.parametrize(
    ("section", "values", "event"),
    [
        ("server", {"drain": "soon"}, "restart_refused"),
        ("server", {"workers": 3}, "restart_refused"),
        ("log", {"access": "nowhere/access.log"}, "restart_failed"),
    ],
)
async def test_a_restart_that_would_not_work_changes_nothing(
    gateway: Gateway, section: str, values: dict[str, object], event: str
) -> None:
    before = set(gateway.workers())
    gateway.configure(section, **values)
    async with Load(gateway, keeping=2, opening=1) as load:
        gateway.signal(signal.SIGUSR2)

        async def told() -> bool:
            return event in [one["event"] for one in gateway.events()]

        await until(told, why=gateway.said)
        await load.more(50)
    assert load.failures == []
    assert set(gateway.workers()) == before
    assert await gateway.all_ok()


async def test_logs_are_opened_anew_by_all(gateway: Gateway) -> None:
    log = gateway.folder / "access.log"
    held = await one_on_each(gateway)
    log.rename(log.with_suffix(".old"))
    gateway.signal(signal.SIGHUP)

    async def moved() -> bool:
        for browser in held.values():
            assert await works(browser)
        return log.exists() and log.stat().st_size > 1000

    await until(moved)
    old = log.with_suffix(".old")
    size = old.stat().st_size
    for browser in held.values():
        assert await works(browser)
    assert await gateway.stop() == 0
    assert old.stat().st_size == size


async def supervised(what: str) -> asyncio.subprocess.Process:
    """Two workers of tests/workers/supervised.py."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.workers.supervised", what),
        *(f"127.0.0.1:{free_port()}" for _ in range(2)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )


async def event(process: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
    """The next event of that name."""
    assert process.stderr is not None
    async with asyncio.timeout(START_WITHIN):
        async for line in process.stderr:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == name:
                return found
    raise AssertionError(f"it ended without {name}")


async def test_one_that_stays_silent_is_ended_and_replaced() -> None:
    process = await supervised("silent")
    pids = {child["pid"] for child in [await event(process, "worker_started") for _ in range(2)]}
    silent = await event(process, "worker_silent")
    assert silent["pid"] in pids
    ended = await event(process, "worker_ended")
    assert ended["exit"] == -signal.SIGKILL
    assert (await event(process, "worker_started"))["pid"] not in pids
    process.terminate()
    await event(process, "stopped")
    assert await process.wait() == 0


async def test_one_that_does_not_stop_in_time_is_ended() -> None:
    process = await supervised("deaf")
    await event(process, "ready")
    process.terminate()
    await event(process, "worker_overdue")
    await event(process, "stopped")
    assert await process.wait() == 0
