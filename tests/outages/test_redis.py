"""Redis down, in each of the ways in which it goes down; docs/failures.md says what people see."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.reasons import Reason
from tests.journeys.world import PATIENCE, World, a_world
from tests.outages.stage import ME, RECOVERED, Stage, a_stage
from tests.servers.between import Between, between_ports
from tests.servers.node import OidcProvider
from tests.servers.ports import free_port
from tests.servers.valkey import Sentinels, Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")
GONE = Reason.SESSIONS_UNAVAILABLE
# To be read before anything else is answered: each takes this long, and after each the server looks
# who asks.
KEYS, MICROSECONDS_A_KEY = 500, 20_000


@dataclass
class Redis:
    """The server, the way to it, and a gateway that goes that way."""

    server: Valkey
    way: Between
    world: World


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis(
    tmp_path_factory: pytest.TempPathFactory, oidc_provider: OidcProvider
) -> AsyncIterator[Redis]:
    port, server = free_port(), Valkey(dbfilename="taken")
    server.start()
    sessions = {"store": f"redis://127.0.0.1:{port}/0", "outage_grace": "1s"}
    async with between_ports(port, server.port) as way:
        place = tmp_path_factory.mktemp("world")
        async with a_world(place, oidc_provider, sessions=sessions) as world:
            yield Redis(server, way, world)
    server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(redis: Redis) -> AsyncIterator[Stage]:
    # A test that failed may have left them as they were then.
    redis.way.release()
    await redis.way.open()
    async with a_stage(redis.world) as stage:
        yield stage


async def everything_is_refused(stage: Stage) -> None:
    """What everybody sees of a Redis that nothing can be read of, from the beginning on."""
    await stage.signed_in_go_on()
    await stage.password_users_see_nothing()
    await stage.signing_in_is_refused(GONE)
    await stage.one_is_down("sessions", GONE)
    await stage.signed_in_are_refused(GONE)


async def test_redis_gone(redis: Redis, stage: Stage) -> None:
    async with stage.under_load(GONE):
        stage.breaks()
        await redis.way.cut()
        await everything_is_refused(stage)
        await redis.way.open()
        await stage.recovers()


async def test_redis_cut_off(redis: Redis, stage: Stage) -> None:
    """And when the network is back, it has forgotten every connection, and tells nobody."""
    # Several of them, for whoever comes at once.
    await asyncio.gather(*(stage.signing_in_works() for _ in range(3)))
    stage.breaks()
    redis.way.hold()
    await everything_is_refused(stage)
    redis.way.lose()
    await stage.recovers()


async def test_redis_slow(redis: Redis, stage: Stage) -> None:
    redis.way.delay = 0.2
    try:
        for _ in range(3):
            began = time.monotonic()
            await stage.signed_in_go_on()
            await stage.password_users_see_nothing()
            assert time.monotonic() - began < 2.0
        await stage.signing_in_works()
        assert stage.told() == []
    finally:
        redis.way.delay = 0.0


@contextmanager
def misconf(redis: Redis) -> Iterator[None]:
    """A snapshot cannot be written where a folder is."""
    taken = Path(redis.server.setting("dir")) / "taken"
    taken.mkdir()
    redis.server.command("CONFIG", "SET", "save", '"3600 1"')
    redis.server.command("BGSAVE")
    deadline = time.monotonic() + PATIENCE
    try:
        while b"MISCONF" not in redis.server.command("SET", "probe", "1"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield
    finally:
        redis.server.command("CONFIG", "SET", "save", '""')
        taken.rmdir()


@contextmanager
def oom(redis: Redis) -> Iterator[None]:
    redis.server.command("CONFIG", "SET", "maxmemory", "1")
    try:
        yield
    finally:
        redis.server.command("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def readonly(redis: Redis) -> Iterator[None]:
    redis.server.command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        redis.server.command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize("how", [misconf, oom, readonly], ids=lambda how: how.__name__)
async def test_redis_refuses_to_write(redis: Redis, stage: Stage, how: object) -> None:
    assert callable(how)
    with how(redis):
        await stage.signing_in_is_refused(GONE)
        await stage.one_is_down("sessions", GONE)
        for _ in range(20):
            await stage.signed_in_go_on()
        await stage.password_users_see_nothing()
        await stage.outlast_the_grace()
        await stage.signed_in_go_on()
        # Who signs out is out, although nobody can write it down.
        await stage.hank.press(await stage.hank.open("/sso/logout"), "Sign out")
        assert (await stage.hank.request("GET", "/api/v1/me"))[0] == 401
    await stage.world.google(stage.hank, "hank")
    await stage.recovers()


@contextmanager
def noauth(redis: Redis) -> Iterator[None]:
    redis.server.command("CONFIG", "SET", "requirepass", "correct-horse")
    for kind in ("NORMAL", "PUBSUB"):
        _say(redis.server.port, f"AUTH correct-horse\r\nCLIENT KILL TYPE {kind}\r\n")
    try:
        yield
    finally:
        _say(redis.server.port, 'AUTH correct-horse\r\nCONFIG SET requirepass ""\r\n')


@contextmanager
def busy(redis: Redis) -> Iterator[None]:
    redis.server.command("CONFIG", "SET", "busy-reply-threshold", "1")
    with socket.create_connection(("127.0.0.1", redis.server.port)) as somebody:
        somebody.sendall(b'EVAL "while true do end" 0\r\n')
        deadline = time.monotonic() + PATIENCE
        try:
            while b"BUSY" not in redis.server.command("GET", "probe"):
                assert time.monotonic() < deadline
            yield
        finally:
            redis.server.command("SCRIPT", "KILL")


@pytest.mark.parametrize("how", [noauth, busy], ids=lambda how: how.__name__)
async def test_redis_refuses_everything(redis: Redis, stage: Stage, how: object) -> None:
    assert callable(how)
    stage.breaks()
    with how(redis):
        await everything_is_refused(stage)
    await stage.recovers()


@asynccontextmanager
async def reading_its_data(redis: Redis) -> AsyncIterator[None]:
    """Restarted with so much that it takes its time; LOADING is all it says meanwhile."""
    server, padding = redis.server, "redis.call('SET','padding:'..i,string.rep('x',1000))"
    server.command("CONFIG", "SET", "rdbcompression", "no")
    server.command("EVAL", f'"for i=1,{KEYS} do {padding} end"', "0")
    had = server.dump()
    server.stop()
    slowly = {
        "key-load-delay": str(MICROSECONDS_A_KEY),
        "loading-process-events-interval-bytes": "1024",
    }
    starting = asyncio.create_task(asyncio.to_thread(server.start, had, **slowly))
    try:
        async with asyncio.timeout(PATIENCE):
            while not await asyncio.to_thread(_is_loading, server):
                assert not starting.done()
        yield
        assert await asyncio.to_thread(_is_loading, server)
    finally:
        server.command("CONFIG", "SET", "key-load-delay", "0")
        await starting


def _is_loading(server: Valkey) -> bool:
    try:
        return b"LOADING" in server.command("GET", "probe")
    except OSError:
        return False


async def test_redis_reads_its_data(redis: Redis, stage: Stage) -> None:
    stage.breaks()
    async with reading_its_data(redis):
        await everything_is_refused(stage)
    await stage.recovers()


async def test_redis_restarted_empty(redis: Redis, stage: Stage) -> None:
    redis.server.stop()
    redis.server.start()

    async def sent_away() -> bool:
        status, _, text = await stage.jo.request("GET", "/api/v1/me")
        assert status in {200, 401, 503}, text
        return status == 401

    await stage.within(RECOVERED, sent_away)
    page = await stage.jo.open("/calls")
    assert (page.status, page.path) == (200, "/sso/login")
    await stage.password_users_see_nothing()
    await stage.signing_in_works()


async def test_a_herd_asks_once_for_each_session(redis: Redis, stage: Stage) -> None:
    """Three hundred requests of two people while nothing answers, and again when it is back."""

    async def crowd() -> set[int]:
        asking = [
            browser.request("GET", "/api/v1/me")
            for browser in (stage.jo, stage.hank)
            for _ in range(150)
        ]
        return {status for status, _, _text in await asyncio.gather(*asking)}

    redis.way.hold()
    await stage.signing_in_is_refused(GONE)
    opened, asked = redis.way.opened, redis.server.calls("hmget")
    assert await crowd() <= {200, 503}
    redis.way.release()
    await stage.recovers()
    assert await crowd() == {200}
    # What asked whether it is back, both sessions once more each, and a new sign-in.
    assert redis.server.calls("hmget") - asked < 20
    assert redis.way.opened - opened < 20


@asynccontextmanager
async def looked_after(
    folder: Path, provider: OidcProvider, master: Valkey, replica: Valkey
) -> AsyncIterator[tuple[Stage, Sentinels]]:
    """A gateway, everybody at it, and the Sentinels that it asks for the master."""
    sentinels = Sentinels(folder, master)
    place = folder / "world"
    place.mkdir()
    sessions = {"store": sentinels.url.reveal(), "outage_grace": "20s"}
    replica.follow(master)
    try:
        await asyncio.to_thread(sentinels.start)
        async with (
            a_world(place, provider, sessions=sessions) as world,
            a_stage(world) as stage,
        ):
            yield stage, sentinels
    finally:
        sentinels.stop()


async def test_redis_fails_over(
    tmp_path: Path, oidc_provider: OidcProvider, own_valkey: Valkey, other_valkey: Valkey
) -> None:
    async with looked_after(tmp_path, oidc_provider, own_valkey, other_valkey) as (stage, asked):
        await _fail_over(stage, own_valkey, other_valkey, asked)


async def _fail_over(stage: Stage, master: Valkey, replica: Valkey, sentinels: Sentinels) -> None:
    page = await stage.hank.open("/sso/logout")
    # The replica does not hear of this any more.
    replica.freeze()
    await stage.hank.press(page, "Sign out")
    master.stop()
    replica.thaw()
    await stage.password_users_see_nothing()
    await stage.signing_in_is_refused(GONE)

    async def nothing_changes() -> None:
        status, _, text = await stage.jo.request("GET", ME)
        assert (status, text) == (200, stage.as_before["jo"])
        assert (await stage.hank.request("GET", ME))[0] == 401

    async def decided() -> bool:
        await nothing_changes()
        held = await asyncio.to_thread(lambda: [*map(sentinels.master, sentinels.ports)])
        return held == [replica.port] * 3

    await stage.within(PATIENCE, decided)
    watch = stage.world.stopwatch()

    async def up() -> bool:
        await nothing_changes()
        return [event["event"] for event in stage.told()] == ["part_down", "part_up"]

    await stage.within(RECOVERED, up, watch)
    await stage.signing_in_works()
    await nothing_changes()


async def test_sentinels_gone(
    tmp_path: Path, oidc_provider: OidcProvider, own_valkey: Valkey, other_valkey: Valkey
) -> None:
    """All of them, and every connection to the master has to be made anew."""
    async with looked_after(tmp_path, oidc_provider, own_valkey, other_valkey) as (stage, asked):
        asked.stop()
        for kind in ("NORMAL", "PUBSUB"):
            own_valkey.command("CLIENT", "KILL", "TYPE", kind)
        await asyncio.gather(*(stage.signing_in_works() for _ in range(8)))
        await stage.signed_in_go_on()
        await stage.password_users_see_nothing()
        assert stage.told() == []


def _say(port: int, words: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(words.encode())
        connection.recv(4096)
