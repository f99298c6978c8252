"""Which session a cookie is for, by the cookie and our keys alone. No I/O."""

from gateway.session.cookie import verify
from gateway.session.keys import KeyRing

# Cookies somebody made up: ours have 104 characters. A quarter of a MiB at most.
_MOST_MADE_UP = 1024
_LONGEST_MADE_UP = 128


class Recogniser:
    """A cookie that somebody made up is known when it comes again, so that refusing it costs less
    than serving; until there are other keys, for it may be of one that came."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._made_up: set[str] = set()
        keys.on_change(lambda dropped: self._made_up.clear())

    def key_of(self, cookie: str) -> str | None:
        """The session key of a cookie we made, `None` for any other."""
        if cookie in self._made_up:
            return None
        key = verify(self._keys, cookie)
        if key is None and len(cookie) <= _LONGEST_MADE_UP:
            if len(self._made_up) >= _MOST_MADE_UP:
                self._made_up.clear()
            self._made_up.add(cookie)
        return key
