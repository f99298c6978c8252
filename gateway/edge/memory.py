"""Memories of what was worked out from bytes that a client chooses. Pure.

    Familiar   tells what comes again from what comes once
    Memory     keeps what was made of it, up to so many bytes

A memory that keeps everything serves whoever sends something else each time: it fills with what is
never asked for again, pushes out what is, and costs more than reading it did. So only what comes a
second time is kept, and the oldest go when it is too much.
"""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

# A power of two. Between two times of one block, some thousands of others may come.
_PLACES = 8192


class Familiar:
    """Marks of what came lately, at most one in each place."""

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks = [0] * _PLACES

    def again(self, data: bytes) -> bool:
        """Whether these bytes came before, not too many others ago. Python hashes them with a key
        of the process's own, so nobody outside can choose what takes whose place; and at worst
        something is kept that comes once, or read once more that comes again."""
        mark = hash(data)
        place = mark % _PLACES
        if self._marks[place] == mark:
            return True
        self._marks[place] = mark
        return False


class Memory(Generic[K, V]):
    """At most `most` bytes, by the weights told; the oldest go first."""

    __slots__ = ("_known", "_most", "_weight", "_weights")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, V] = {}
        self._weights: dict[K, int] = {}
        self._weight = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: K) -> V | None:
        return self._known.get(key)

    def keep(self, key: K, value: V, weight: int) -> None:
        """`weight`: about how many bytes both take."""
        self._weight += weight - self._weights.get(key, 0)
        self._known[key], self._weights[key] = value, weight
        while self._weight > self._most:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._weight -= self._weights.pop(oldest)
