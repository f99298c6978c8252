"""The calls of each account, as they happen. Made up, and the same after every start.

Whoever has the calls list open sees a call ring, be answered and end; for accounts that nobody
watches nothing happens.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

_KEPT = 25
# A listener that has fallen so many updates behind is no longer reading.
_BACKLOG = 100
_PARTIES = (
    ("Dana Whitfield", "+1 555 0101"),
    ("Harbour Logistics", "+1 555 0114"),
    ("Dr. M. Sørensen", "+45 55 50 12 20"),
    ("Café Zürich", "+41 55 501 23 01"),
    ("Unknown caller", "withheld"),
    ("Priya Raman", "+44 5550 142"),
    ("Northside Clinic", "+1 555 0155"),
    ("Tom & Jerry Movers", "+1 555 0160"),
    ("Lucía Ortega", "+34 555 01 71"),
    ("Parts Warehouse", "+1 555 0188"),
)


class CallState(StrEnum):
    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Call:
    """`started` is Unix seconds, `seconds` how long was talked."""

    id: int
    direction: str
    party: str
    number: str
    started: float
    seconds: int
    state: CallState

    def as_json(self) -> dict[str, object]:
        clock = time.strftime("%d %b %H:%M", time.localtime(self.started))
        return {**asdict(self), "when": clock, "length": self.length()}

    def length(self) -> str:
        return f"{self.seconds // 60}:{self.seconds % 60:02}"


class Switchboard:
    """Every account's latest calls, newest first, and who is watching them."""

    def __init__(self) -> None:
        self._calls: dict[int, deque[Call]] = {}
        self._listeners: dict[int, set[asyncio.Queue[Call]]] = {}
        self._ids = itertools.count(1)

    def calls_of(self, account_id: int) -> tuple[Call, ...]:
        return tuple(self._history(account_id))

    @contextmanager
    def listen(self, account_id: int) -> Iterator[asyncio.Queue[Call]]:
        """A queue of this account's calls, each put again whenever it changes."""
        queue: asyncio.Queue[Call] = asyncio.Queue(_BACKLOG)
        listeners = self._listeners.setdefault(account_id, set())
        listeners.add(queue)
        try:
            yield queue
        finally:
            listeners.discard(queue)
            if not listeners:
                self._listeners.pop(account_id, None)

    def step(self, account_id: int) -> Call:
        """Let the next thing happen: the latest call is answered or ends, or a new one rings."""
        history = self._history(account_id)
        call = _next(history[0])
        if call is None:
            call = self._new_call(account_id, time.time(), 0, CallState.RINGING)
            history.appendleft(call)
        history[0] = call
        for queue in self._listeners.get(account_id, ()):
            if not queue.full():
                queue.put_nowait(call)
        return call

    async def run(self, every: float) -> None:
        """Let things happen, every so many seconds, for the accounts somebody watches."""
        while True:
            await asyncio.sleep(every)
            for account_id in tuple(self._listeners):
                self.step(account_id)

    def _history(self, account_id: int) -> deque[Call]:
        history = self._calls.get(account_id)
        if history is None:
            history = self._calls[account_id] = deque(maxlen=_KEPT)
            now = time.time()
            for hours in range(8, 0, -1):
                missed = (account_id + hours) % 5 == 0
                state = CallState.MISSED if missed else CallState.ENDED
                seconds = 0 if missed else 37 * hours + account_id % 90
                started = now - hours * 3300 - account_id % 600
                history.appendleft(self._new_call(account_id, started, seconds, state))
        return history

    def _new_call(self, account_id: int, started: float, seconds: int, state: CallState) -> Call:
        number = next(self._ids)
        party, phone = _PARTIES[(account_id * 7 + number) % len(_PARTIES)]
        direction = "in" if number % 3 else "out"
        return Call(number, direction, party, phone, started, seconds, state)


def _next(call: Call) -> Call | None:
    """What becomes of `call`; `None` when it is over. Every fourth one is missed."""
    match call.state:
        case CallState.RINGING if call.id % 4 == 0:
            return replace(call, state=CallState.MISSED)
        case CallState.RINGING:
            return replace(call, state=CallState.TALKING)
        case CallState.TALKING:
            seconds = max(1, round(time.time() - call.started))
            return replace(call, state=CallState.ENDED, seconds=seconds)
        case CallState.ENDED | CallState.MISSED:
            return None
