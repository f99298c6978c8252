"""A restart on the way: worker after worker is replaced by one that goes by another configuration.
No processes, no clocks.

A worker goes when its successor is ready, and not before. When a successor ends before that, nobody
else is replaced: of the new configuration stay those that go by it already.
"""

from collections.abc import Iterable

from gateway.config import Config
from gateway.workers.crew import Member

# What only a start can do: sockets are opened once, for as many places as there were.
_FIXED = ("listen", "management", "workers")


class Restart:
    """`config`: the one in force; the new one, when all go by it."""

    def __init__(self, config: Config) -> None:
        self.config = self._next = self._successors = config
        self._left: list[int] = []
        self._successor: Member | None = None

    def forbidden(self, config: Config) -> str | None:
        """The key that cannot change by a restart, if one would."""
        for key in _FIXED:
            if getattr(config.server, key) != getattr(self.config.server, key):
                return f"server.{key}"
        return None

    def begin(self, config: Config, places: Iterable[int]) -> None:
        """Have the workers in these places replaced, also who goes by what was to come before."""
        self._next = config
        self._left = list(places)

    @property
    def is_over(self) -> bool:
        return not self._left

    def config_for(self, number: int) -> Config:
        """By which a worker goes that fills this place, when its worker has died."""
        return self.config if number in self._left else self._next

    def due(self) -> tuple[int, Config] | None:
        """In which place a successor is to be started next, and by which configuration."""
        return (self._left[0], self._next) if self._left and self._successor is None else None

    def tried(self, successor: Member | None, config: Config) -> None:
        """It was started by this configuration; or could not be, and is due again."""
        self._successor, self._successors = successor, config

    def takes_over(self, member: Member) -> bool:
        """Whether this worker, which is ready, was to be a successor: it has its place then."""
        if member is not self._successor:
            return False
        self._successor = None
        if self._successors is self._next:
            self._left.remove(member.number)
        if not self._left:
            self.config = self._next
        return True

    def gave_up(self, member: Member) -> bool:
        """Whether this worker, which has ended, was to be a successor: the restart is over then."""
        if member is not self._successor:
            return False
        self._successor, self._left, self._next = None, [], self.config
        return True
