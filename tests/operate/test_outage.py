"""A part that is down: told once, left alone while it is gone, used as soon as it is back."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from gateway.errors import DirectoryUnavailable, LinksUnavailable, Unavailable
from gateway.operate.outage import Outages, Part
from tests.session.samples import Clock, until
from tests.stopwatch import Stopwatch

GONE = LinksUnavailable("no route")
REFUSED = LinksUnavailable("the disk is full", refused=True)


class Fake:
    """What a part answers when it is asked whether it works; `asked`: when."""

    def __init__(self) -> None:
        self.reading: Unavailable | None = None
        self.writing: Unavailable | None = None
        self.asked: list[float] = []

    async def read(self) -> None:
        self.asked.append(time.monotonic())
        if self.reading is not None:
            raise self.reading

    async def write(self) -> None:
        if self.writing is not None:
            raise self.writing


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def part(fake: Fake) -> Iterator[Part]:
    part = Part("links")
    part.watched(fake.read, fake.write)
    yield part
    part.stop()


def fail(part: Part, error: Unavailable = GONE) -> None:
    part.failed(error, time.monotonic(), gone=not error.refused)


async def test_is_told_once_however_many_fail(part: Part, fake: Fake) -> None:
    fake.reading = GONE
    with capture_logs() as logs:
        for _ in range(100):
            fail(part)
        await until(lambda: len(fake.asked) >= 2)
        fake.reading = None
        await until(lambda: part.down_since is None, within=2.0)
    assert [log["event"] for log in logs] == ["part_down", "part_up"]
    assert (logs[0]["part"], logs[0]["reason"]) == ("links", "links_unavailable")
    assert logs[0]["error"] == "no route"
    assert part.failures == 100


async def test_who_asks_meanwhile_is_told_at_once(part: Part, fake: Fake) -> None:
    fake.reading = GONE
    part.check()
    fail(part)
    for _ in range(3):
        with pytest.raises(LinksUnavailable, match="no route"):
            part.check()
    fake.reading = None
    await until(lambda: not part.is_gone, within=2.0)
    part.check()


async def test_one_that_refuses_to_write_is_asked_on(part: Part, fake: Fake) -> None:
    fake.writing = REFUSED
    fail(part, REFUSED)
    part.check()
    await until(lambda: len(fake.asked) >= 2)
    part.check()
    assert part.down_since is not None
    assert part.unreadable_since is None
    fake.writing = None
    await until(lambda: part.down_since is None, within=2.0)


async def test_gone_and_then_read_only(part: Part, fake: Fake) -> None:
    fake.writing = REFUSED
    fail(part)
    await until(lambda: not part.is_gone, within=2.0)
    assert part.down_since is not None
    assert part.unreadable_since is None


async def test_one_that_cannot_be_read_is_so_since_the_first_time(part: Part, fake: Fake) -> None:
    fake.reading = LinksUnavailable("no such table", refused=True)
    fail(part, REFUSED)
    await until(lambda: part.unreadable_since is not None)
    since = part.unreadable_since
    await until(lambda: len(fake.asked) >= 3)
    assert part.unreadable_since == since
    part.check()


async def test_is_asked_ever_less_often_up_to_once_a_second(part: Part, fake: Fake) -> None:
    fake.reading = GONE
    fail(part)
    for _ in range(50):
        await asyncio.sleep(0)
        fail(part)
    await until(lambda: len(fake.asked) >= 6)
    pauses = [after - before for before, after in zip(fake.asked, fake.asked[1:], strict=False)]
    assert max(pauses) < 1.3
    assert min(pauses[2:]) > 0.15


async def test_a_question_that_was_lost_keeps_nobody_waiting() -> None:
    """Two are under way at most: the first has its time, the other makes way for the next."""
    part, back = Part("links"), asyncio.Event()
    under_way, most, begun = 0, 0, 0

    async def read() -> None:
        nonlocal under_way, most, begun
        begun += 1
        under_way += 1
        most = max(most, under_way)
        try:
            if not back.is_set():
                await asyncio.Event().wait()
        finally:
            under_way -= 1

    part.watched(read)
    fail(part)
    await until(lambda: begun >= 4)
    assert (under_way, most) == (2, 2)
    back.set()
    watch = Stopwatch()
    await until(lambda: part.down_since is None)
    assert watch.seconds() < 1.1
    await until(lambda: under_way == 0)


async def test_one_that_is_slow_is_heard_when_it_has_answered() -> None:
    part, answers, begun = Part("links"), asyncio.Event(), 0

    async def read() -> None:
        nonlocal begun
        begun += 1
        first = begun == 1
        await (answers if first else asyncio.Event()).wait()

    part.watched(read)
    fail(part)
    await until(lambda: begun >= 3)
    answers.set()
    await until(lambda: part.down_since is None)


async def test_two_answers_at_once_are_one_return() -> None:
    part, network, begun = Part("links"), asyncio.Event(), 0

    async def read() -> None:
        nonlocal begun
        begun += 1
        await network.wait()

    part.watched(read)
    with capture_logs() as logs:
        fail(part)
        await until(lambda: begun >= 2)
        network.set()
        await until(lambda: part.down_since is None)
        fail(part)
        await until(lambda: part.down_since is None)
    assert [log["event"] for log in logs] == ["part_down", "part_up"] * 2


async def test_where_nothing_is_lost_one_question_is_under_way() -> None:
    part, begun, looked = Part("links"), 0, asyncio.Event()

    async def read() -> None:
        nonlocal begun
        begun += 1
        await looked.wait()

    part.watched(read, one_at_a_time=True)
    fail(part)
    since = time.monotonic()
    await until(lambda: begun and time.monotonic() - since > 1.0)
    assert begun == 1
    looked.set()
    await until(lambda: part.down_since is None)


async def test_what_was_asked_before_it_came_back_says_nothing(part: Part, fake: Fake) -> None:
    began = time.monotonic()
    fail(part)
    await until(lambda: part.down_since is None, within=2.0)
    part.failed(GONE, began, gone=True)
    assert part.down_since is None
    assert not part.is_gone
    fail(part)
    assert part.is_gone


async def test_the_question_survives_what_it_meets(part: Part, fake: Fake) -> None:
    fake.reading = GONE
    fail(part)

    async def broken() -> None:
        fake.asked.append(0.0)
        raise RuntimeError("no")

    part.watched(broken)
    part.stop()
    with capture_logs() as logs:
        fail(part)
        await until(lambda: fake.asked)
        await until(lambda: logs)
    assert logs[0]["event"] == "part_check_failed"
    assert part._asking is not None
    assert not part._asking.done()


def test_one_that_nobody_asks_is_back_with_its_next_answer() -> None:
    part = Part("provider google")
    with capture_logs() as logs:
        part.answered()
        part.failed(GONE, time.monotonic(), gone=False)
        part.check()
        part.answered()
    assert [log["event"] for log in logs] == ["part_down", "part_up"]


def test_which_is_overdue() -> None:
    clock = Clock()
    outages = Outages(clock)
    directory, links = outages.part("directory"), outages.part("links")
    links.failed(REFUSED, clock(), gone=False)
    directory.failed(DirectoryUnavailable("no"), clock(), gone=True)
    clock.pass_by(299)
    assert outages.overdue(("directory", "links"), 300) is None
    clock.pass_by(2)
    assert outages.overdue(("links",), 300) is None
    assert isinstance(outages.overdue(("links", "directory"), 300), DirectoryUnavailable)
    assert outages.overdue(("nobody",), 0) is None
    assert [(state.name, state.down) for state in outages.states()] == [
        ("directory", True),
        ("links", True),
    ]
    assert outages.part("links") is links
