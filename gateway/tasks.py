"""Tasks that run beside the requests, and work that is done a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def stopped(task: "asyncio.Task[Any] | None") -> None:
    """Cancel the task, if there is one, and wait until it is over. However it ended: what it died
    of is said by asyncio, and must not keep anybody from stopping the others."""
    if task is not None:
        task.cancel()
        await asyncio.wait((task,))


class Rounds:
    """Calls `work` from `start` to `stop`, each time `every` seconds after it was done; the first
    time so long after `start`, or `at_once`.

    Whatever goes wrong in a round ends nothing: `failed` is called while it is handled, to log it,
    and the next round comes.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[object]],
        every: float,
        failed: Callable[[], object],
        *,
        at_once: bool = False,
    ) -> None:
        self._work = work
        self._every = every
        self._failed = failed
        self._pause = 0.0 if at_once else every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._go_round())

    async def stop(self) -> None:
        task, self._task = self._task, None
        await stopped(task)

    async def _go_round(self) -> None:
        pause = self._pause
        while True:
            await asyncio.sleep(pause)
            pause = self._every
            try:
                await self._work()
            except Exception:
                self._failed()


async def few_at_a_time(
    most: int, work: Callable[[T], Awaitable[R]], items: Iterable[T]
) -> list[R]:
    """What `work` makes of each item, in their order; at most so many at once. After a failure none
    more are begun, and it is raised when those under way are over: else they would go on behind
    the back of whoever counts what was done."""
    waiting, done = list(items), list[R]()
    for begin in range(0, len(waiting), most):
        for made in await asyncio.gather(
            *map(work, waiting[begin : begin + most]), return_exceptions=True
        ):
            if isinstance(made, BaseException):
                raise made
            done.append(made)
    return done
