"""What this process knows of sessions, and how sure it is.

An entry of the cache is believed without asking because the store tells when a session ends on
any process. When that news may have been missed, every entry is doubted: it is confirmed with the
store before its next use. While the store does not answer, a doubted entry goes on for a grace
from the moment the doubt began, and is refused after that.

Every session can be withheld: what tells whether its account may still be used (the directory, the
links) has not answered for longer than the grace, so nobody is let in, and nobody is signed out.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.errors import SessionsUnavailable, Unavailable
from gateway.session.cache import Cache
from gateway.session.cookie import key_id_of
from gateway.session.entry import Live
from gateway.session.model import Session
from gateway.session.over import Over
from gateway.session.store import SessionStore


class Known:
    """`make` turns a session into its entry; `grace` in seconds; `clock`: Unix seconds. `limit`: a
    session as short as config and policy now make it."""

    def __init__(
        self,
        store: SessionStore,
        cache: Cache,
        make: Callable[[Session], Live],
        grace: float,
        clock: Callable[[], float],
        limit: Callable[[Session], Session],
    ) -> None:
        self.cache = cache
        self.over = Over(clock)
        self.withheld: Unavailable | None = None
        self._store = store
        self._make = make
        self._grace = grace
        self._clock = clock
        self._limit = limit
        self._loads: dict[str, asyncio.Task[Live | None]] = {}
        self._changing = Counter[str]()
        self.losses = 0

    def ended(self, key: str) -> None:
        """The session has ended, somewhere. A load under way may carry what was before: it is
        disowned."""
        self._loads.pop(key, None)
        self.let_go(key)

    def missed(self, key: str) -> None:
        """The store has it no more, or will not have it by the time it is asked."""
        self.over.missed(key)
        self.ended(key)

    def drop_keys(self, names: frozenset[str]) -> None:
        """These keys are no more: whoever has a cookie made with one is signed out here and now,
        and nothing made with one is handed on."""
        for live in self.cache.all() if names else ():
            live.forget_keys()
            if any(f"{key_id_of(cookie)}.root" in names for cookie in live.cookies):
                self.ended(live.session.key)

    def let_go(self, key: str) -> None:
        """Close what is open of a session that may not be used now, but may be again."""
        live = self.cache.drop(key)
        if live is not None:
            live.end()

    def withhold(self, why: Unavailable | None) -> None:
        """Let nobody in from now on, and why; or, with `None`, again."""
        if why is not None and self.withheld is None:
            self.lost()
        self.withheld = why

    def changed(self, key: str) -> None:
        """The session is another now than this process knows, reads or makes it at this moment."""
        live = self.cache.find(key)
        if live is not None:
            live.doubt(self._clock())
        if key in self._loads or key in self._changing:
            self.losses += 1

    @contextmanager
    def changing(self, key: str) -> Iterator[int]:
        """While this process changes the session: what it learns then is old if meanwhile it hears
        of another change. Gives the losses before that, for `learned`."""
        self._changing[key] += 1
        try:
            yield self.losses
        finally:
            self._changing[key] -= 1
            if not self._changing[key]:
                del self._changing[key]

    def learned(self, session: Session, losses: int) -> None:
        """The session as it just became in the store; `losses` as it was before that."""
        live = self.cache.find(session.key)
        if live is not None:
            live.confirm(self._limit(session))
            if losses != self.losses:
                live.doubt(self._clock())

    def lost(self) -> None:
        """Sessions may have ended without our hearing of it."""
        self.losses += 1
        now = self._clock()
        for live in self.cache.all():
            live.doubt(now)

    async def confirmed(self, key: str) -> Live | None:
        """What the store says of `key`: asked once for all who wait for the same session.

        The load is shared by its full key, never by less, and is not cancelled with the request
        that began it. Raises `SessionsUnavailable`.
        """
        load = self._loads.get(key)
        if load is None:
            load = self._loads[key] = asyncio.create_task(self._load(key))
            load.add_done_callback(lambda done: self._loaded(key, done))
        live = await asyncio.shield(load)
        # It may have ended after the store answered and before this line ran.
        return None if live is None or live.ended else live

    def in_grace(self, key: str, now: float) -> Live | None:
        """The entry that may go on although the store does not answer; nobody unknown may."""
        live = self.cache.find(key)
        if live is None or live.ended or now >= live.ends:
            return None
        live.doubt(now)
        waited = now - (now if live.doubted is None else live.doubted)
        return live if waited < self._grace else None

    async def close_ended(self, now: float) -> None:
        """Sessions past their time or doubted: those with tunnels are confirmed by the store, or
        end; the others leave the memory when past their time, and are asked for if they return."""
        for part in self.cache.parts():
            questionable = [live for live in part if live.doubted is not None or now >= live.ends]
            await asyncio.gather(*(self._settle(live, now) for live in questionable))
            await asyncio.sleep(0)

    async def _settle(self, live: Live, now: float) -> None:
        key = live.session.key
        if not live.closers:
            if now >= live.ends:
                self.cache.forget(live)
            return
        if self.withheld is not None:
            self.let_go(key)
            return
        try:
            # What has ended is gone from memory then, and closed.
            await self.confirmed(key)
        except SessionsUnavailable:
            if self.in_grace(key, now) is None:
                self.let_go(key)

    def stop(self) -> None:
        for load in tuple(self._loads.values()):
            load.cancel()

    async def _load(self, key: str) -> Live | None:
        losses, this = self.losses, asyncio.current_task()
        session = await self._store.load(key)
        if self._loads.get(key) is not this:
            return None
        session = None if session is None else self._limit(session)
        if session is None or not session.alive(self._clock()):
            self.missed(key)
            return None
        live = self.cache.find(key) or self._make(session)
        live.confirm(session)
        if losses != self.losses or self.withheld is not None:
            live.doubt(self._clock())
        # Whoever waits goes on a moment later, and news may come before that.
        self.cache.introduce(live)
        return live

    def _loaded(self, key: str, load: asyncio.Task[Live | None]) -> None:
        if self._loads.get(key) is load:
            del self._loads[key]
        # Whoever waited has the exception; when nobody does any more, nobody needs it.
        if not load.cancelled():
            load.exception()
