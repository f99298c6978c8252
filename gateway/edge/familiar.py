"""What comes again, told from what comes once. Pure.

A memory that keeps everything serves whoever sends something else each time: it fills with what is
never asked for again, pushes out what is, and costs more to keep than reading it did. So only what
comes a second time is kept.
"""

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
