"""Whether a measurement had its cores for itself.

What a core did and we did not do, somebody else did: another program, or another guest of the host.
A measurement that was disturbed is made again, a few times; on a machine that is never quiet the
least disturbed one counts, and its table says how disturbed it was.
"""

import os
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from bench.process import OTHER_CORE, PROXY_CORE, Program, busy_seconds

# Of either core. Ticks of 10 ms cannot tell less in a second or two.
_QUIET = 0.03
_TRIES = 3


class Watch:
    """Watches both cores from its making on; `beside`: what of ours is not on the proxy's."""

    def __init__(self, proxy: Program, beside: tuple[Program, ...]) -> None:
        self._proxy = proxy
        self._beside = beside
        self._began = time.perf_counter()
        self._cpu = proxy.cpu_seconds()
        self._before = self._on_both()

    def _on_both(self) -> tuple[float, float]:
        """What others had of the proxy's core so far, and of the other one, in seconds; of
        something before the start, too."""
        # User and system time, ours and that of children that have ended.
        ours = sum(os.times()[:4]) + sum(program.cpu_seconds() for program in self._beside)
        on_proxys = busy_seconds(PROXY_CORE) - self._proxy.cpu_seconds()
        return on_proxys, busy_seconds(OTHER_CORE) - ours

    def cpu_seconds(self) -> float:
        """What the proxy has used."""
        return self._proxy.cpu_seconds() - self._cpu

    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def others(self) -> float:
        """The part of a core that others had, of the more disturbed one."""
        now = self._on_both()
        most = max(after - before for after, before in zip(now, self._before, strict=True))
        return max(0.0, most) / self.seconds()


class Watched(Protocol):
    """What was measured while somebody watched."""

    @property
    def others(self) -> float: ...


M = TypeVar("M", bound=Watched)


def undisturbed(measure: Callable[[], M]) -> M:
    """What `measure` gives: the first time that nobody disturbed it, or the least disturbed."""
    least = measure()
    for _ in range(_TRIES - 1):
        if least.others <= _QUIET:
            break
        least = min(least, measure(), key=lambda each: each.others)
    return least
