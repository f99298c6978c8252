"""Whether one address of upstream works, as far as is known. Pure.

Strategy
    Nobody can know; what happens to requests is the best evidence, and a page of Sonar's that is
    asked for it (`upstream.health`) comes sooner. An address on which nobody accepts connections
    is down at once, one that accepts and then says nothing after the third time in a row. While it
    is down nobody is sent there; from time to time it is tried, and the first success brings it
    back. The time between two tries grows while no request was served in between, up to a bound,
    so that an address that only seems to work does not take a share of all requests for long.
"""

from collections.abc import Callable
from math import inf

# A restart that takes no longer than this is hardly noticed; and then twice as long each time ...
_FIRST_PAUSE = 0.25
# ... up to here: whoever mends it sees it work at once. One connection in two seconds is no load.
LONGEST_PAUSE = 2.0
# One slow page, or one crash, is no reason to send everybody elsewhere.
_SILENCES = 3
_FAILED_CHECKS = 2


class Health:
    """One address. `up`, or `why` it is not; `trouble`: requests that failed in a row, above 0
    while it is down. `changed` is called when it went down or came up, with how many seconds it had
    been otherwise. `interval`: seconds between two checks while it is up; `None`: none."""

    __slots__ = (
        "_changed",
        "_checking",
        "_checks_failed",
        "_clock",
        "_interval",
        "_next",
        "_pause",
        "since",
        "trouble",
        "up",
        "why",
    )

    def __init__(
        self,
        clock: Callable[[], float],
        changed: Callable[["Health", float], None],
        interval: float | None = None,
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._interval = inf if interval is None else interval
        # At once: an address that never worked should not have to be found out by somebody.
        self._next = inf if interval is None else clock()
        self._checking = False
        self._pause = _FIRST_PAUSE
        self._checks_failed = 0
        self.trouble = 0
        self.up = True
        self.since = clock()
        self.why = ""

    def unreachable(self, why: str) -> None:
        """Nobody accepted a connection."""
        self.trouble += 1
        if self.up:
            self._turn(why)

    def silent(self, why: str) -> None:
        """A request was taken and not answered."""
        self.trouble += 1
        if self.up and self.trouble >= _SILENCES:
            self._turn(why)

    def answered(self) -> None:
        """A request was answered wholly. Of one that is down it says nothing: who is about to stop
        answers what it has."""
        if self.up:
            self.trouble = 0
            self._pause = _FIRST_PAUSE

    def due(self) -> bool:
        """Whether it should be checked now; then `checked` must follow."""
        if self._checking or self._clock() < self._next:
            return False
        self._checking = True
        return True

    def checked(self, why: str) -> None:
        """A check is over; `why` it failed, empty when it did not."""
        self._checking = False
        if why:
            self._checks_failed += 1
            if not self.up:
                self._try_later()
            elif self._checks_failed >= _FAILED_CHECKS:
                self.trouble += 1
                self._turn(why)
            else:
                self._next = self._clock() + _FIRST_PAUSE
            return
        self._checks_failed = 0
        if not self.up:
            self._turn("")
        self._next = self._clock() + self._interval

    def _turn(self, why: str) -> None:
        """Up or, for a reason, down. The trouble it had counts until it has served somebody."""
        now = self._clock()
        lasted, self.since = now - self.since, now
        self.up, self.why = not why, why
        if why:
            self._try_later()
        else:
            self.trouble = 1
        self._changed(self, lasted)

    def _try_later(self) -> None:
        self._next = self._clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
