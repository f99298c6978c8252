"""Several addresses of one Sonar: who is asked, and what happens when one of them goes away."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.edge.health import LONGEST_PAUSE
from gateway.edge.pool import Pool
from gateway.operate.families import families
from tests.edge.conftest import MakeWorld
from tests.edge.test_asking import LEGACY, USER
from tests.edge.test_tunnel import SWITCH, UPGRADE
from tests.edge.world import OK, Browser, Call, Reply, Sonar, World, get, held
from tests.session.samples import until

# Within this much after an address works again it is used: the longest pause between two tries,
# a tick of the clock, and the machine being busy.
SOON = LONGEST_PAUSE + 2.0


@dataclass
class Cluster:
    """Two Sonars and the gateway before them."""

    world: World
    sonars: list[Sonar]
    ports: list[int] = field(default_factory=list)

    @property
    def pools(self) -> tuple[Pool, ...]:
        return self.world.edge._shared.sonar.pools

    def up(self) -> list[bool]:
        return [pool.health.up for pool in self.pools]

    async def ask(self, *headers: str) -> Reply:
        return await self.world.ask(get("/", LEGACY, *headers))

    async def kill(self, number: int) -> None:
        """All connections end, and nobody listens any more."""
        sonar = self.sonars[number]
        await sonar.stop()
        for call in sonar.calls:
            call.cut()

    async def revive(self, number: int) -> None:
        await self.sonars[number].start(port=self.ports[number])


@pytest.fixture
async def make_cluster(make_world: MakeWorld) -> AsyncIterator[Any]:
    sonars = [Sonar(), Sonar()]

    async def make(**upstream: Any) -> Cluster:
        for sonar in sonars:
            await sonar.start()
        ports = [sonar.port for sonar in sonars]
        addresses = [f"127.0.0.1:{port}" for port in ports]
        world = await make_world(
            upstream={"url": "http://sonar.test", "addresses": addresses, **upstream}
        )
        return Cluster(world, sonars, ports)

    yield make
    for sonar in sonars:
        await sonar.stop()


@pytest.fixture
async def cluster(make_cluster: Any) -> Cluster:
    made: Cluster = await make_cluster()
    return made


def counts(cluster: Cluster) -> list[int]:
    return [len(sonar.heads) for sonar in cluster.sonars]


def gauge(cluster: Cluster, name: str) -> list[float]:
    """The figures of `name` on /metrics, an address each."""
    for family in families(cluster.world.counters):
        if family.name == name:
            return [sample.value for sample in family.samples]
    raise AssertionError(name)


async def test_equals_take_turns(cluster: Cluster) -> None:
    for _ in range(10):
        await cluster.ask()
    assert counts(cluster) == [5, 5]


async def test_the_least_busy_one_is_asked(cluster: Cluster) -> None:
    go = asyncio.Event()

    cluster.sonars[0].script = held(go)
    waiting = [await cluster.world.browser() for _ in range(2)]
    for browser in waiting:
        await browser.say(get("/", LEGACY))
    await until(lambda: counts(cluster) == [1, 1])
    # The reply of the other one may still be on its way.
    await until(lambda: gauge(cluster, "sonar_gateway_upstream_requests") == [1, 0])
    for _ in range(5):
        await cluster.ask()
    assert counts(cluster) == [1, 6]
    go.set()
    for browser in waiting:
        assert (await browser.reply()).status == 200


async def test_a_websocket_counts_as_busy_until_it_is_closed(cluster: Cluster) -> None:
    async def switching(call: Call) -> None:
        await call.head()
        await call.say(
            b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        await call.eof()

    cluster.sonars[0].script = switching
    browser = await cluster.world.browser()
    await browser.say(get("/", LEGACY, "Connection: Upgrade", "Upgrade: websocket"))
    await browser.head()
    for _ in range(3):
        await cluster.ask()
    assert counts(cluster) == [1, 3]
    browser.close()
    await until(lambda: [pool.busy for pool in cluster.pools] == [0, 0])
    assert [pool.open for pool in cluster.pools] == [0, 1]


@pytest.mark.parametrize("request_bytes", [
    get("/", LEGACY),
    b"POST /" + USER + b"Content-Length: 5\r\n\r\nhello",
])  # fmt: skip
async def test_where_nobody_listens_nobody_is_sent(cluster: Cluster, request_bytes: bytes) -> None:
    """Not even what may not be sent twice is lost: nothing of it was sent."""
    await cluster.kill(0)

    async def script(call: Call) -> None:
        while True:
            if (await call.head()).startswith(b"POST"):
                await call.body(5)
            await call.say(OK)

    cluster.sonars[1].script = script
    for _ in range(4):
        assert (await cluster.world.ask(request_bytes)).status == 200
    assert cluster.up() == [False, True]
    assert gauge(cluster, "sonar_gateway_upstream_down") == [1, 0]


async def test_an_address_that_goes_down_under_load_loses_no_request(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    done = [0]
    stop = asyncio.Event()

    async def people() -> None:
        """One browser that asks and asks."""
        browser: Browser = await cluster.world.browser()
        while not stop.is_set():
            await browser.say(get("/", LEGACY))
            assert (await browser.reply()).body == b"ok"
            done[0] += 1

    async def more(than: int) -> None:
        await until(lambda: done[0] > than or any(person.done() for person in persons))

    persons = [asyncio.create_task(people()) for _ in range(8)]
    try:
        for number in (0, 1, 0):
            await more(done[0] + 200)
            await cluster.kill(number)
            await more(done[0] + 200)
            assert cluster.up()[number] is False
            await cluster.revive(number)
            await until(lambda: all(cluster.up()), within=SOON)
        before = counts(cluster)
        await more(done[0] + 200)
        assert all(now > then for now, then in zip(counts(cluster), before, strict=True))
    finally:
        stop.set()
        await asyncio.gather(*persons)
    told = capfd.readouterr().out
    assert told.count("upstream_down") == told.count("upstream_up") == 3
    assert "request_failed" not in told


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_that_one_address_drops_goes_to_the_other(
    cluster: Cluster, method: str
) -> None:
    """Unless it could be done twice."""

    async def dropping(call: Call) -> None:
        await call.head()
        call.cut()

    cluster.sonars[0].script = dropping
    request = f"{method} / HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\n\r\n".encode()
    statuses = [(await cluster.world.ask(request)).status for _ in range(2)]
    assert statuses == ([200, 200] if method == "GET" else [502, 200])


async def test_one_that_drops_everything_is_left_alone(cluster: Cluster) -> None:
    async def dropping(call: Call) -> None:
        await call.head()
        call.cut()

    cluster.sonars[0].script = dropping
    for _ in range(6):
        assert (await cluster.ask()).status == 200
    assert cluster.up() == [False, True]
    before = len(cluster.sonars[0].calls)
    for _ in range(4):
        await cluster.ask()
    assert len(cluster.sonars[0].heads) == before


async def test_requests_that_sonar_stumbles_over_close_it_to_nobody(cluster: Cluster) -> None:
    """Else whoever knows such a request could."""

    async def stumbling(call: Call) -> None:
        while True:
            if b"GET /stumble " in await call.head():
                call.cut()
                return
            await call.say(OK)

    for sonar in cluster.sonars:
        sonar.script = stumbling
    for _ in range(10):
        assert (await cluster.world.ask(get("/stumble", LEGACY))).status == 502
    assert any(cluster.up())
    assert (await cluster.ask()).status == 200


async def test_when_all_are_down_everybody_is_told_at_once(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 1):
        await cluster.kill(number)
    assert (await cluster.ask()).status == 502
    began = time.monotonic()
    for _ in range(20):
        reply = await cluster.ask()
        assert (reply.status, reply.json["error"]) == (502, "upstream_unavailable")
    assert time.monotonic() - began < 2
    assert capfd.readouterr().out.count("upstream_down") == 2
    await cluster.revive(1)
    await until(lambda: cluster.up()[1], within=SOON)
    assert (await cluster.ask()).status == 200


@pytest.mark.parametrize("status", ["503 Unavailable", "404 Not Found"])
async def test_a_page_says_whether_an_address_works(make_cluster: Any, status: str) -> None:
    good = True

    async def checked(call: Call) -> None:
        head = await call.head()
        if head.startswith(b"GET /health ") and not good:
            await call.say(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            await call.say(OK)

    cluster: Cluster = await make_cluster(health={"path": "/health", "interval": "1s"})
    cluster.sonars[0].script = checked
    await until(lambda: any(counts(cluster)))
    assert cluster.up() == [True, True]
    good = False
    await until(lambda: not cluster.up()[0], within=SOON)
    before = len(cluster.sonars[1].calls)
    for _ in range(4):
        assert (await cluster.ask()).status == 200
    assert len(cluster.sonars[1].calls) >= before
    asked = [head for head in cluster.sonars[0].heads if LEGACY.encode() in head]
    assert asked == []
    good = True
    await until(lambda: cluster.up()[0], within=SOON)
    (question,) = {head for head in cluster.sonars[0].heads if b"/health" in head}
    assert question.startswith(b"GET /health HTTP/1.1\r\nHost: localhost:8080\r\n")


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 103 Early\r\n\r\n"])
async def test_what_is_no_answer_to_a_check_is_a_bad_one(make_cluster: Any, answer: bytes) -> None:
    cluster: Cluster = await make_cluster(health={"path": "/health", "interval": "1s"})

    async def odd(call: Call) -> None:
        await call.head()
        await call.say(answer)

    cluster.sonars[0].script = odd
    await until(lambda: cluster.up() == [False, True], within=SOON)


async def test_a_check_that_gets_no_answer_fails(make_cluster: Any) -> None:
    cluster: Cluster = await make_cluster(
        connect_timeout="1s", health={"path": "/health", "interval": "1s"}
    )

    async def deaf(call: Call) -> None:
        await call.eof()

    cluster.sonars[0].script = deaf
    await until(lambda: cluster.up() == [False, True], within=2 * SOON)


async def tried_again(pool: Pool, before: int) -> None:
    await until(lambda: pool.health._checks_failed > before)


async def in_each_way(call: Call) -> None:
    """Answer with who asks; or half, or not at all, or by a WebSocket, as the path says."""
    while True:
        head = await call.head()
        if b" /half " in head:
            await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            await call.eof()
        elif b" /never " in head:
            await call.eof()
        elif b" /ws " in head:
            await call.say(SWITCH)
            await call.eof()
        elif length := re.search(rb"Content-Length: (\d+)", head):
            await call.body(int(length[1]))
        who = re.search(rb"X-Sonar-Username: (\w+)", head)
        name = b"nobody" if who is None else who[1]
        await call.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))


@dataclass
class Person:
    """Asks on one connection, which they keep. `name`: who they are to Sonar."""

    name: bytes
    browser: Browser
    request: bytes

    async def ask(self) -> Reply:
        await self.browser.say(self.request)
        return await self.browser.reply()


async def test_a_sonar_that_is_gone_for_a_minute_is_survived(
    make_world: MakeWorld, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the gateway's clock, so that all its times are over but that of an idle connection
    (75 s). What is under way ends, and never as if whole; everybody else is told at once, keeps
    the connection, and is who they were when Sonar is back."""
    world = await make_world()
    world.sonar.script = in_each_way
    port, (pool,) = world.sonar.port, world.edge._shared.sonar.pools
    cookie = f"Cookie: {(await world.sign_in())[0]}"
    upload = f"POST / HTTP/1.1\r\nHost: a\r\n{LEGACY}\r\nContent-Length: 10\r\n\r\n".encode()
    people = [
        Person(name, await world.browser(), request)
        for name, request in [
            (b"jo", get("/", cookie)),
            (b"jo", get("/", cookie, "Accept: text/html")),
            (b"nobody", get("/", LEGACY)),
            (b"nobody", get("/static/x")),
            (b"nobody", upload + b"0123456789"),
        ]
    ]
    idle = Person(b"jo", await world.browser(), get("/", cookie))

    async def all_are_served() -> None:
        for person in (*people, idle):
            reply = await person.ask()
            assert (reply.status, reply.body) == (200, person.name)

    async def all_are_told_at_once() -> None:
        began = time.monotonic()
        for person in people:
            reply = await person.ask()
            assert reply.status == 502
            assert b"upstream_unavailable" in reply.body
        assert (await world.ask(get("/ws", *UPGRADE, cookie))).status == 502
        assert (await world.ask(get("/sso/login"))).status == 200
        assert time.monotonic() - began < 1

    await all_are_served()
    under_way = {
        name: await world.browser() for name in ("upload", "waits", "download", "websocket")
    }
    asked = len(world.sonar.heads)
    await under_way["upload"].say(upload + b"half")
    await under_way["waits"].say(get("/never", cookie))
    await under_way["download"].say(get("/half", cookie))
    await under_way["websocket"].say(get("/ws", *UPGRADE, cookie))
    assert (await under_way["websocket"].head()).startswith(b"HTTP/1.1 101 ")
    assert (await under_way["download"].until(b"hello")).startswith(b"HTTP/1.1 200 ")
    await until(lambda: len(world.sonar.heads) >= asked + 4)
    capfd.readouterr()

    await world.sonar.stop()
    for call in world.sonar.calls:
        call.cut()
    for name in ("upload", "waits"):
        assert (await under_way[name].reply()).status == 502
    for name in ("download", "websocket"):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await under_way[name].exactly(1)
    for _ in range(12):
        await all_are_told_at_once()
        world.clock.pass_by(5)
        await tried_again(pool, pool.health._checks_failed)
    await all_are_told_at_once()
    assert pool.health._pause == LONGEST_PAUSE
    assert (pool.busy, pool.open, world.counters.tunnels_open) == (0, 0, 0)

    world.sonar.script = in_each_way
    await world.sonar.start(port=port)
    await until(lambda: pool.health.up, within=SOON)
    await all_are_served()
    told = capfd.readouterr().out
    assert told.count("upstream_down") == told.count("upstream_up") == 1
    lasted = re.search(r"down_seconds=(\d+)", told)
    assert lasted is not None
    assert int(lasted[1]) >= 60
