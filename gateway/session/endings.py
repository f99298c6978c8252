"""What must end ends: here at once, on every process within a second, and however long the store
takes to hear of it.

A session is refused here (over.py), and its tunnels and streams are closed, before the store is
told. What the store did not take is told again until it does, what could not be looked for there is
looked for again; and what it may have forgotten since, by a failover, is told again as well. What a
process that dies meanwhile had not told is lost: the session then ends by its time, or when it is
rechecked.

Who has sessions ended may want a record of each (`Note`). It is made when the store has taken the
ending, however late, and by one process only, whichever told it first.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from gateway.errors import SessionsUnavailable
from gateway.session.known import Known
from gateway.session.model import Session
from gateway.session.store import NamedStore, SessionStore
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
# Changes of the policies while the store is away, each with all the policies of then.
_MOST_SWEEPS = 16
# Longer than another process goes on with an ending that it found to be made as well.
_ONE_RECORD = 600.0

# What is called with a session that ended.
Note = Callable[[Session], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """End those of `find()` that are `meant` and began by `since`, in Unix seconds."""

    find: Callable[[], Awaitable[tuple[Session, ...]]]
    meant: Callable[[Session], bool]
    note: Note | None
    since: float = math.inf

    async def found(self) -> tuple[Session, ...]:
        found = await self.find()
        return tuple(s for s in found if self.meant(s) and s.started <= self.since)


class Endings:
    """`named`: what `store` knows under a name. `clock`: Unix seconds. What does I/O may raise
    `SessionsUnavailable`."""

    def __init__(
        self,
        store: SessionStore,
        named: NamedStore,
        known: Known,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._named = named
        self._known = known
        self._clock = clock
        self._being_told: set[str] = set()
        self._labels: dict[str, _Order] = {}
        self._sweeps: deque[_Order] = deque(maxlen=_MOST_SWEEPS)
        self._unnoted: dict[str, tuple[Session, Note]] = {}
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
            await self._make_record(key)
        finally:
            self._being_told.discard(key)
        self._known.over.told(key)
        return ended

    async def end_these(
        self, sessions: Iterable[Session], note: Note | None = None
    ) -> tuple[Session, ...]:
        """End sessions that the store told of; those that this ended. What it does not take now is
        told again by `tell`, and noted then."""
        found = tuple(sessions)
        if note is not None:
            for session in found:
                self._unnoted.setdefault(session.key, (session, note))
        ended = await self._end_all(session.key for session in found)
        return tuple(session for session in found if session.key in ended)

    async def end_labelled(self, label: str, note: Note | None = None) -> int:
        """End every session with this label; how many. Whoever signs in later is not meant."""
        meant = lambda session: label in session.labels()  # noqa: E731
        order = _Order(lambda: self._store.labelled(label), meant, note, self._clock())
        try:
            found = await order.found()
        except SessionsUnavailable:
            if len(self._labels) < _MOST_LABELS:
                self._labels[label] = order
            await self._refuse_where(meant)
            raise
        return len(await self.end_these(found, note))

    async def end_where(
        self, predicate: Callable[[Session], bool], note: Note | None = None
    ) -> tuple[Session, ...]:
        """End every session for which `predicate` says so; those that this ended."""
        order = _Order(self._store.all, predicate, note)
        later = replace(order, since=self._clock())
        refused = await self._refuse_where(predicate)
        # `tell` would end them meanwhile, and who asks here would not hear that they were there.
        self._being_told |= refused
        try:
            try:
                found = await order.found()
            except SessionsUnavailable:
                self._sweeps.append(later)
                raise
            return await self.end_these(found, note)
        finally:
            self._being_told -= refused

    async def tell(self) -> None:
        """Tell the store again what it did not take, and what it may have forgotten."""
        # Seen before all else: what is refused from here on is somebody's who has yet to find it
        # in the store.
        keys = set(self._known.over.untold()) - self._being_told
        with suppress(SessionsUnavailable):
            for label, order in tuple(self._labels.items()):
                found = await order.found()
                try:
                    await self.end_these(found, order.note)
                finally:
                    if self._labels.get(label) is order:
                        del self._labels[label]
            for order in tuple(self._sweeps):
                found = await order.found()
                with suppress(ValueError):
                    self._sweeps.remove(order)
                await self.end_these(found, order.note)
            await self._end_all(keys.intersection(self._known.over.untold()))
        if self._may_be_forgotten:
            await self._end_again()

    async def _end_all(self, keys: Iterable[str]) -> set[str]:
        """Those that were there."""
        ending = tuple(keys)
        for key in ending:
            self._refuse(key)
        # Those whose turn has not come yet are nobody else's to tell: else nobody could say who
        # ended how many.
        self._being_told.update(ending)
        try:
            were_there = await few_at_a_time(_AT_ONCE, self.end, ending)
        finally:
            self._being_told.difference_update(ending)
        return {key for key, was_there in zip(ending, were_there, strict=True) if was_there}

    async def _make_record(self, key: str) -> None:
        """Have the record made, if one is wanted. Of an ending that the store took without our
        hearing so, nobody can say whose it was; so the first of all to say so makes it."""
        if key not in self._unnoted:
            return
        session, note = self._unnoted[key]
        first = True
        try:
            # Twice is better than never.
            with suppress(SessionsUnavailable):
                first = await self._named.first(f"ended:{session.public_id}", _ONE_RECORD)
        finally:
            if self._unnoted.pop(key, None) is not None and first:
                note(session)

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
