"""The sessions a process has in memory, found by cookie or by key. No I/O, no opinions."""

from collections import OrderedDict
from collections.abc import Iterator
from weakref import WeakValueDictionary

from gateway.session.entry import Live

# About 3 KB each: enough for everybody at work behind one process, and a bound on what a process
# can be made to remember.
MOST_ENTRIES = 50_000
# A tenth of a millisecond's work.
_PART = 500


class Cache:
    """At most `most` cookies, the least recently used forgotten first.

    A session with something open (closers) is not forgotten; nor is one that a request still holds
    while it is being opened: `find` gives that very object again, so that no two objects stand for
    one session and none of its tunnels can be missed when it ends.
    """

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._most = most
        self._by_cookie: OrderedDict[str, Live] = OrderedDict()
        self._by_key: WeakValueDictionary[str, Live] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._by_cookie)

    def get(self, cookie: str) -> Live | None:
        live = self._by_cookie.get(cookie)
        if live is not None:
            self._by_cookie.move_to_end(cookie)
        return live

    def find(self, key: str) -> Live | None:
        return self._by_key.get(key)

    def introduce(self, live: Live) -> None:
        """Have it found by its key before its cookie is put: whatever is heard of it until then
        must find it."""
        self._by_key[live.session.key] = live

    def put(self, cookie: str, live: Live) -> None:
        self.introduce(live)
        live.cookies.add(cookie)
        self._by_cookie[cookie] = live
        if len(self._by_cookie) > self._most:
            self._forget_one()

    def drop(self, key: str) -> Live | None:
        """Take the session out; what was in, for its closers."""
        live = self._by_key.pop(key, None)
        if live is not None:
            for cookie in live.cookies:
                self._by_cookie.pop(cookie, None)
        return live

    def all(self) -> tuple[Live, ...]:
        return tuple(self._by_key.values())

    def parts(self) -> Iterator[list[Live]]:
        """Every session, some at a time, for whoever must not hold up the requests in between."""
        refs = self._by_key.valuerefs()
        for begin in range(0, len(refs), _PART):
            part = [ref() for ref in refs[begin : begin + _PART]]
            yield [live for live in part if live is not None]

    def forget(self, live: Live) -> None:
        """Take it out of memory, unless somebody still holds it."""
        for cookie in live.cookies:
            self._by_cookie.pop(cookie, None)
        live.cookies.clear()

    def _forget_one(self) -> None:
        for _ in range(len(self._by_cookie)):
            cookie, live = self._by_cookie.popitem(last=False)
            if not live.closers:
                live.cookies.discard(cookie)
                return
            self._by_cookie[cookie] = live
