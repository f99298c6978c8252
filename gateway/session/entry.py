"""One signed-in browser as this process knows it, between two looks at the store."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from gateway.session.cookie import SEALED_PREFIX
from gateway.session.identity_headers import IdentityLines
from gateway.session.model import Session
from gateway.session.seal import Sealer

_log = structlog.get_logger()

K = TypeVar("K")
V = TypeVar("V")

_PURPOSE = "legacy cookie"
# A legacy application has one or two session cookies, and a browser some few ways to ask (for a
# page, for an image, by script); more in memory would only serve somebody who makes up something
# new with each request.
_REMEMBERED = 8


class Live:
    """A session that was alive when the store was last asked. One object a session, shared by all
    of its requests in this process; nothing in it belongs to one request.

    `ends` is when it ends if nothing more happens. `doubted`: since when the store could not be
    heard, so that it may have ended elsewhere; `None` while all is well. `written`: the activity
    that the store knows of. `closers` are called once, when the session ends. `remembered`: what
    the edge has worked out for this session and for what. `turn`: the last one in which its right
    was asked about (recheck.py). Times are Unix seconds.
    """

    __slots__ = (
        "__weakref__",
        "_builder",
        "_lines",
        "_lines_until",
        "_opened",
        "_sealed",
        "_sealer",
        "closers",
        "cookies",
        "doubted",
        "ended",
        "ends",
        "remembered",
        "session",
        "turn",
        "written",
    )

    def __init__(self, session: Session, lines: IdentityLines, sealer: Sealer) -> None:
        # What opens the provider's door has no business in memory.
        self.session = session if session.grant is None else replace(session, grant=None)
        self.ends = session.ends()
        self.doubted: float | None = None
        self.ended = False
        self.written = session.seen
        self.cookies: set[str] = set()
        self.closers: set[Callable[[], None]] = set()
        self._builder = lines
        self._lines = b""
        self._lines_until = 0.0
        self._sealer = sealer
        self._sealed: dict[tuple[str, str], str] = {}
        self._opened: dict[tuple[str, str], str | None] = {}
        self.remembered: dict[object, object] = {}
        self.turn = -1

    def __repr__(self) -> str:
        return f"<Live {self.session.public_id}>"

    def identity_headers(self, now: float) -> bytes:
        """Complete `Name: value` lines, each with its CRLF, for upstream; made anew only when the
        assertion in them is near its end."""
        if now >= self._lines_until:
            self._lines = self._builder.build(self.session, now)
            self._lines_until = now + self._builder.renewed_after
        return self._lines

    def seal(self, name: str, value: str) -> str:
        """The value of the legacy cookie `name`, readable only while this session lives."""
        known = self._sealed.get((name, value))
        if known is None:
            text = self._sealer.seal(_PURPOSE, self._bound(name), _bytes(value))
            known = _remember(self._sealed, (name, value), SEALED_PREFIX + text)
        return known

    def open(self, name: str, sealed: str) -> str | None:
        """What `seal` was given for this session and cookie name, or `None`."""
        if (name, sealed) in self._opened:
            return self._opened[name, sealed]
        if not sealed.startswith(SEALED_PREFIX):
            return None
        text = sealed.removeprefix(SEALED_PREFIX)
        value = self._sealer.open(_PURPOSE, self._bound(name), text)
        return _remember(self._opened, (name, sealed), None if value is None else _text(value))

    def remember(self, key: object, value: object) -> None:
        """Have `value` in `remembered` the next time, unless too much has come in between."""
        _remember(self.remembered, key, value)

    def forget_keys(self) -> None:
        """Make and open everything anew: a key was dropped."""
        self._sealed.clear()
        self._opened.clear()
        self.remembered.clear()
        self._lines_until = 0.0

    def _bound(self, name: str) -> str:
        return f"{self.session.key} {name}"

    def active(self, now: float) -> None:
        """Note activity: the idle time begins anew."""
        self.session = replace(self.session, seen=max(self.session.seen, now))
        self.ends = self.session.ends()

    def confirm(self, session: Session) -> None:
        """The store has just said that it lives, and as what; another process may have seen later
        activity, or changed it: upstream hears of that with the next request."""
        self.written = max(self.written, session.seen)
        seen = max(self.session.seen, session.seen)
        confirmed = replace(session, seen=seen, grant=None)
        if confirmed != replace(self.session, seen=seen):
            self._lines_until = 0.0
        self.session = confirmed
        self.ends = confirmed.ends()
        self.doubted = None

    def limit(self, session: Session) -> None:
        """How long it lasts is this from now on."""
        self.session = replace(self.session, idle=session.idle, lifetime=session.lifetime)
        self.ends = self.session.ends()

    def doubt(self, now: float) -> None:
        """News may have been missed since `now`, unless they already may have been before."""
        if self.doubted is None:
            self.doubted = now

    def end(self) -> None:
        """Call every closer, once. One that breaks must not keep the others' tunnels open."""
        self.ended = True
        closers, self.closers = self.closers, set()
        for close in closers:
            try:
                close()
            except Exception:
                _log.exception("session_closer_failed", session=self.session.public_id)


def _remember(memory: dict[K, V], of: K, value: V) -> V:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[of] = value
    return value


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogatepass")
