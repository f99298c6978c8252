"""Where events go: a line in the log at once, and a record in the database soon after.

A queue stands between (waiting.py), so that nobody who signs in waits for a database that is slow;
one task empties it (writer.py).

With `audit.required` an event that gives access waits until its record is kept, a little while at
most: that the database is slow is no reason to send anybody away. That it cannot keep the record
is one.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from gateway.errors import AuditUnavailable, Unavailable
from gateway.operate.audit.event import GIVES_ACCESS, Event, EventKind
from gateway.operate.audit.record import write_line
from gateway.operate.audit.waiting import Queue
from gateway.operate.audit.writer import Keeper, Writer
from gateway.operate.metrics import Counters
from gateway.settings.storage import Audit as Settings
from gateway.tasks import stopped

_log = structlog.get_logger()

# How long records gather, so that a busy process writes twenty times a second and not at each.
_GATHER = 0.05
# How long a sign-in waits for a slow database, with `audit.required`.
_PATIENCE = 2.0
# At the end, for what is still in the queue.
_LAST_CHANCE = 5.0
_TRIM_EVERY = 3600.0
_SAY_LEFT_OUT_EVERY = 60.0


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
        self._clock = clock
        self._tells = tell
        self._queue = Queue(self._counters, clock)
        self._writer = Writer(
            self._queue,
            clock,
            gather=0 if self._settings.required else _GATHER,
            idle=self._note_left_out,
            says_heads=tell,
        )
        self._tasks: list[asyncio.Task[None]] = []

    async def record(self, event: Event) -> None:
        """Take an event. Raises `AuditUnavailable` when it gives access, cannot be kept, and
        `audit.required` is on; the event has not happened then, and nobody may act on it."""
        if not self._settings.required or event.kind not in GIVES_ACCESS:
            self.note(event)
            return
        waiting = self._queue.put(event, asyncio.get_running_loop().create_future())
        if waiting is None or waiting.kept is None:
            raise AuditUnavailable("too many of its records wait to be written")
        self._writer.hurry()
        await asyncio.wait((waiting.kept,), timeout=_PATIENCE)
        if waiting.kept.done():
            waiting.kept.result()
        elif self._writer.is_failing:
            self._queue.withdraw(waiting)
            raise AuditUnavailable("the database of its records does not answer")
        else:
            # Slow, and nothing worse: the record is kept in its turn.
            waiting.kept = None
        self._tell(event)

    def note(self, event: Event) -> None:
        """Take an event that has happened, or a refusal. Never waits, never fails."""
        self._tell(event)
        self._queue.put(event)

    def start(self, keeper: Keeper, *, trim: bool = True) -> None:
        """Keep records from now on, those that came before too; and `trim` what is too old."""
        self._tasks = [asyncio.create_task(self._writer.run(keeper), name="audit")]
        if trim:
            self._tasks.append(asyncio.create_task(self._trim(keeper), name="audit-trim"))

    async def close(self) -> int:
        """Write what waits, for some seconds at most; how many records were left."""
        self._note_left_out(0.0)
        if self._tasks:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_CHANCE):
                    await self._queue.emptied()
        for task in self._tasks:
            await stopped(task)
        self._tasks = []
        left = len(self._queue)
        if left:
            self._counters.audit_lost += left
            _log.error("audit_lost", records=left)
        return left

    def _tell(self, event: Event) -> None:
        if self._tells:
            write_line(event)

    def _note_left_out(self, every: float = _SAY_LEFT_OUT_EVERY) -> None:
        """Keep how many records were not kept, unless that was said a moment ago."""
        left_out = self._queue.left_out(every)
        if left_out is not None:
            self.note(left_out)

    async def _trim(self, keeper: Keeper) -> None:
        while True:
            gone = 0
            with suppress(Unavailable):
                while some := await keeper.trim(self._clock() - self._settings.keep):
                    gone += some
            if gone:
                self.note(Event(EventKind.AUDIT_TRIMMED, detail={"records": gone}))
            self._note_left_out()
            await asyncio.sleep(_TRIM_EVERY)
