"""Session cookies of Sonar's that outlive a sign-out, as config does not say where they are.

Nothing is learned from it: which cookies are expired, and where, is the operator's word alone.
"""

from collections.abc import Iterable

import structlog

from gateway.edge.cookies import Place

_log = structlog.get_logger()

# An application has one or two session cookies in a place or two. But a cookie without a `Path` is
# in the folder of the page that was asked for, and of folders there may be any number.
_MOST = 16


class CookiesElsewhere:
    """Which places this process has told of: each once, and not more than so many."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: set[Place] = set()

    def tell(self, places: Iterable[Place]) -> None:
        """`places`: where a browser has got a cookie."""
        for place in places:
            if place in self._told or len(self._told) >= _MOST:
                continue
            self._told.add(place)
            _log.warning(
                "session_cookie_elsewhere",
                name=place.name,
                path=place.path,
                domain=place.domain or None,
            )
