"""After a reload of the policies: who may not be signed in any more is signed out, and sessions
that last too long by the times in force now become shorter, at once in this process."""

import asyncio

from gateway.policy.model import Policies
from gateway.session.cache import Cache
from gateway.session.changes import Changes
from gateway.session.endings import Endings
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

    async def run(self, policies: Policies, now: float) -> tuple[Session, ...]:
        """Those that ended. Raises `SessionsUnavailable`."""
        limited = self._limits.applied
        for part in self._cache.parts():
            for live in part:
                live.limit(limited(live.session))
            await asyncio.sleep(0)

        def is_over(session: Session) -> bool:
            return not allowed(session, policies) or not limited(session).alive(now)

        ended = await self._endings.end_where(is_over)
        for session in await self._store.all():
            if limited(session) != session:
                await self._changes.make(session.key, limited)
        return ended
