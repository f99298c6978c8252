"""Writes what waits, many records in one transaction, and goes on whatever goes wrong.

One task, the only one that takes records out of the queue.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from gateway.errors import AuditUnavailable, Unavailable
from gateway.operate.audit.chain import Head, Record
from gateway.operate.audit.record import write_head
from gateway.operate.audit.waiting import Queue, Waiting

_log = structlog.get_logger()

# Between attempts: a database that is back is used within a second.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
# The head of the chain is said in the log at most this often.
_SAY_HEAD_EVERY = 60.0


class Keeper(Protocol):
    """Where records are kept; `gateway.account.trail.Trail` is one. May raise `Unavailable`."""

    async def append(self, records: Sequence[Record]) -> Head: ...
    async def trim(self, before: float) -> int: ...


class Writer:
    """`gather`: how long records gather before they are written, seconds. `idle` is called when
    none is left. `says_heads`: whether the head of the chain is told in the log."""

    def __init__(
        self,
        queue: Queue,
        clock: Callable[[], float],
        *,
        gather: float,
        idle: Callable[[], None],
        says_heads: bool,
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._gather = gather
        self._idle = idle
        self._says_heads = says_heads
        self._said_head = 0.0
        self._urgent = asyncio.Event()
        self.is_failing = False

    def hurry(self) -> None:
        """Somebody waits for a record: no pause before the next attempt."""
        self._urgent.set()

    async def run(self, keeper: Keeper) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            batch = await self._queue.next_ones(self._gather)
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

    async def _rest(self, pause: float) -> None:
        """Wait before the next attempt, unless somebody waits for it: perhaps all is well again."""
        self._urgent.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._urgent.wait()

    def _kept(self, batch: Sequence[Waiting], head: Head) -> None:
        self._queue.drop(batch)
        for waiting in batch:
            if waiting.kept is not None and not waiting.kept.done():
                waiting.kept.set_result(None)
        if self.is_failing:
            self.is_failing = False
            _log.info("audit_kept_again")
        if not len(self._queue):
            self._idle()
        now = self._clock()
        if self._says_heads and not 0 <= now - self._said_head < _SAY_HEAD_EVERY:
            self._said_head = now
            write_head(head)

    def _failed(self, batch: Sequence[Waiting], error: Exception) -> None:
        """Whoever waits is told, and what they wanted has not happened."""
        if not self.is_failing:
            self.is_failing = True
            _log.error("audit_failing", error=str(error), waiting=len(self._queue))
        waited_for = [waiting for waiting in batch if waiting.kept is not None]
        self._queue.drop(waited_for)
        for waiting in waited_for:
            if waiting.kept is not None and not waiting.kept.done():
                waiting.kept.set_exception(AuditUnavailable(str(error)))
