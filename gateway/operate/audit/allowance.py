"""How many refusals are kept: anybody in the world can be refused, as often as they like.

A record stays for a year, so that whoever asks for refusals in a loop would fill the database, and
the queue that sign-ins use, too. What is over the allowance is counted, and the count is kept.
"""

from collections import Counter

# Somebody who mistypes a password or goes round in a circle has a handful a minute.
_OF_ONE = 30
# 860,000 a day in one process, some 500 MB: a disk that is watched bears it for as long as a flood
# is let go on. The lines in the log are all there. Half for people whom a provider has named, as
# who was guessing at a password, and half for everybody else: addresses cost nothing, and from many
# (there are 65,536 /64s in what one line gets) somebody could crowd out what they do under a name.
_OF_ALL = 300
_WINDOW = 60.0


class Allowance:
    """One process's, by the minute. `left_out`: how many were over it since `settle` last said."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._of: Counter[str] = Counter()
        self._all: Counter[bool] = Counter()
        self.left_out = 0

    def has_room(self, who: str, now: float, *, named: bool) -> bool:
        """Count one refusal of `who` at `now`, in seconds: an identity (`named`) or an address."""
        if not 0 <= now - self._begun < _WINDOW:
            self._begun = now
            self._all.clear()
            self._of.clear()
        if self._all[named] >= _OF_ALL or self._of[who] >= _OF_ONE:
            self.left_out += 1
            return False
        self._all[named] += 1
        self._of[who] += 1
        return True
