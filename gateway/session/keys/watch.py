"""Keeps a ring as its source is: keys that come are known within a second or two, those that go
are gone as soon, without a restart.

The source is looked at once a second, for no place of keys tells of changes in a way that can be
relied on. Whatever goes wrong with it, the keys there are go on: what cannot be read is said once,
with what to do, and a kind of key never becomes none.
"""

import time
from collections.abc import Callable

import structlog

from gateway.errors import ConfigError, GatewayError
from gateway.session.keys.model import KINDS, SLACK, Key
from gateway.session.keys.ring import KeyRing
from gateway.session.keys.rotation import complete
from gateway.session.keys.source import Kept, KeySource
from gateway.tasks import Rounds

_log = structlog.get_logger()

_EVERY = 1.0


class KeyWatch:
    """`await start()` fills the ring or raises `GatewayError`. `overlap`: how long before its use
    a key is made, seconds; `clock`: Unix seconds."""

    def __init__(
        self,
        source: KeySource,
        ring: KeyRing,
        overlap: float,
        *,
        clock: Callable[[], float] = time.time,
        every: float = _EVERY,
    ) -> None:
        self._source = source
        self._ring = ring
        self._overlap = overlap
        self._clock = clock
        self._said: frozenset[str] = frozenset()
        # Without it no key would ever change here.
        self._looks = Rounds(self.look, every, lambda: _log.exception("key_watch_failed"))

    async def start(self) -> None:
        """Every problem stops it here: a gateway that starts does so with all keys or with none."""
        await self._source.open()
        try:
            kept = await complete(self._source, self._clock)
        except BaseException:
            await self._source.close()
            raise
        late = self._clock() if self._source.late_after_restart else None
        self._ring.renew(kept.keys, late=late)
        self._say(self._early(kept))
        self._looks.start()

    async def stop(self) -> None:
        await self._looks.stop()
        await self._source.close()

    async def look(self) -> None:
        """Put in force what the source has now."""
        try:
            kept = await self._source.read()
        except ConfigError as error:
            self._say(tuple(str(problem) for problem in error.problems))
        except GatewayError as error:
            self._say((f"keys {self._source.where} cannot be read: {error}",))
        else:
            self._renew(kept)
        before = self._ring.in_use
        self._ring.settle()
        if self._ring.in_use != before:
            _log.info("keys_in_use", names=self._ring.in_use)

    def _renew(self, kept: Kept) -> None:
        before = self._ring.keys
        # A file that is half-written now was whole a moment ago.
        keys = kept.keys | {key for key in before if key.name in kept.damaged}
        lost = [kind for kind in KINDS if not any(key.kind == kind for key in keys)]
        keys |= {key for key in before if key.kind in lost}
        problems = [str(problem) for problem in kept.problems]
        problems += [
            f"there is no {kind} key {self._source.where} any more; those of before are used on. "
            "Put it back, or restart to have one made, which signs everybody out"
            for kind in lost
        ]
        self._say((*problems, *self._early(kept)))
        if keys == before:
            return
        in_use = self._ring.in_use
        self._ring.renew(keys)
        _log.info("keys_changed", added=_names(keys - before), dropped=_names(before - keys))
        if self._ring.in_use != in_use:
            _log.info("keys_in_use", names=self._ring.in_use)

    def _early(self, kept: Kept) -> tuple[str, ...]:
        """Keys that no rotation of now would make: somebody's clock is or was wrong."""
        latest = self._clock() + self._overlap + SLACK
        return tuple(
            f"{key.name} {self._source.where} begins later than keys.overlap from now: this "
            "machine's clock is behind, or that of whoever made it was ahead. Set the clock; "
            "`sonar-gateway keys list` shows the times"
            for key in sorted(kept.keys, key=lambda key: key.name)
            if key.begins > latest
        )

    def _say(self, problems: tuple[str, ...]) -> None:
        """Each problem once, until it is gone."""
        found = frozenset(problems)
        new = [problem for problem in problems if problem not in self._said]
        if new:
            _log.error("keys_unusable", problems=new, in_use=self._ring.in_use)
        if self._said and not found:
            _log.info("keys_usable", in_use=self._ring.in_use)
        self._said = found


def _names(keys: frozenset[Key]) -> list[str]:
    return sorted(key.name for key in keys)
