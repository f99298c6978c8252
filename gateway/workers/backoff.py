"""Pure: how long to wait before a worker that died is replaced.

A worker that has served for a while died of something rare: it is replaced at once. One that dies
again as soon as it is there would die again and again, and cost the others the processor.
"""

# Who has lived this long has served.
_STEADY_SECONDS = 10.0
_FIRST_SECONDS = 0.5
# Often enough for whoever has just mended the cause.
_LONGEST_SECONDS = 30.0


class Backoff:
    """Of one worker and its replacements."""

    def __init__(self) -> None:
        self._next = 0.0

    def after(self, lived: float) -> float:
        """The seconds to wait, when the last one has lived so many."""
        if lived >= _STEADY_SECONDS:
            self._next = 0.0
        delay = self._next
        self._next = min(max(2 * delay, _FIRST_SECONDS), _LONGEST_SECONDS)
        return delay
