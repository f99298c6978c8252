"""Which sessions are over, as far as this process knows, and refused whatever the store says. No
I/O.

    untold   this process is to end it, and the store has not taken that yet: until it has
    ended    it ended, here or elsewhere: for as long as a store may have forgotten that it did
    missed   the store has it no more: for a moment, so that a browser that keeps sending its cookie
             costs one question, and a replica that lags behind is asked again soon

A store that fails over to a replica loses its last writes, and with them that a session ended; one
restored from a copy loses more. What no process remembers can come back: that takes a store that
forgets and every gateway restarted, or ten minutes.
"""

from collections.abc import Callable

# Longer than a cut-off master can take writes that nobody else gets, if it is set up as
# docs/deploying.md says.
_ENDED_SECONDS = 600.0
_MISSED_SECONDS = 5.0
# Of each, but of those that the store must hear of: two minutes of everybody's leaving work; 2 MB.
_MOST = 10_000


class Over:
    """`clock`: Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._untold: set[str] = set()
        self._ended: dict[str, float] = {}
        self._missed: dict[str, float] = {}

    def has(self, key: str, now: float) -> bool:
        return (
            key in self._untold
            or now < self._ended.get(key, 0.0)
            or now < self._missed.get(key, 0.0)
        )

    def is_to_end(self, key: str) -> None:
        """From now on, until `told`."""
        self._untold.add(key)

    def told(self, key: str) -> None:
        """The store has taken it."""
        self._untold.discard(key)
        self.ended(key)

    def ended(self, key: str) -> None:
        """There is news of it. That does not say that the store has taken it: one that refuses to
        write passes on news all the same."""
        _note(self._ended, key, self._clock() + _ENDED_SECONDS)

    def missed(self, key: str) -> None:
        """The store was asked and has it not."""
        _note(self._missed, key, self._clock() + _MISSED_SECONDS)

    def untold(self) -> tuple[str, ...]:
        """Those that the store has not taken yet."""
        return tuple(self._untold)

    def remembered(self) -> tuple[str, ...]:
        """Those that ended, which a store may have again."""
        now = self._clock()
        self._ended = {key: until for key, until in self._ended.items() if now < until}
        return tuple(self._ended)


def _note(untils: dict[str, float], key: str, until: float) -> None:
    """The latest stay."""
    untils.pop(key, None)
    if len(untils) >= _MOST:
        del untils[next(iter(untils))]
    untils[key] = until
