"""Where sessions are, and what is known under a name: two narrow interfaces, two implementations
of both, one contract suite for each.

embedded.py   SQLite in a file: one machine, survives a restart; embedded_named.py what is known
              under a name. embedded_thread.py asks database.py (sessions) and named.py,
              writing.py does several writes in one step
redis.py      Redis or Valkey: several machines; redis_named.py. redis_server.py sends their
              commands, redis_pool.py connects, with Sentinels or without; redis_news.py hears of
              endings, redis_scripts.py has what must happen in one step
guarded.py    either of them, left alone while it is gone
attempts.py   how long who keeps being wrong has to wait, in both of them
codec.py      a session as JSON and back
choose.py     which of them config.yaml asks for
"""

from collections.abc import Callable
from typing import Protocol

from gateway.session.model import Session
from gateway.session.store.attempts import Throttle
from gateway.session.store.codec import Keys


class SessionStore(Protocol):
    """Sessions. Every method may raise `SessionsUnavailable`, and nothing else."""

    async def create(self, session: Session) -> None:
        """Keep a new session until it ends by itself or is ended."""

    async def load(self, key: str) -> Session | None:
        """The session, or `None` when there is none, it ended, it is past its time, or its record
        is not vouched for."""

    async def touch(self, key: str, seen: float) -> None:
        """Note activity at `seen` (Unix seconds), never moving it back; nothing if it is gone."""

    async def change(self, key: str, change: Callable[[Session], Session | None]) -> Session | None:
        """Give `change` the session and keep what it gives back, in one step; with `None` it stays
        as it is. The session then, or `None` when there is none. `change` may be called again, when
        another process was faster, and from another thread. Activity is no change (`touch`)."""

    async def end(self, key: str) -> bool:
        """End one session, here and on every other process within 1 s; whether it was there."""

    async def all(self) -> tuple[Session, ...]:
        """Every live session, newest first; for operators and for sweeps after a reload. Whether
        vouched for or not: to be ended, or looked at."""

    async def labelled(self, label: str) -> tuple[Session, ...]:
        """Every live session with this label (`Session.labels`), newest first, vouched for or not.
        By an index: what it costs depends on how many there are, not on how many others."""

    def on_end(self, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        """Call `heard(key)` for each session ended on any process, within 1 s; `lost()` when such
        news may have been missed, so that caches must ask again. While the news cannot be heard,
        `lost()` comes again and again: what was confirmed in between is in doubt, too."""

    def on_change(self, changed: Callable[[str], None]) -> None:
        """Call `changed(key)` for each session changed on another process, within 1 s; what it may
        have missed is told by `lost()`."""


class NamedStore(Protocol):
    """What every process knows under a name, for a while: who was first, how often something
    happened, how long to wait, a value. What one method knows of a name is nothing to the others
    but `forget`. Every method may raise `SessionsUnavailable`, and nothing else."""

    async def first(self, name: str, seconds: float) -> bool:
        """True for the first caller with this name within `seconds`, anywhere; False after."""

    async def count(self, name: str, seconds: float) -> int:
        """Count one event under `name` and return how many there were in the window of `seconds`
        that began with the first of them."""

    async def attempt(self, name: str, throttle: Throttle) -> float:
        """Ask to make an attempt under `name`: 0.0 and it is counted, or how many seconds to wait
        until the next one may be made."""

    async def pardon(self, name: str) -> None:
        """Take back an attempt that was allowed, and the wait that followed from it."""

    async def forget(self, name: str) -> None:
        """Drop what was counted and attempted under `name`, after a success."""

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        """Have a value under `name`, in the place of the one before, for so long."""

    async def get(self, name: str) -> bytes | None:
        """The value, or `None` when there is none any more."""

    async def take(self, name: str) -> bytes | None:
        """The value, to one caller only, anywhere: it is gone then."""


class Store(SessionStore, Protocol):
    """A place for both: sessions, and under `named` all else."""

    @property
    def named(self) -> NamedStore: ...

    def vouch_with(self, keys: Keys) -> None:
        """Before `open`: make records under a MAC with these keys, and let nobody in by another
        (codec.py). A store that was told none, as a command's, believes what is there: it looks,
        and ends."""

    async def open(self) -> None:
        """Connect, create what is missing; a place that cannot be used is seen here, at start."""

    async def close(self) -> None: ...

    async def try_out(self) -> None:
        """Write something that nobody needs, to see whether it can be done."""


# News of a change travels the way of endings; a process that knows no changes takes it for the end
# of a session that nobody has.
CHANGED = "changed:"


def pass_on(news: str, heard: Callable[[str], None], changed: Callable[[str], None]) -> None:
    """Tell who is concerned that a session ended, or changed."""
    if news.startswith(CHANGED):
        changed(news.removeprefix(CHANGED))
    else:
        heard(news)


def nobody_listens(*_: str) -> None:
    """What a store calls before `on_end` has said whom to tell."""
