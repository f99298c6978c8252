"""What this process knows of sessions, and how sure it is.

An entry of the cache is believed without asking because the store tells when a session ends on
any process. When that news may have been missed, every entry is doubted: it is confirmed with the
store before its next use. While the store does not answer, a doubted entry goes on for a grace
from the moment the doubt began, and is refused after that.

A store that failed is left alone by requests until `try_again`, which the keeper calls twice a
second, hears it answer: nobody waits for a dead server twice, and none is stormed when it is back.
"""

import asyncio
from collections.abc import Callable

import structlog

from gateway.errors import SessionsUnavailable
from gateway.session.cache import Cache
from gateway.session.entry import Live
from gateway.session.model import Session
from gateway.session.store import SessionStore

_log = structlog.get_logger()

# A cookie whose session is gone is answered from memory for this long, so that a browser that
# keeps sending it costs one query, and a replica that lags behind is asked again soon.
_GONE_SECONDS = 5.0
_MOST_GONE = 10_000
# No session has this key: keys are SHA-256 values of random ids.
_NOBODY = "0" * 64


class Known:
    """`make` turns a session into its entry; `grace` in seconds; `clock`: Unix seconds."""

    def __init__(
        self,
        store: SessionStore,
        cache: Cache,
        make: Callable[[Session], Live],
        grace: float,
        clock: Callable[[], float],
    ) -> None:
        self.cache = cache
        self.silent = False
        self._store = store
        self._make = make
        self._grace = grace
        self._clock = clock
        self._loads: dict[str, asyncio.Task[Live | None]] = {}
        self._gone: dict[str, float] = {}
        self._losses = 0

    def is_gone(self, key: str, now: float) -> bool:
        """Whether the session was found ended a moment ago."""
        return now < self._gone.get(key, 0.0)

    def heard(self, key: str) -> None:
        """The session has ended, somewhere. A load under way may carry what was before: it is
        disowned."""
        self._loads.pop(key, None)
        if len(self._gone) >= _MOST_GONE:
            self._gone.pop(next(iter(self._gone)))
        self._gone[key] = self._clock() + _GONE_SECONDS
        live = self.cache.drop(key)
        if live is not None:
            live.end()

    def lost(self) -> None:
        """Sessions may have ended without our hearing of it."""
        self._losses += 1
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
            if self.silent:
                raise SessionsUnavailable("the session store did not answer a moment ago")
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

    async def try_again(self) -> None:
        """Ask a store that failed whether it answers now."""
        try:
            await self._store.load(_NOBODY)
        except SessionsUnavailable:
            return
        self.silent = False
        _log.info("session_store_answers")

    def stop(self) -> None:
        for load in tuple(self._loads.values()):
            load.cancel()

    async def _load(self, key: str) -> Live | None:
        losses, this = self._losses, asyncio.current_task()
        try:
            session = await self._store.load(key)
        except SessionsUnavailable as error:
            if not self.silent:
                _log.warning("session_store_silent", reason=error.reason, error=str(error))
            self.silent = True
            raise
        if self._loads.get(key) is not this:
            return None
        if session is None:
            self.heard(key)
            return None
        live = self.cache.find(key) or self._make(session)
        live.confirm(session)
        if losses != self._losses:
            live.doubt(self._clock())
        return live

    def _loaded(self, key: str, load: asyncio.Task[Live | None]) -> None:
        if self._loads.get(key) is load:
            del self._loads[key]
        # Whoever waited has the exception; when nobody does any more, nobody needs it.
        if not load.cancelled():
            load.exception()
