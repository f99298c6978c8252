"""How many refusals are kept: anybody in the world can be refused, as often as they like.

A record stays for a year, so that whoever asks for refusals in a loop would fill the database, and
the queue that sign-ins use, too. So of refusals without end only some are kept; but all of as many
as come to an end. What is over the allowance is counted, and the count is kept.
"""

from dataclasses import dataclass

# Somebody who mistypes a password or goes round in a circle has a handful a minute. That an office
# of hundreds, behind one address, is refused on the morning of somebody's mistake is no flood.
_OF_ONE, _OF_ONE_A_MINUTE = 600, 30
# 860,000 a day in one process, some 500 MB: a disk that is watched bears it for as long as a flood
# is let go on. The lines in the log are all there. Half for people whom a provider has named, as
# who was guessing at a password, and half for everybody else: addresses cost nothing, and from many
# (there are 65,536 /64s in what one line gets) somebody could crowd out what they do under a name.
_OF_ALL, _OF_ALL_A_MINUTE = 6000, 300
_TIDY_EVERY = 60.0


@dataclass(slots=True)
class _Share:
    """So many at once, and so many a minute after that. `used` as of `at`, in seconds."""

    most: int
    a_minute: int
    at: float
    used: float = 0.0

    def settle(self, now: float) -> None:
        """What was used is forgotten in time. A clock that was put back gives nothing."""
        passed = max(0.0, now - self.at)
        self.used = max(0.0, self.used - passed * self.a_minute / 60)
        self.at = now

    @property
    def has_room(self) -> bool:
        return self.used + 1 <= self.most


class Allowance:
    """One process's. `left_out`: how many were over it since somebody last set it to 0."""

    def __init__(self) -> None:
        self._of: dict[str, _Share] = {}
        self._all: dict[bool, _Share] = {}
        self._tidied = 0.0
        self.left_out = 0

    def has_room(self, who: str, now: float, *, named: bool) -> bool:
        """Count one refusal of `who` at `now`, in seconds: an identity (`named`) or an address."""
        self._tidy(now)
        own = self._of.get(who) or _Share(_OF_ONE, _OF_ONE_A_MINUTE, now)
        everybodys = self._all.setdefault(named, _Share(_OF_ALL, _OF_ALL_A_MINUTE, now))
        own.settle(now)
        everybodys.settle(now)
        if not (own.has_room and everybodys.has_room):
            self.left_out += 1
            return False
        # Only who takes room is remembered: no more of them than there is room.
        self._of[who] = own
        own.used += 1
        everybodys.used += 1
        return True

    def _tidy(self, now: float) -> None:
        """Forget who has their whole share again."""
        if 0 <= now - self._tidied < _TIDY_EVERY:
            return
        self._tidied = now
        for share in self._of.values():
            share.settle(now)
        self._of = {who: share for who, share in self._of.items() if share.used}
