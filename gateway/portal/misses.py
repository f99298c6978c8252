"""How often somebody named what does not exist, lately: a bound on guessing. Pure."""

from collections import OrderedDict
from dataclasses import dataclass, field

from gateway.address import site_of

# As many addresses as are remembered, some hundred bytes each; the one that missed longest ago goes
# first.
_MOST_ADDRESSES = 4096


@dataclass(slots=True)
class Misses:
    """At most `most` misses of one site in a `window` of seconds, which begins with the first;
    for each `page` apart, whose frame it was.

    In this process only: what is bounded is the work that guessing makes, and whoever guesses among
    random names finds nothing with ten times as many tries.
    """

    most: int
    window: float
    _counts: OrderedDict[tuple[str, str], tuple[float, int]] = field(default_factory=OrderedDict)

    def too_many(self, address: str, page: str, now: float) -> bool:
        """Whether the address has to wait. `now` in seconds."""
        began, count = self._counts.get((site_of(address), page), (now, 0))
        return count >= self.most and now < began + self.window

    def add(self, address: str, page: str, now: float) -> None:
        place = site_of(address), page
        began, count = self._counts.pop(place, (now, 0))
        if now >= began + self.window:
            began, count = now, 0
        self._counts[place] = (began, count + 1)
        if len(self._counts) > _MOST_ADDRESSES:
            self._counts.popitem(last=False)
