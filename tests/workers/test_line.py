"""What a worker and the supervisor tell each other, and that nobody waits for it."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.operate.metrics import Counters, Kind
from gateway.workers.line import Line, pair, receive, send
from tests.session.samples import until


class Worker:
    """An open line, and what came out of it."""

    def __init__(self, end: socket.socket) -> None:
        self.line = Line(end)
        self.counters = Counters()
        self.standing_in: list[list[int]] = []
        self.lost = 0

    def open(self) -> None:
        self.line.open(self.counters, self.standing_in.append, self._lose)

    def _lose(self) -> None:
        self.lost += 1


@pytest.fixture
async def ends() -> AsyncIterator[tuple[socket.socket, Worker]]:
    """The supervisor's end, and a worker."""
    ours, theirs = pair()
    worker = Worker(theirs)
    worker.open()
    yield ours, worker
    await worker.line.close()
    ours.close()
    theirs.close()


async def heard(end: socket.socket, key: str) -> object:
    """The next message with this key."""
    async with asyncio.timeout(5):
        while True:
            try:
                message = receive(end)
            except BlockingIOError:
                await asyncio.sleep(0.01)
                continue
            assert message is not None
            if key in message:
                return message[key]


Ends = tuple[socket.socket, Worker]


async def test_signs_of_life_carry_what_was_counted(ends: Ends) -> None:
    ours, worker = ends
    await heard(ours, "counted")
    worker.counters.requests[Kind.PUBLIC, 2] += 4
    counted = await heard(ours, "counted")
    assert isinstance(counted, list)
    (requests,) = (family for family in counted if family["name"] == "sonar_gateway_requests")
    assert ["sonar_gateway_requests_total", {"kind": "public", "status": "2xx"}, 4] in requests[
        "samples"
    ]


async def test_what_it_says(ends: Ends) -> None:
    ours, worker = ends
    worker.line.say("ok")
    assert await heard(ours, "state") == "ok"
    worker.line.fail("no room")
    assert await heard(ours, "failed") == "no room"


async def test_it_is_told_whom_to_stand_in_for(ends: Ends) -> None:
    ours, worker = ends
    send(ours, {"stand_in": [2, 3]})
    send(ours, {"stand_in": []})
    await until(lambda: len(worker.standing_in) == 2)
    assert worker.standing_in == [[2, 3], []]


async def test_answers_find_their_questions(ends: Ends) -> None:
    ours, worker = ends
    first = asyncio.create_task(worker.line.readiness())
    second = asyncio.create_task(worker.line.readiness())
    numbers = [await heard(ours, "ask"), await heard(ours, "ask")]
    send(ours, {"answer": numbers[1], "ready": False, "parts": {"worker 1": "starting"}})
    send(ours, {"answer": 999, "ready": False, "parts": {}})
    send(ours, {"answer": numbers[0], "ready": True, "parts": {"worker 1": "ok"}})
    assert (await first).ready
    assert not (await second).ready


async def test_no_answer_is_a_timeout(ends: Ends) -> None:
    with pytest.raises(TimeoutError):
        await ends[1].line.readiness()


async def test_it_hears_when_there_is_no_supervisor_any_more(ends: Ends) -> None:
    ours, worker = ends
    ours.close()
    await until(lambda: worker.lost)
    worker.line.say("ok")
    assert worker.lost == 1


def test_an_end_that_is_gone_reads_as_none() -> None:
    ours, theirs = pair()
    send(theirs, {"state": "ok"})
    theirs.close()
    assert receive(ours) == {"state": "ok"}
    assert receive(ours) is None
    send(ours, {"stand_in": []})
    ours.close()


def test_nobody_waits_for_who_does_not_listen() -> None:
    ours, theirs = pair()
    for _ in range(10_000):
        send(ours, {"words": "x" * 1000})
    assert receive(theirs) == {"words": "x" * 1000}
    ours.close()
    theirs.close()
