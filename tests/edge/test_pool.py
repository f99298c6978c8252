"""The pool: which connection is taken, and which never again."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.edge.connecting import Connect, Way, way_to_portal
from gateway.edge.pool import FRESH_SECONDS, IDLE_SECONDS, Pool
from gateway.edge.reply_heads import ReplyHeads
from gateway.edge.upstream import Connection
from gateway.errors import GatewayFull, UpstreamTimeout, UpstreamUnavailable
from tests.edge.samples import RULES
from tests.edge.world import Sonar
from tests.session.samples import Clock, until


@pytest.fixture
async def sonar() -> AsyncIterator[Sonar]:
    made = Sonar()
    await made.start()
    yield made
    await made.stop()


def pool_by(connect: Connect, clock: Callable[[], float], timeout: float = 5.0) -> Pool:
    return Pool(Way("sonar", connect), timeout, clock, ReplyHeads(RULES))


def to_port(port: int) -> Connect:
    return lambda protocol: asyncio.get_running_loop().create_connection(
        protocol, "127.0.0.1", port
    )


def pool_to(sonar: Sonar, clock: Callable[[], float]) -> Pool:
    return pool_by(to_port(sonar.port), clock)


async def test_the_one_used_last_is_used_next(sonar: Sonar) -> None:
    pool = pool_to(sonar, Clock(0.0))
    first, second = await pool.connect(), await pool.connect()
    new = first.fresh
    first.release()
    second.release()
    assert (new, first.fresh) == (True, False)
    assert pool.take(repeatable=True) is second
    assert pool.take(repeatable=True) is first
    assert pool.take(repeatable=True) is None
    first.close()
    second.close()


@pytest.mark.parametrize(("repeatable", "longest"), [(True, IDLE_SECONDS), (False, FRESH_SECONDS)])
async def test_an_old_one_is_not_taken(sonar: Sonar, repeatable: bool, longest: float) -> None:
    clock = Clock(0.0)
    pool = pool_to(sonar, clock)
    connection = await pool.connect()
    connection.release()
    clock.pass_by(longest + 0.1)
    assert pool.take(repeatable=repeatable) is None
    clock.pass_by(-0.2)
    assert pool.take(repeatable=repeatable) is connection
    connection.close()


async def test_a_sweep_closes_the_old(sonar: Sonar) -> None:
    clock = Clock(0.0)
    pool = pool_to(sonar, clock)
    (await pool.connect()).release()
    clock.pass_by(IDLE_SECONDS - 1)
    (await pool.connect()).release()
    clock.pass_by(2)
    pool.sweep()
    assert len(pool._idle) == 1
    pool.close()
    assert len(pool._idle) == 0
    await until(lambda: all(call.reader.at_eof() for call in sonar.calls))


async def test_one_that_upstream_closed_is_forgotten(sonar: Sonar) -> None:
    pool = pool_to(sonar, Clock(0.0))
    connection = await pool.connect()
    connection.release()
    await until(lambda: sonar.calls)
    sonar.calls[0].writer.close()
    await until(lambda: not pool._idle)


async def test_one_that_speaks_unasked_is_closed(sonar: Sonar) -> None:
    pool = pool_to(sonar, Clock(0.0))
    (await pool.connect()).release()
    await until(lambda: sonar.calls)
    await sonar.calls[0].say(b"HTTP/1.1 408 Too late\r\nContent-Length: 0\r\n\r\n")
    await until(lambda: not pool._idle)


async def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        pool = pool_by(to_port(port), Clock(0.0))
        with pytest.raises(UpstreamUnavailable):
            await pool.connect()


async def test_no_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "nobody.sock")
    pool = pool_by(way_to_portal(path).connect, Clock(0.0))
    with pytest.raises(UpstreamUnavailable):
        await pool.connect()


async def test_nobody_answers() -> None:
    never = asyncio.Event()

    async def connect(
        _: Callable[[], asyncio.BaseProtocol],
    ) -> tuple[asyncio.Transport, Connection]:
        await never.wait()
        raise AssertionError

    with pytest.raises(UpstreamTimeout):
        await pool_by(connect, Clock(0.0), 0.05).connect()


async def test_what_is_down_has_no_connections(sonar: Sonar) -> None:
    pool = pool_to(sonar, Clock(0.0))
    first, under_way = await pool.connect(), await pool.connect()
    first.release()
    pool.health.unreachable("refused")
    assert not pool._idle
    under_way.release()
    assert not pool._idle
    with pytest.raises(UpstreamUnavailable, match="sonar is down: refused"):
        await pool.connect()
    await until(lambda: pool.open == 0)


@pytest.mark.parametrize(
    ("number", "up"),
    [(errno.ECONNREFUSED, False), (errno.EHOSTUNREACH, False), (errno.EMFILE, True),
     (errno.EADDRNOTAVAIL, True), (errno.EAGAIN, True)],
)  # fmt: skip
async def test_what_we_lack_is_not_upstreams_fault(number: int, up: bool) -> None:
    async def connect(
        _: Callable[[], asyncio.BaseProtocol],
    ) -> tuple[asyncio.Transport, Connection]:
        raise OSError(number, os.strerror(number))

    pool = pool_by(connect, Clock(0.0))
    with pytest.raises(UpstreamUnavailable, match=os.strerror(number)) as failed:
        await pool.connect()
    assert isinstance(failed.value, GatewayFull) is up
    assert pool.health.up is up
    assert pool.busy == 0
