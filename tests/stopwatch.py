"""How long something took, on a machine that has other things to do.

A promise of a second is kept or broken by what our code does, not by how many tests share two
processors. Linux counts how long whoever could have run waited for one (the second number of
/proc/PID/schedstat, in nanoseconds, of the main thread); that is left out here. On a quiet machine
it is nothing.
"""

import os
import time
from pathlib import Path


class Stopwatch:
    """Runs from now on. `pids`: who else than this process has to do something meanwhile."""

    def __init__(self, *pids: int) -> None:
        self._schedules = [Path(f"/proc/{pid}/schedstat") for pid in (os.getpid(), *pids)]
        self._withheld = self._so_far()
        self._began = time.monotonic()

    def seconds(self) -> float:
        """How long it has been, without what the machine withheld."""
        return time.monotonic() - self._began - self.withheld()

    def withheld(self) -> float:
        """How much of the time that has been nothing could be done, in seconds."""
        passed = time.monotonic() - self._began
        waited = sum(
            now - before for now, before in zip(self._so_far(), self._withheld, strict=True)
        )
        return min(passed, max(0.0, waited))

    def _so_far(self) -> list[float]:
        return [_waited(schedule) for schedule in self._schedules]


def _waited(schedule: Path) -> float:
    try:
        return int(schedule.read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        # The process is gone, or this is another system.
        return 0.0
