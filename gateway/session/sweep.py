"""After a reload of the policies: who may not be signed in any more is signed out, and sessions
that last too long by the times in force now become shorter, at once in this process."""

import asyncio
from contextlib import suppress

from gateway.errors import SessionsUnavailable
from gateway.policy.model import Policies
from gateway.session.cache import Cache
from gateway.session.changes import Changes
from gateway.session.endings import Endings, Note
from gateway.session.limits import Limits, allowed
from gateway.session.model import Session
from gateway.session.store import SessionStore


class Sweep:
    def __init__(
        self,
        store: SessionStore,
        cache: Cache,
        endings: Endings,
        changes: Changes,
        limits: Limits,
    ) -> None:
        self._store = store
        self._cache = cache
        self._endings = endings
        self._changes = changes
        self._limits = limits
        self._too_long = False

    async def run(
        self, policies: Policies, now: float, note: Note | None = None
    ) -> tuple[Session, ...]:
        """Those that ended, each told to `note`. When the store does not answer, raises
        `SessionsUnavailable`, and the rest is done by `Endings.tell` and `again`."""
        limited = self._limits.applied
        for part in self._cache.parts():
            for live in part:
                live.limit(limited(live.session))
            await asyncio.sleep(0)

        def is_over(session: Session) -> bool:
            return not allowed(session, policies) or not limited(session).alive(now)

        try:
            ended = await self._endings.end_where(is_over, note)
            await self._shorten()
        except SessionsUnavailable:
            self._too_long = True
            raise
        return ended

    async def again(self) -> None:
        """Shorten those in the store, if that could not be done."""
        if self._too_long:
            with suppress(SessionsUnavailable):
                await self._shorten()

    async def _shorten(self) -> None:
        limited = self._limits.applied
        for session in await self._store.all():
            if limited(session) != session:
                await self._changes.make(session.key, limited)
        self._too_long = False
