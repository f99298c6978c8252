"""Which of the parts we depend on do not answer: told once, not once a request.

    Part      one of them: up, or down since when, and whether asking it is of any use now
    Outages   all of them: for the metrics, and for who must know how long one has been down

A part that cannot be reached, or answers too late, is *gone*: whoever would ask it fails at once,
so that nobody waits for it twice, and when it is back it is not met by everybody who waited. Until
then one task asks it, at first soon and then once a second, by chance, so that many gateways do not
ask in step. What that task hears is the only way back: one answer among many failures is not.

A question that was lost on the way is answered never, or when its time is up, and the part may be
back long before: so the next one is asked beside it.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import structlog

from gateway.errors import Unavailable
from gateway.operate.metrics import PartState

_log = structlog.get_logger()

# The longest pause between two questions, in seconds: half of the two within which everything
# works again when a part is back.
_MOST_PAUSE = 1.0
_FIRST_PAUSE = 0.1

T = TypeVar("T")

Question = Callable[[], Awaitable[object]]


async def _nothing() -> None:
    """What a part with nothing to write is asked."""


class Part:
    """One part, under the name that log and metrics call it by.

    `down_since`: since when something fails, `unreadable_since`: since when nothing can be read of
    it; both on `clock`, in seconds, and `None` while all is well.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.failures = 0
        self.down_since: float | None = None
        self.unreadable_since: float | None = None
        self.error: Unavailable | None = None
        self._clock = clock
        self._gone = False
        self._up_at = float("-inf")
        self._read: Question | None = None
        self._write: Question = _nothing
        self._one_at_a_time = False
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is left alone."""
        return self._gone

    def watched(
        self, read: Question, write: Question = _nothing, *, one_at_a_time: bool = False
    ) -> None:
        """What to ask while it is down: small questions that raise `Unavailable` for whatever
        keeps the part from its work. They are not to call `check`. `one_at_a_time`: none is lost
        on the way, so that the next waits until it is answered."""
        self._read, self._write, self._one_at_a_time = read, write, one_at_a_time

    def check(self) -> None:
        """Raise at once while the part is gone."""
        if self._gone and self.error is not None:
            raise type(self.error)(str(self.error))

    def failed(self, error: Unavailable, began: float, *, gone: bool) -> None:
        """Something asked at `began` failed. One that was asked before the part came back says
        nothing of how it is now."""
        self.failures += 1
        if began < self._up_at:
            return
        self.error = error
        if self.down_since is None:
            self.down_since = self._clock()
            _log.error("part_down", part=self.name, reason=error.reason, error=str(error))
        if gone:
            self._unreadable(gone=True)
        if self._read is not None and self._asking is None:
            self._asking = asyncio.create_task(self._ask(self._read))

    def answered(self) -> None:
        """It did what it was asked. Enough only for a part that nobody asks by itself."""
        if self._read is None and self.down_since is not None:
            self._up()

    async def asked(self, question: Awaitable[T]) -> T:
        """What the part answers; whether it does is told."""
        began = time.monotonic()
        try:
            answer = await question
        except Unavailable as error:
            self.failed(error, began, gone=False)
            raise
        self.answered()
        return answer

    def stop(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _unreadable(self, *, gone: bool) -> None:
        self._gone = self._gone or gone
        if self.unreadable_since is None:
            self.unreadable_since = self._clock()

    async def _ask(self, read: Question) -> None:
        """Until it is back. Of the questions under way one has as much time as it needs, for a part
        that is slow; the other makes way for the next."""
        pause = _FIRST_PAUSE
        patient: asyncio.Task[None] | None = None
        fresh: asyncio.Task[None] | None = None
        try:
            while self.down_since is not None:
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
                pause = min(2 * pause, _MOST_PAUSE)
                if patient is None or patient.done():
                    patient = asyncio.create_task(self._ask_safely(read))
                elif not self._one_at_a_time:
                    if fresh is not None:
                        fresh.cancel()
                    fresh = asyncio.create_task(self._ask_safely(read))
        finally:
            for question in (patient, fresh):
                if question is not None:
                    question.cancel()

    async def _ask_safely(self, read: Question) -> None:
        try:
            await self._ask_once(read)
        except Exception:
            # Asking must outlive whatever it meets, or the part would be left alone for ever.
            _log.exception("part_check_failed", part=self.name)

    async def _ask_once(self, read: Question) -> None:
        asking = self._asking
        try:
            await read()
        except Unavailable as error:
            if self._asking is asking:
                self.error = error
                self._unreadable(gone=not error.refused)
            return
        if self._asking is not asking:
            # Another question was answered first.
            return
        self._gone, self.unreadable_since = False, None
        with suppress(Unavailable):
            await self._write()
            if self._asking is asking:
                self._up()

    def _up(self) -> None:
        since, self.down_since = self.down_since, None
        self._gone, self.unreadable_since, self.error = False, None, None
        self._up_at = self._clock()
        self.stop()
        down = 0.0 if since is None else self._up_at - since
        _log.info("part_up", part=self.name, down_seconds=round(down, 1))


class Untold(Part):
    """A part whose failures are nobody's business but the caller's: for commands, which ask once
    and say themselves what they found."""

    def failed(self, error: Unavailable, began: float, *, gone: bool) -> None:
        self.failures += 1


class Outages:
    """Every part of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._parts: dict[str, Part] = {}

    def part(self, name: str) -> Part:
        """The part of this name, the same each time."""
        return self._parts.setdefault(name, Part(name, self._clock))

    def overdue(self, names: Iterable[str], grace: float) -> Unavailable | None:
        """Why one of these parts could not be read for `grace` seconds, if so."""
        for name in names:
            part = self._parts.get(name)
            since = None if part is None else part.unreadable_since
            if part is not None and since is not None and self._clock() - since >= grace:
                return part.error
        return None

    def states(self) -> tuple[PartState, ...]:
        """For the metrics."""
        return tuple(
            PartState(part.name, part.down_since is not None, part.failures)
            for part in self._parts.values()
        )

    def stop(self) -> None:
        for part in self._parts.values():
            part.stop()
