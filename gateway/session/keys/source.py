"""What every place that keeps keys can do: one narrow interface, one contract suite. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from gateway.errors import Problem
from gateway.session.keys.model import KINDS, Key, Kind


@dataclass(frozen=True, slots=True)
class Kept:
    """What was found. `damaged` are the names of keys that are there and cannot be used, each with
    its problem."""

    keys: frozenset[Key]
    problems: tuple[Problem, ...] = ()
    damaged: frozenset[str] = frozenset()

    @property
    def missing(self) -> tuple[Kind, ...]:
        """The kinds of which there is none."""
        return tuple(kind for kind in KINDS if newest(self.keys, kind) is None)


class KeySource(Protocol):
    """Where keys are kept. Every method but `close` may raise `ConfigError`, when they cannot be
    kept there as config.yaml says, and `LinksUnavailable`, when a database does not answer.

    `where` says which place it is, as in "in var/keys". `late_after_restart`: whether what is there
    changes only with a restart, so that nobody can tell when a key came.
    """

    where: str
    late_after_restart: bool

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> Kept:
        """The keys that are there now, and what is wrong with the others."""

    async def add(self, key: Key, after: str | None) -> bool:
        """Keep one more, whole or not at all, unless another one came after the key named `after`
        (`None`: the first of its kind), so that of two who add at once one does. Whether it did."""

    async def remove(self, names: Iterable[str]) -> None:
        """Drop keys; those that are not there are none of its business."""

    async def tidy(self) -> None:
        """Mend what time has left: half-written files, keys under an old secret."""


def newest(keys: Iterable[Key], kind: Kind) -> str | None:
    """The name of the newest key of a kind."""
    ids = [key.id for key in keys if key.kind == kind]
    return f"{max(ids)}.{kind}" if ids else None
