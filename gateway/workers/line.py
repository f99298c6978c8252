"""The line between the supervisor and a worker: one message of JSON a datagram, both ways.

    worker to supervisor   {"state": "ok"}        what it is doing now
                           {"counted": [...]}     its counters, once a second: also a sign of life
                           {"failed": "words"}    why it cannot start
                           {"ask": 7}             tell me of all
    supervisor to worker   {"stand_in": [2]}      accept for these workers, too
                           {"answer": 7, …}       to `ask`

A socket pair of type SEQPACKET keeps messages whole and tells when the other end is gone. Nobody
waits for it: a message for which there is no room is dropped, and the next one says more.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from gateway.operate import totals
from gateway.operate.management import Metrics, Readiness
from gateway.operate.metrics import Counters
from gateway.operate.scrape import processes
from gateway.tasks import stopped

Message = dict[str, Any]

# Some 150 series of 100 bytes make a message of 15 KB.
_LARGEST = 512 * 1024
_BEAT_SECONDS = 1.0


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a new line."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LARGEST)
    return ends


def send(end: socket.socket, message: Message) -> None:
    """Send if it can be sent now."""
    with suppress(OSError):
        end.send(json.dumps(message).encode())


def receive(end: socket.socket) -> Message | None:
    """The next message; `None`: the other end is gone. Raises `BlockingIOError` when there is
    none."""
    try:
        data = end.recv(_LARGEST)
    except ConnectionError:
        return None
    message: Message | None = json.loads(data) if data else None
    return message


class Line:
    """A worker's end; it tells of all workers as the supervisor sees them."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._beating: asyncio.Task[None] | None = None
        self._counters: Counters | None = None

    def open(
        self,
        counters: Counters,
        stand_in: Callable[[list[int]], None],
        lost: Callable[[], None],
    ) -> None:
        """Send signs of life, with what `counters` say; call `stand_in` with the numbers of the
        workers to accept for, and `lost` when there is no supervisor any more."""
        self._counters = counters
        loop = asyncio.get_running_loop()
        loop.add_reader(self._end, self._hear, stand_in, lost)
        self._beating = loop.create_task(self._beat())

    async def close(self) -> None:
        """Say the last of what was counted, and no more."""
        asyncio.get_running_loop().remove_reader(self._end)
        await stopped(self._beating)
        self._report()

    def say(self, state: str) -> None:
        """Tell what this worker is doing now."""
        send(self._end, {"state": state})

    def fail(self, words: str) -> None:
        """Tell why this worker cannot start."""
        send(self._end, {"failed": words})

    async def readiness(self) -> Readiness:
        answer = await self._ask()
        return Readiness(answer["ready"], answer["parts"])

    async def metrics(self) -> Metrics:
        self._report()
        answer = await self._ask()
        return (*totals.metrics(answer["counted"]), *processes(answer["pids"]))

    async def _ask(self) -> Message:
        number = next(self._numbers)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            send(self._end, {"ask": number})
            async with asyncio.timeout(_BEAT_SECONDS):
                return await answer
        finally:
            del self._asked[number]

    def _hear(self, stand_in: Callable[[list[int]], None], lost: Callable[[], None]) -> None:
        message = receive(self._end)
        if message is None:
            asyncio.get_running_loop().remove_reader(self._end)
            lost()
        elif "stand_in" in message:
            stand_in(message["stand_in"])
        else:
            answer = self._asked.get(message["answer"])
            if answer is not None and not answer.done():
                answer.set_result(message)

    def _report(self) -> None:
        if self._counters is not None:
            send(self._end, {"counted": totals.snapshot(self._counters)})

    async def _beat(self) -> None:
        while True:
            self._report()
            await asyncio.sleep(_BEAT_SECONDS)
