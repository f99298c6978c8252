"""Records that wait to be written: a queue with an end, and a part of it that no refusal takes.

What does not fit is counted, and the count becomes a record of its own as soon as there is room.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from gateway.address import site_of
from gateway.operate.audit.allowance import Allowance
from gateway.operate.audit.chain import Record
from gateway.operate.audit.event import REFUSALS, Event, EventKind
from gateway.operate.audit.record import record_of
from gateway.operate.metrics import Counters

# Some 10 MB; at ten sign-ins a second a quarter of an hour without a database.
_MOST = 10_000
# The last tenth is for events that give or take access: no flood of refusals fills it.
_MOST_WITH_REFUSALS = 9_000
# Rows in one transaction: some ten milliseconds.
_AT_ONCE = 500


@dataclass(slots=True, eq=False)
class Waiting:
    """`kept` is done when the record is; `None` when nobody waits for that."""

    record: Record
    kept: asyncio.Future[None] | None


class Queue:
    """`clock` is Unix seconds."""

    def __init__(self, counters: Counters, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._counters.audit_waiting = lambda: len(self)
        self._clock = clock
        self._all: deque[Waiting] = deque()
        self._some = asyncio.Event()
        self._empty = asyncio.Event()
        self._allowance = Allowance()
        self._behind = 0
        self._withdrawn = False
        self._told_left_out = 0.0

    def __len__(self) -> int:
        return len(self._all)

    def put(self, event: Event, kept: asyncio.Future[None] | None = None) -> Waiting | None:
        """Take the event, if it is to be kept and there is room."""
        most = _MOST
        if event.kind in REFUSALS:
            most = _MOST_WITH_REFUSALS
            facts = event.facts()
            subject = facts["subject"]
            who = subject or site_of(facts["address"] or "")
            if not self._allowance.has_room(who, self._clock(), named=bool(subject)):
                self._counters.audit_lost += 1
                return None
        if len(self._all) >= most:
            self._counters.audit_lost += 1
            self._behind += 1
            return None
        waiting = Waiting(record_of(event, self._clock()), kept)
        self._all.append(waiting)
        self._some.set()
        return waiting

    def withdraw(self, waiting: Waiting) -> None:
        """Somebody gave up waiting, and did not do it."""
        if waiting.kept is not None:
            waiting.kept.cancel()
            self._withdrawn = True

    async def next_ones(self, gather: float) -> list[Waiting]:
        """The first in the queue, once there are some and `gather` seconds more have passed; they
        stay in it until `drop`. Empty when all of them were withdrawn."""
        if not self._all:
            self._empty.set()
            self._some.clear()
            await self._some.wait()
            self._empty.clear()
        await asyncio.sleep(gather)
        self._drop_withdrawn()
        return list(islice(self._all, _AT_ONCE))

    def drop(self, gone: Sequence[Waiting]) -> None:
        """They wait no more. Cheap for those at the front."""
        for waiting in gone:
            self._all.remove(waiting)

    async def emptied(self) -> None:
        """Until nothing waits."""
        self._empty.clear()
        self._some.set()
        await self._empty.wait()

    def left_out(self, every: float) -> Event | None:
        """How many records were not kept, unless that was told less than `every` seconds ago."""
        behind, flood, now = self._behind, self._allowance.left_out, self._clock()
        if len(self._all) >= _MOST or not (behind or flood):
            return None
        if 0 <= now - self._told_left_out < every:
            return None
        self._told_left_out = now
        self._behind = self._allowance.left_out = 0
        return Event(EventKind.RECORDS_LEFT_OUT, detail={"flood": flood, "behind": behind})

    def _drop_withdrawn(self) -> None:
        if self._withdrawn:
            self._withdrawn = False
            gone = [each for each in self._all if each.kept is not None and each.kept.cancelled()]
            self.drop(gone)
