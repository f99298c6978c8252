"""What is read in one go grows with what comes, and shrinks with who cannot take it. Seen at
connections to upstream, which hand on what they read of a body piece by piece."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.edge.events import ReplyEvent
from gateway.edge.upstream import Connection
from tests.edge.test_pool import pool_to
from tests.edge.world import Sonar
from tests.session.samples import Clock, until

_SMALLEST, _LARGEST = 64 * 1024, 1024 * 1024
_BODY = 64 * _LARGEST


class _Kept:
    """Whose request it is; keeps the body of the reply as it comes."""

    def __init__(self) -> None:
        self.came: list[bytes] = []

    def replied(self, events: list[ReplyEvent]) -> None:
        self.came += [event for event in events if isinstance(event, bytes)]

    def upstream_lost(self, *, complete: bool) -> None:
        raise AssertionError("nobody ended it")

    def upstream_full(self, *, full: bool) -> None:
        raise AssertionError("nothing was sent that could fill it")


MakeAsked = Callable[[], Awaitable[tuple[Connection, _Kept]]]


@pytest.fixture
async def make_asked() -> AsyncIterator[MakeAsked]:
    """Makes connections on which a long body has begun to come."""
    sonar = Sonar()
    await sonar.start()
    pool = pool_to(sonar, Clock(0.0))
    made: list[Connection] = []

    async def make() -> tuple[Connection, _Kept]:
        connection, kept = await pool.connect(), _Kept()
        made.append(connection)
        # The socket itself is left alone: the test says what comes.
        connection._transport.pause_reading()
        connection.send(kept, "GET", b"GET / HTTP/1.1\r\nHost: sonar\r\n\r\n")
        _read(connection, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _BODY)
        return connection, kept

    yield make
    for connection in made:
        connection.close()
    await until(lambda: pool.open == 0)
    await sonar.stop()


def _read(connection: Connection, data: bytes) -> None:
    """What the event loop does when `data` waits in the socket."""
    while data:
        room = connection.get_buffer(-1)
        size = min(len(room), len(data))
        room[:size] = data[:size]
        connection.buffer_updated(size)
        data = data[size:]


async def test_each_read_that_fills_its_piece_is_followed_by_one_of_twice_the_size(
    make_asked: MakeAsked,
) -> None:
    connection, kept = await make_asked()
    sent = bytes(range(256)) * (16 * 1024)
    _read(connection, sent)
    sizes = [len(piece) for piece in kept.came]
    assert sizes[:5] == [_SMALLEST << doubled for doubled in range(5)]
    assert max(sizes) == _LARGEST
    assert b"".join(kept.came) == sent


@pytest.mark.parametrize("size", [1, 1000, _SMALLEST - 1])
async def test_what_comes_in_little_is_read_in_little(make_asked: MakeAsked, size: int) -> None:
    connection, _ = await make_asked()
    for _ in range(50):
        _read(connection, bytes(size))
    assert len(connection.get_buffer(-1)) == _SMALLEST


async def test_who_falls_behind_holds_the_smallest_piece_again(make_asked: MakeAsked) -> None:
    connection, _ = await make_asked()
    _read(connection, bytes(2 * _LARGEST))
    assert len(connection.get_buffer(-1)) == _LARGEST
    connection.hold(held=True)
    assert len(connection.get_buffer(-1)) == _SMALLEST


async def test_what_one_was_given_does_not_change_when_another_reads(make_asked: MakeAsked) -> None:
    (jo, jos), (sam, sams) = await make_asked(), await make_asked()
    _read(jo, b"for Jo alone")
    _read(sam, b"and this for Sam")
    _read(jo, b"more")
    assert jos.came == [b"for Jo alone", b"more"]
    assert sams.came == [b"and this for Sam"]
