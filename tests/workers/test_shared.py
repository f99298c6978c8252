"""What several processes share is right for several: sessions, keys, logs, sockets."""

import json
import socket
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.policy.model import Policy, ProviderRule, Sso
from gateway.session.live import Sessions
from gateway.session.model import Session
from gateway.session.store.embedded import EmbeddedStore
from tests.edge.world import Browser, Call, get
from tests.session.samples import an_account, an_identity, ring_in, sessions_on
from tests.session.samples import until as until_true
from tests.workers.load import Load
from tests.workers.world import PUBLIC, Gateway, a_gateway, tells_process, until

POLICY = Policy(domain="acme.example", sso=Sso.ON, providers={"google": ProviderRule()})
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x")


async def a_third_process(gateway: Gateway, closing: AsyncExitStack) -> Sessions:
    """Sessions in the same store as the workers', as another process of the gateway has them."""
    store = EmbeddedStore(gateway.folder / "var" / "sessions.db")
    sessions = sessions_on(store, ring_in(gateway.folder / "var" / "keys"))
    await sessions.start()
    closing.push_async_callback(sessions.stop)
    return sessions


async def sign_in(sessions: Sessions) -> tuple[str, Session]:
    """The cookie of a new session, and itself."""
    value, session = await sessions.create(an_identity(), an_account(), POLICY, time.time())
    return f"sonar_sso={value}", session


async def process_of(browser: Browser, cookie: str, path: str = "/page") -> str:
    await browser.say(get(path, f"Cookie: {cookie}"))
    reply = await browser.reply()
    assert reply.status == 200
    return reply.headers["x-process"]


async def one_of_each(gateway: Gateway, cookie: str) -> dict[str, Browser]:
    """A browser at each of both workers, by process."""
    held: dict[str, Browser] = {}
    while len(held) < 2:
        browser = await gateway.browser()
        held.setdefault(await process_of(browser, cookie), browser)
    return held


async def test_a_session_is_one_on_all_workers(gateway: Gateway) -> None:
    """Made elsewhere, it is known to each; ended elsewhere, each refuses it within a second."""
    async with AsyncExitStack() as closing:
        sessions = await a_third_process(gateway, closing)
        cookie, session = await sign_in(sessions)
        held = await one_of_each(gateway, cookie)
        await sessions.end(session.key)
        ended = time.monotonic()
        for browser in held.values():
            error = ""
            while not error:
                assert time.monotonic() - ended < 1.0
                await browser.say(get("/page", f"Cookie: {cookie}"))
                reply = await browser.reply()
                error = "" if reply.status == 200 else reply.json["error"]
            assert error == "session_expired"


async def test_websockets_on_all_workers_end_with_their_session(gateway: Gateway) -> None:
    """On both sides, within a second; somebody else's go on."""
    calls: list[Call] = []

    async def script(call: Call) -> None:
        head = await call.head()
        if b"Upgrade: websocket" not in head:
            call.writer.close()
            return
        calls.append(call)
        await call.say(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
            b"X-Process: " + head.partition(b"X-Request-ID: ")[2].partition(b"-")[0] + b"\r\n\r\n"
        )
        while data := await call.reader.read(100):
            await call.say(data)

    gateway.sonar.script = script
    async with AsyncExitStack() as closing:
        sessions = await a_third_process(gateway, closing)
        cookie, session = await sign_in(sessions)
        other, _ = await sign_in(sessions)
        opened: list[tuple[str, Browser]] = []
        for who in (cookie,) * 12 + (other,) * 4:
            browser = await gateway.browser()
            await browser.say(get("/live", *WEBSOCKET, f"Cookie: {who}"))
            head = (await browser.head()).partition(b"X-Process: ")[2][:16].decode()
            opened.append((head, browser))
        assert len({process for process, _ in opened[:12]}) == 2
        began = time.monotonic()
        await sessions.end(session.key)
        for _, browser in opened[:12]:
            with pytest.raises((EOFError, ConnectionResetError)):
                await browser.exactly(1)
        await until_true(lambda: all(call.reader.at_eof() for call in calls[:12]))
        assert time.monotonic() - began < 1.0
        for _, browser in opened[12:]:
            await browser.say(b"\x81\x02hi")
            assert await browser.exactly(4) == b"\x81\x02hi"


async def test_every_line_of_the_access_log_is_whole(gateway: Gateway) -> None:
    """Two processes append to one file."""
    async with Load(gateway) as load:
        await load.more(2000)
    assert load.failures == []
    assert await gateway.stop() == 0
    lines = (gateway.folder / "access.log").read_text().splitlines()
    assert len(lines) == load.answered.total()
    processes = Counter(json.loads(line)["request_id"].partition("-")[0] for line in lines)
    assert processes == load.answered
    for line in gateway.said().splitlines():
        json.loads(line)


async def test_the_first_start_makes_everything_once(tmp_path: Path) -> None:
    """All workers at the same moment: one pair of keys, one session store."""
    async with a_gateway(tmp_path, workers=6) as gateway:
        gateway.sonar.script = tells_process
        assert sorted(path.name for path in (tmp_path / "var").iterdir()) == ["gateway.db"]
        await gateway.start()
        assert len(list((tmp_path / "var" / "keys").glob("*.root.key"))) == 1
        assert len(list((tmp_path / "var" / "keys").glob("*.es256.pem"))) == 1
        async with AsyncExitStack() as closing:
            sessions = await a_third_process(gateway, closing)
            cookie, _ = await sign_in(sessions)
            seen: set[str] = set()
            while len(seen) < 6:
                browser = await gateway.browser()
                seen.add(await process_of(browser, cookie))
        assert await gateway.stop() == 0


async def test_a_policy_is_in_force_on_all_workers_within_a_second(gateway: Gateway) -> None:
    async with AsyncExitStack() as closing:
        sessions = await a_third_process(gateway, closing)
        cookie, _ = await sign_in(sessions)
        held = await one_of_each(gateway, cookie)
        policy = gateway.folder / "policies" / "acme.example.yaml"
        policy.with_suffix(".new").write_text("domain: acme.example\nsso: off\n")
        policy.with_suffix(".new").rename(policy)
        changed = time.monotonic()
        for browser in held.values():
            status = 200
            while status == 200:
                assert time.monotonic() - changed < 1.5
                await browser.say(get("/page", f"Cookie: {cookie}"))
                status = (await browser.reply()).status
            assert status == 401


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_restart_on_sockets_of_systemd_loses_no_request(
    tmp_path: Path, workers: int
) -> None:
    """First with a new gateway beside the old one, then with nobody for a moment."""
    async with a_gateway(tmp_path, workers=workers) as gateway:
        gateway.sonar.script = tells_process
        with socket.socket() as browsers, socket.socket() as management:
            for sock, port in zip((browsers, management), gateway.ports, strict=True):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.1", port))
                sock.listen(1024)
            await gateway.start([browsers, management])
            async with Load(gateway) as load:
                await load.more(200)
                await gateway.run([browsers, management])

                async def both() -> bool:
                    return (await gateway.is_ready()) and gateway.said().count('"ready"') == 2

                await until(both, why=gateway.said)
                assert await gateway.stop(0) == 0
                await load.more(200)
                assert await gateway.stop(1) == 0
                await gateway.start([browsers, management])
                await load.more(200)
            assert load.failures == []
            assert len(load.answered) >= 3 * workers - 1


async def test_a_full_disk_costs_lines_of_the_access_log_and_no_request(tmp_path: Path) -> None:
    async with a_gateway(tmp_path, log={"access": "/dev/full"}) as gateway:
        gateway.sonar.script = tells_process
        await gateway.start()
        async with Load(gateway, keeping=4, opening=2) as load:
            await load.more(500)

        async def all_lost() -> bool:
            lost = await gateway.metric("sonar_gateway_access_log_lost_total", cause="failed")
            return lost == load.answered.total()

        await until(all_lost)
        assert load.failures == []
        failing = [one for one in gateway.events() if one["event"] == "access_log_failing"]
        assert len(failing) == 2
        assert {one["error"] for one in failing} == {"No space left on device"}
        assert (await gateway.ask(get(PUBLIC))).status == 200


async def test_each_process_is_measured(gateway: Gateway) -> None:
    for process in ("worker 1", "worker 2", "supervisor"):
        assert await gateway.metric("process_resident_memory_bytes", process=process) > 1e6
    assert await gateway.metric("sonar_gateway_policy_loaded_timestamp_seconds") > 1e9
