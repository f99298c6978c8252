"""Activity: known here at once, told to the store at most once a minute, and never while a request
waits."""

from gateway.errors import SessionsUnavailable
from gateway.session.entry import Live
from gateway.session.model import TOUCH_EVERY
from gateway.session.store import SessionStore


class Activity:
    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._seen: dict[str, float] = {}

    def touch(self, live: Live, now: float) -> None:
        """Note activity at `now`, Unix seconds."""
        live.active(now)
        # A short idle time needs fresher news, or another process would call it idle too early.
        if now - live.written >= min(TOUCH_EVERY, live.session.idle / 10):
            live.written = now
            self._seen[live.session.key] = now

    async def write(self) -> None:
        """Tell the store; what it does not take is told it the next time."""
        while self._seen:
            key, seen = self._seen.popitem()
            try:
                await self._store.touch(key, seen)
            except SessionsUnavailable:
                self._seen.setdefault(key, seen)
                return
