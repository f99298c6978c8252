"""Sessions that ended a while ago, for as long as a store may have forgotten that they did.

A store that fails over to a replica loses its last writes, and with them that a session ended; one
restored from a copy loses more. So each process remembers the endings it heard of, refuses these
sessions whatever the store says of them, and ends them again when it may be a different store that
answers. What no process remembers can come back: that takes a store that forgets and every gateway
restarted, or ten minutes.
"""

import asyncio
from collections.abc import Callable

import structlog

from gateway.errors import SessionsUnavailable
from gateway.session.store import SessionStore

_log = structlog.get_logger()

# Longer than a cut-off master can take writes that nobody else gets, if it is set up as
# docs/deploying.md says.
_SECONDS = 600.0
# Two minutes of everybody's leaving work; 2 MB.
_MOST = 10_000
# As many as the store has connections would let nobody else ask meanwhile.
_AT_ONCE = 4


class Remembered:
    """`clock`: Unix seconds."""

    def __init__(self, store: SessionStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._until: dict[str, float] = {}
        self._may_be_forgotten = False

    def __contains__(self, key: str) -> bool:
        """Whether this session ended, whatever the store may say."""
        return self._clock() < self._until.get(key, 0.0)

    def heard(self, key: str) -> None:
        """It has ended, here or elsewhere."""
        self._until.pop(key, None)
        if len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        self._until[key] = self._clock() + _SECONDS

    def lost(self) -> None:
        """Another store may answer from now on, or one that has forgotten."""
        self._may_be_forgotten = True

    async def end_again(self) -> None:
        """End those that the store has again, if it may have any."""
        if not self._may_be_forgotten:
            return
        self._may_be_forgotten = False
        now = self._clock()
        self._until = {key: until for key, until in self._until.items() if now < until}
        keys, ended = list(self._until), 0
        try:
            for begin in range(0, len(keys), _AT_ONCE):
                part = keys[begin : begin + _AT_ONCE]
                ended += sum(await asyncio.gather(*map(self._end_again, part)))
        except SessionsUnavailable:
            self._may_be_forgotten = True
        if ended:
            _log.warning("sessions_ended_again", count=ended)

    async def _end_again(self, key: str) -> bool:
        return await self._store.load(key) is not None and await self._store.end(key)
