"""What has come and has not been dealt with: bounded, and borrowed readers go back."""

from gateway.edge.events import END, RequestEvent
from gateway.edge.inbound import RawHead
from gateway.edge.intake import Intake
from gateway.edge.peer import Peer
from tests.edge.world import World, get

PEER = Peer("192.0.2.1", trusted=False)
GET = get("/", "Cookie: SONARSESSID=1")


def drain(intake: Intake) -> list[RequestEvent]:
    events = []
    while (event := intake.next()) is not None:
        events.append(event)
    return events


async def test_events_in_order(world: World) -> None:
    intake = Intake(world.edge._shared, PEER)
    intake.add(GET + GET[:10])
    intake.add(GET[10:])
    assert [type(event) for event in drain(intake)] == [RawHead, type(END)] * 2
    assert intake.empty


async def test_requests_sent_ahead_wait_as_bytes(world: World) -> None:
    intake = Intake(world.edge._shared, PEER)
    intake.add(GET * 5000)
    assert isinstance(intake.next(), RawHead)
    assert len(intake._events) < 1000
    assert intake.waiting > len(GET) * 4000
    assert len(drain(intake)) == 9999
    assert intake.waiting == 0


async def test_a_body_is_skipped_when_it_is_here(world: World) -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    intake = Intake(world.edge._shared, PEER)
    intake.add(post + b"hello" + GET)
    intake.next()
    assert intake.skip_body()
    assert isinstance(intake.next(), RawHead)
    intake.skip_end()
    assert intake.next() is None
    intake.add(post + b"hel")
    intake.next()
    assert not intake.skip_body()


async def test_readers_go_back_and_are_used_again(world: World) -> None:
    first = Intake(world.edge._shared, PEER)
    first.add(GET)
    drain(first)
    reader = first._reader
    first.rest()
    assert first._reader is None
    second = Intake(world.edge._shared, PEER)
    second.add(GET)
    drain(second)
    assert second._reader is reader


async def test_a_head_that_has_begun(world: World) -> None:
    intake = Intake(world.edge._shared, PEER)
    assert intake.empty
    intake.add(GET[:20])
    assert intake.next() is None
    assert intake.in_head
    assert not intake.empty


async def test_what_follows_an_upgrade_is_left_alone(world: World) -> None:
    upgrade = get("/", "Connection: Upgrade", "Upgrade: websocket")
    intake = Intake(world.edge._shared, PEER)
    intake.add(upgrade + b"frames" + GET)
    intake.next()
    intake.skip_end()
    assert intake.take_bytes() == b"frames" + GET
    assert intake.empty


async def test_what_follows_an_upgrade_is_not_copied(world: World) -> None:
    """Or each of many requests to upgrade, sent ahead, would cost as much as all of them."""
    upgrade = get("/", "Connection: Upgrade", "Upgrade: h2c")
    intake = Intake(world.edge._shared, PEER)
    intake.add(upgrade * 1000)
    ahead = intake._backlog
    for number in range(500):
        assert isinstance(intake.next(), RawHead)
        assert intake.next() is END
        assert intake._backlog is ahead
        assert intake.waiting == len(upgrade) * (999 - number)
    assert len(drain(intake)) == 1000
    assert intake.empty


async def test_a_trusted_peer_has_readers_of_its_own(world: World) -> None:
    """What is remembered for one must not be used for the other."""
    shared = world.edge._shared
    trusted = shared.reader(Peer("10.0.0.1", trusted=True))
    plain = shared.reader(PEER)
    assert trusted._field_reader is not plain._field_reader
    shared.put_back(trusted, Peer("10.0.0.1", trusted=True))
    assert shared.reader(PEER) is not trusted


async def test_a_body_whose_length_was_told_is_not_cut_up(world: World) -> None:
    """Nor is a byte of it copied."""
    intake = Intake(world.edge._shared, PEER)
    intake.add(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200005\r\n\r\nhello")
    assert intake.next() is not None
    assert intake.next() == b"hello"
    piece = bytes(200_000 - 10)
    intake.add(piece)
    assert intake.next() is piece
    intake.add(b"x" * 10 + GET)
    assert [intake.next(), intake.next()] == [b"x" * 10, END]
    assert isinstance(intake.next(), RawHead)
