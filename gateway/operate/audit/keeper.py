"""Where events go: a line in the log at once, and a record in the database soon after.

A queue stands between, so that nobody who signs in waits for a database that is slow; one task
empties it, many records in one transaction. It is bounded: while the database is gone it fills,
and what no longer fits is counted, said, and kept as a count.

With `audit.required` an event that gives access waits until its record is kept, a little while at
most: that the database is slow is no reason to send anybody away. That it cannot keep the record
is one.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import structlog

from gateway.address import site_of
from gateway.errors import AuditUnavailable, Unavailable
from gateway.operate.audit.allowance import Allowance
from gateway.operate.audit.chain import Head, Record
from gateway.operate.audit.event import GIVES_ACCESS, REFUSALS, Event, EventKind
from gateway.operate.log import AUDIT_LOGGER
from gateway.operate.metrics import Counters
from gateway.settings.storage import Audit as Settings

# A name of its own: these lines go to standard output (log.py).
_line = structlog.get_logger(AUDIT_LOGGER)
_log = structlog.get_logger()

# Some 10 MB; at ten sign-ins a second a quarter of an hour without a database.
_MOST_WAITING = 10_000
# The last tenth is for events that give or take access: no flood of refusals fills it.
_MOST_WITH_REFUSALS = 9_000
# Rows in one transaction: some ten milliseconds.
_AT_ONCE = 500
# How long records gather, so that a busy process writes twenty times a second and not at each.
_GATHER = 0.05
# How long a sign-in waits for a slow database, with `audit.required`.
_PATIENCE = 2.0
# Between attempts: a database that is back is used within a second.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
# At the end, for what is still in the queue.
_LAST_CHANCE = 5.0
_TRIM_EVERY = 3600.0
# The head of the chain is said in the log at most this often: who keeps the log elsewhere can prove
# by it how long the chain once was.
_SAY_HEAD_EVERY = 60.0
_SAY_LEFT_OUT_EVERY = 60.0

_LONGEST_TEXT = 1000


class Keeper(Protocol):
    """Where records are kept; `gateway.account.trail.Trail` is one. May raise `Unavailable`."""

    async def append(self, records: Sequence[Record]) -> Head: ...
    async def trim(self, before: float) -> int: ...


@dataclass(slots=True, eq=False)
class _Waiting:
    record: Record
    kept: asyncio.Future[None] | None


class Audit:
    """Takes events. `record` before access is given: it may say no. `note` for all others.

    Events that come before `start` wait for it. `clock`: Unix seconds. `tell`: whether each has its
    line on standard output; where that has a command's answer, it has none.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        counters: Counters | None = None,
        *,
        clock: Callable[[], float] = time.time,
        tell: bool = True,
    ) -> None:
        self._settings = settings or Settings()
        self._counters = counters or Counters()
        self._counters.audit_waiting = lambda: len(self._queue)
        self._clock = clock
        self._tell = _tell if tell else _nobody
        self._queue: deque[_Waiting] = deque()
        self._some = asyncio.Event()
        self._empty = asyncio.Event()
        self._urgent = asyncio.Event()
        self._allowance = Allowance()
        self._behind = 0
        self._failing = False
        self._withdrawn = False
        self._said_head = 0.0
        self._said_left_out = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    async def record(self, event: Event) -> None:
        """Take an event. Raises `AuditUnavailable` when it gives access, cannot be kept, and
        `audit.required` is on; the event has not happened then, and nobody may act on it."""
        if not self._settings.required or event.kind not in GIVES_ACCESS:
            self.note(event)
            return
        waiting = self._take(event, asyncio.get_running_loop().create_future())
        if waiting is None or waiting.kept is None:
            raise AuditUnavailable("too many of its records wait to be written")
        self._urgent.set()
        await asyncio.wait((waiting.kept,), timeout=_PATIENCE)
        if waiting.kept.done():
            waiting.kept.result()
        elif self._failing:
            waiting.kept.cancel()
            self._withdrawn = True
            raise AuditUnavailable("the database of its records does not answer")
        else:
            # Slow, and nothing worse: the record is kept in its turn.
            waiting.kept = None
        self._tell(event)

    def note(self, event: Event) -> None:
        """Take an event that has happened, or a refusal. Never waits, never fails."""
        self._tell(event)
        self._take(event, None)

    def start(self, keeper: Keeper, *, trim: bool = True) -> None:
        """Keep records from now on, those that came before too; and `trim` what is too old."""
        self._tasks = [asyncio.create_task(self._write(keeper), name="audit")]
        if trim:
            self._tasks.append(asyncio.create_task(self._trim(keeper), name="audit-trim"))

    async def close(self) -> int:
        """Write what waits, for some seconds at most; how many records were left."""
        self._tell_left_out(0.0)
        if self._tasks:
            self._empty.clear()
            self._some.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_CHANCE):
                    await self._empty.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._queue:
            self._counters.audit_lost += len(self._queue)
            _log.error("audit_lost", records=len(self._queue))
        return len(self._queue)

    # The queue.

    def _take(self, event: Event, kept: asyncio.Future[None] | None) -> _Waiting | None:
        """Put the event in the queue, if it is to be kept and there is room."""
        most = _MOST_WAITING
        if event.kind in REFUSALS:
            most = _MOST_WITH_REFUSALS
            facts = event.facts()
            who = facts["subject"] or site_of(facts["address"] or "")
            if not self._allowance.has_room(who, self._clock()):
                self._counters.audit_lost += 1
                return None
        if len(self._queue) >= most:
            self._counters.audit_lost += 1
            self._behind += 1
            return None
        waiting = _Waiting(_record(event, self._clock()), kept)
        self._queue.append(waiting)
        self._some.set()
        return waiting

    def _tell_left_out(self, every: float = _SAY_LEFT_OUT_EVERY) -> None:
        """Keep how many records were not kept, unless that was said a moment ago."""
        behind, flood, now = self._behind, self._allowance.left_out, self._clock()
        room = len(self._queue) < _MOST_WAITING
        if room and (behind or flood) and not 0 <= now - self._said_left_out < every:
            self._said_left_out = now
            self._behind = self._allowance.left_out = 0
            detail = {"flood": flood, "behind": behind}
            self.note(Event(EventKind.RECORDS_LEFT_OUT, detail=detail))

    # The writer.

    async def _write(self, keeper: Keeper) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            if not self._queue:
                self._empty.set()
                self._some.clear()
                await self._some.wait()
                self._empty.clear()
            await asyncio.sleep(0 if self._settings.required else _GATHER)
            self._drop_withdrawn()
            batch = list(islice(self._queue, _AT_ONCE))
            if not batch:
                continue
            try:
                head = await keeper.append([waiting.record for waiting in batch])
            except Exception as error:
                # It must outlive whatever goes wrong: nothing is recorded after it.
                if not isinstance(error, Unavailable):
                    _log.exception("audit_failed")
                self._failed(batch, error)
                await self._rest(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _SHORTEST_PAUSE
                self._kept(batch, head)

    def _drop_withdrawn(self) -> None:
        """What somebody gave up waiting for, and did not do, is not recorded later."""
        if self._withdrawn:
            self._withdrawn = False
            for waiting in tuple(self._queue):
                if waiting.kept is not None and waiting.kept.cancelled():
                    self._queue.remove(waiting)

    async def _rest(self, pause: float) -> None:
        """Wait before the next attempt, unless somebody waits for it: perhaps all is well again."""
        self._urgent.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._urgent.wait()

    def _kept(self, batch: Sequence[_Waiting], head: Head) -> None:
        for waiting in batch:
            self._queue.popleft()
            if waiting.kept is not None and not waiting.kept.done():
                waiting.kept.set_result(None)
        if self._failing:
            self._failing = False
            _log.info("audit_kept_again")
        if not self._queue:
            self._tell_left_out()
        now = self._clock()
        if self._tell is _tell and not 0 <= now - self._said_head < _SAY_HEAD_EVERY:
            self._said_head = now
            _line.info("audit_head", number=head.number, hash=head.hash)

    def _failed(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Whoever waits is told, and what they wanted has not happened."""
        if not self._failing:
            self._failing = True
            _log.error("audit_failing", error=str(error), waiting=len(self._queue))
        for waiting in batch:
            if waiting.kept is not None:
                self._queue.remove(waiting)
                if not waiting.kept.done():
                    waiting.kept.set_exception(AuditUnavailable(str(error)))

    async def _trim(self, keeper: Keeper) -> None:
        while True:
            gone = 0
            with suppress(Unavailable):
                while some := await keeper.trim(self._clock() - self._settings.keep):
                    gone += some
            if gone:
                self.note(Event(EventKind.AUDIT_TRIMMED, detail={"records": gone}))
            self._tell_left_out()
            await asyncio.sleep(_TRIM_EVERY)


def _tell(event: Event) -> None:
    told = {name: value for name, value in event.facts().items() if value is not None}
    detail = {name: value for name, value in event.detail.items() if value is not None}
    _line.info(event.kind, **told, **({"detail": detail} if detail else {}))


def _nobody(_event: Event) -> None:
    """There is nobody to tell."""


def _record(event: Event, now: float) -> Record:
    facts = {name: None if fact is None else _text(fact) for name, fact in event.facts().items()}
    detail = {
        name: _text(value) if isinstance(value, str) else value
        for name, value in event.detail.items()
        if value is not None
    }
    told = json.dumps(detail) if detail else None
    return Record(round(now, 3), event.kind.value, **facts, detail=told)


def _text(value: str) -> str:
    """What every database can hold: providers' and browsers' text is not ours to trust."""
    clean = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= _LONGEST_TEXT else clean[:_LONGEST_TEXT] + "…"
