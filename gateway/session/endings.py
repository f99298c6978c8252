"""What must end ends: here at once, on every process within a second, and however long the store
takes to hear of it.

A session is refused here (over.py), and its tunnels and streams are closed, before the store is
told. What the store did not take is told again until it does; what it may have forgotten since, by
a failover, is told again as well. What a process that dies meanwhile had not told is lost: the
session then ends by its time, or when it is rechecked.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog

from gateway.errors import SessionsUnavailable
from gateway.session.known import Known
from gateway.session.model import Session
from gateway.session.store import SessionStore
from gateway.tasks import few_at_a_time

_log = structlog.get_logger()

# A thousand endings take a good part of the second one after the other. More at once only wait for
# each other: Redis has sixteen connections, SQLite one thread.
_AT_ONCE = 16
# When nobody waits for it: as many as the store has connections would let nobody else ask.
_FEW = 4
# What nobody has to prove anything for (front-channel logout) must not fill the memory while the
# store is away.
_MOST_LABELS = 10_000


class Endings:
    """`clock`: Unix seconds. What does I/O may raise `SessionsUnavailable`."""

    def __init__(self, store: SessionStore, known: Known, clock: Callable[[], float]) -> None:
        self._store = store
        self._known = known
        self._clock = clock
        self._being_told: set[str] = set()
        self._labels: dict[str, float] = {}
        self._may_be_forgotten = False

    def heard(self, key: str) -> None:
        """The store tells that it ended, here or elsewhere."""
        self._known.over.ended(key)
        self._known.ended(key)

    def lost(self) -> None:
        """The store may not have told everything, or may be another one from now on."""
        self._may_be_forgotten = True
        self._known.lost()

    async def end(self, key: str) -> bool:
        """End one session; whether it was there."""
        self._refuse(key)
        self._being_told.add(key)
        try:
            ended = await self._store.end(key)
        finally:
            self._being_told.discard(key)
        self._known.over.told(key)
        return ended

    async def end_labelled(self, label: str) -> int:
        """End every session with this label; how many."""
        now = self._clock()
        try:
            return await self._end_labelled(label, now)
        except SessionsUnavailable:
            if len(self._labels) < _MOST_LABELS:
                self._labels[label] = now
            await self._refuse_where(lambda session: label in session.labels())
            raise

    async def end_where(self, predicate: Callable[[Session], bool]) -> tuple[Session, ...]:
        """End every session for which `predicate` says so; those that were there."""
        refused = await self._refuse_where(predicate)
        # `tell` would end them meanwhile, and who asks here would not hear that they were there.
        self._being_told |= refused
        try:
            meant = [session for session in await self._store.all() if predicate(session)]
            ended = await self._end_all(session.key for session in meant)
        finally:
            self._being_told -= refused
        return tuple(session for session in meant if session.key in ended)

    async def tell(self) -> None:
        """Tell the store again what it did not take, and what it may have forgotten."""
        with suppress(SessionsUnavailable):
            for label, since in tuple(self._labels.items()):
                await self._end_labelled(label, since)
                if self._labels[label] == since:
                    del self._labels[label]
            await self._end_all(set(self._known.over.untold()) - self._being_told)
        if self._may_be_forgotten:
            await self._end_again()

    async def _end_labelled(self, label: str, since: float) -> int:
        """Those that began by `since`: whoever signed in later is meant by no ending before."""
        found = await self._store.labelled(label)
        return len(await self._end_all(s.key for s in found if s.started <= since))

    async def _end_all(self, keys: Iterable[str]) -> set[str]:
        """Those that were there."""
        ending = tuple(keys)
        for key in ending:
            self._refuse(key)
        were_there = await few_at_a_time(_AT_ONCE, self.end, ending)
        return {key for key, was_there in zip(ending, were_there, strict=True) if was_there}

    async def _end_again(self) -> None:
        """End those that the store has again."""
        ended = 0

        async def end_again(key: str) -> None:
            nonlocal ended
            if await self._store.load(key) is not None:
                ended += await self._store.end(key)

        self._may_be_forgotten = False
        try:
            await few_at_a_time(_FEW, end_again, self._known.over.remembered())
        except SessionsUnavailable:
            self._may_be_forgotten = True
        if ended:
            _log.warning("sessions_ended_again", count=ended)

    async def _refuse_where(self, predicate: Callable[[Session], bool]) -> set[str]:
        """Those in this process's memory, for when the store does not answer; their keys."""
        refused = set[str]()
        for part in self._known.cache.parts():
            for live in part:
                if predicate(live.session):
                    self._refuse(live.session.key)
                    refused.add(live.session.key)
            await asyncio.sleep(0)
        return refused

    def _refuse(self, key: str) -> None:
        self._known.over.is_to_end(key)
        self._known.ended(key)
