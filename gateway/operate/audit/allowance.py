"""How many refusals are kept: anybody in the world can be refused, as often as they like.

A record stays for a year, so that whoever asks for refusals in a loop would fill the database, and
the queue that sign-ins use, too. What is over the allowance is counted, and the count is kept.
"""

# Somebody who mistypes a password or goes round in a circle has a handful a minute.
_OF_ONE = 30
# 860,000 a day in one process, some 500 MB: a disk that is watched bears it for as long as a flood
# is let go on. The lines in the log are all there.
_OF_ALL = 600
_WINDOW = 60.0


class Allowance:
    """One process's, by the minute. `left_out`: how many were over it since `settle` last said."""

    def __init__(self) -> None:
        self._begun = 0.0
        self._of: dict[str, int] = {}
        self._all = 0
        self.left_out = 0

    def has_room(self, who: str, now: float) -> bool:
        """Count one refusal of `who` (an identity, else an address) at `now`, in seconds."""
        if not 0 <= now - self._begun < _WINDOW:
            self._begun, self._all = now, 0
            self._of.clear()
        if self._all >= _OF_ALL or self._of.get(who, 0) >= _OF_ONE:
            self.left_out += 1
            return False
        self._all += 1
        self._of[who] = self._of.get(who, 0) + 1
        return True
