"""Sessions, as the edge and the portal use them.

    peek   no I/O: a known cookie is one dictionary look-up, a forged one costs a MAC
    read   asks the store, once for everybody who waits for the same session

known.py says when an entry is believed without asking.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import Enum
from typing import Final

import structlog

from gateway import config
from gateway.account.model import Account
from gateway.errors import SessionsUnavailable
from gateway.identity.model import Identity
from gateway.operate.outage import Outages
from gateway.policy.model import Policies, Policy
from gateway.session.cache import Cache
from gateway.session.changes import Changes
from gateway.session.cookie import key_id_of, mint, verify
from gateway.session.endings import Endings
from gateway.session.entry import Live
from gateway.session.grant import Grants, Origin
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.known import Known
from gateway.session.limits import Limits
from gateway.session.model import TOUCH_EVERY, Session
from gateway.session.over import Over
from gateway.session.seal import Sealer
from gateway.session.store import Store
from gateway.session.store.guarded import Guarded
from gateway.session.sweep import Sweep

__all__ = ["UNREAD", "Live", "Sessions", "Unread"]

_log = structlog.get_logger()

# Half of the second within which an ended or expired session must be gone, tunnels included.
_KEEP_EVERY = 0.5

# What must be asked whether a session's account may still be used.
_VOUCHING = ("directory", "links")

# Cookies somebody made up: ours have 104 characters. A quarter of a MiB at most.
_MOST_MADE_UP = 1024
_LONGEST_MADE_UP = 128


class Unread(Enum):
    """The store must be asked: `await sessions.read(cookie, now)`."""

    UNREAD = "unread"


UNREAD: Final = Unread.UNREAD


class Sessions:
    """Every session, through one store. `clock`: Unix seconds, for what happens between requests.

    `read`, `create`, the endings and `sweep` do I/O and may raise `SessionsUnavailable`.
    `named`: what the same store knows under a name. Both are left alone while it is gone.
    `outages`: which neighbours are down.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        lines: IdentityLines,
        settings: config.Sessions,
        *,
        clock: Callable[[], float] = time.time,
        cache: Cache | None = None,
        outages: Outages | None = None,
        policies: Callable[[], Policies] = Policies,
    ) -> None:
        self._outages = Outages() if outages is None else outages
        self._store = Guarded(store, self._outages.part("sessions"))
        self.named = self._store.named
        self._keys = keys
        self._lines = lines
        self._sealer = Sealer(keys)
        self._clock = clock
        self._limits = Limits(settings.idle, settings.lifetime, policies)
        self._cache = Cache() if cache is None else cache
        self._over = Over(clock)
        self._grace, limit = settings.outage_grace, self._limits.applied
        self._known = Known(
            self._store, self._cache, self._over, self._live, self._grace, clock, limit
        )
        self.changes = Changes(self._store, self._known)
        self.grants = Grants(self._sealer, self._store)
        self._endings = Endings(self._store, self._cache, self._known, self._over, clock)
        self._sweep = Sweep(self._store, self._cache, self._endings, self.changes, self._limits)
        self._made_up: set[str] = set()
        self._touched: dict[str, float] = {}
        self._keeper: asyncio.Task[None] | None = None
        keys.on_change(self._other_keys)

    async def start(self) -> None:
        """Open the store: a bad one is seen here, not at the first sign-in."""
        self._store.on_end(self._endings.heard, self._endings.lost)
        self._store.on_change(self._known.changed)
        await self._store.open()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Tell the store what it has not heard, and close it. Tunnels are left to their owners."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        self._known.stop()
        await self._endings.tell()
        await self._write_activity()
        await self._store.close()

    # Every request.

    def peek(self, cookie: str, now: float) -> Live | Unread | None:
        """The session of a cookie value; `None`: not signed in; `UNREAD`: the store must say."""
        live = self._cache.get(cookie)
        if live is not None and live.doubted is None and now < live.ends:
            return live
        key = self.key_of(cookie) if live is None else live.session.key
        if key is None or self._over.has(key, now):
            return None
        if live is not None and live.session.over(now):
            self._known.missed(key)
            return None
        return UNREAD

    def key_of(self, cookie: str) -> str | None:
        """The session key of a cookie we made. One that somebody made up is known when it comes
        again, until there are other keys, so that refusing it costs less than serving."""
        if cookie in self._made_up:
            return None
        key = verify(self._keys, cookie)
        if key is None and len(cookie) <= _LONGEST_MADE_UP:
            if len(self._made_up) >= _MOST_MADE_UP:
                self._made_up.clear()
            self._made_up.add(cookie)
        return key

    async def read(self, cookie: str, now: float) -> Live | None:
        """The session of a cookie value, from the store when need be; `None`: not signed in.

        Raises `SessionsUnavailable` when the store does not answer and this process did not know
        the session to be alive within `outage_grace`; what is the matter, when the directory or
        the links could not be asked for so long.
        """
        live = await self.of_browser(cookie, now)
        if live is not None and live.doubted is not None and self._known.withheld is not None:
            raise type(self._known.withheld)(str(self._known.withheld))
        return live

    async def of_browser(self, cookie: str, now: float) -> Live | None:
        """The same, although it may not be used now: for who signs out."""
        known = self.peek(cookie, now)
        if known is not UNREAD:
            return known
        key = verify(self._keys, cookie)
        if key is None:
            return None
        try:
            live = await self._known.confirmed(key)
        except SessionsUnavailable:
            live = self._known.in_grace(key, now)
            if live is None:
                raise
        if verify(self._keys, cookie) is None:
            # Its key was dropped meanwhile.
            return None
        if live is not None and not live.ended:
            self._cache.put(cookie, live)
        return live

    def _other_keys(self, dropped: frozenset[str]) -> None:
        """A cookie that seemed made up may be of a key that came; whoever has one of a key that
        was dropped is signed out here and now, and nothing made with it is handed on."""
        self._made_up.clear()
        for live in self._cache.all() if dropped else ():
            live.forget_keys()
            if any(f"{key_id_of(cookie)}.root" in dropped for cookie in live.cookies):
                self._known.ended(live.session.key)

    def touch(self, live: Live, now: float) -> None:
        """Note activity; the store hears of it at most once a minute, and not from here."""
        live.active(now)
        # A short idle time needs fresher news, or another process would call it idle too early.
        if now - live.written >= min(TOUCH_EVERY, live.session.idle / 10):
            live.written = now
            self._touched[live.session.key] = now

    # Beginning and ending.

    async def create(
        self,
        identity: Identity,
        account: Account,
        policy: Policy | None,
        now: float,
        origin: Origin = Origin(),  # noqa: B008 - frozen
    ) -> tuple[str, Session]:
        """Sign a browser in: the cookie value for it and the session, under a new id always.

        An id from before the sign-in is never taken over (session fixation). One that continues
        another ends when that one would have. Raises `DirectoryUnavailable`
        when the account cannot be told to upstream in headers.
        """
        cookie = mint(self._keys)
        idle, lifetime = self._limits.under(policy)
        session = Session(
            key=cookie.key,
            public_id=secrets.token_hex(8),
            identity=identity,
            account=account,
            started=now if origin.continues is None else origin.continues.started,
            seen=now,
            idle=idle,
            lifetime=lifetime,
            password_at=origin.password_at,
            grant=await self.grants.begin(cookie.key, origin, now),
        )
        live = self._live(session)
        live.identity_headers(now)
        await self._store.create(session)
        self._cache.put(cookie.value, live)
        return cookie.value, live.session

    async def end(self, key: str) -> None:
        """End a session: here at once, elsewhere within a second.

        When the store cannot be told, raises `SessionsUnavailable`; this process refuses the
        session all the same and goes on telling the store until it takes it.
        """
        await self._endings.end(key)

    async def end_labelled(self, label: str) -> int:
        """End every session with this label (`Session.labels`), on whatever process; how many.

        When the store does not answer, raises `SessionsUnavailable`; those in this process's memory
        are refused all the same, and the store is asked for the others as soon as it answers.
        """
        return await self._endings.end_labelled(label)

    async def labelled(self, label: str) -> tuple[Session, ...]:
        """Every live session with this label (`Session.labels`), newest first."""
        return await self._store.labelled(label)

    def in_use(self) -> Iterator[list[Live]]:
        """The sessions in this process's memory, some at a time."""
        return self._cache.parts()

    async def sweep(self, policies: Policies) -> tuple[Session, ...]:
        """End every session that the policies no longer allow, or that is over by the times they
        set now, and shorten the others; those that this ended."""
        return await self._sweep.run(policies, self._clock())

    # Between requests.

    async def _keep(self) -> None:
        """Tell the store what it must hear, and end what ends while nobody asks."""
        while True:
            await asyncio.sleep(_KEEP_EVERY)
            try:
                self._known.withhold(self._outages.overdue(_VOUCHING, self._grace))
                if not self._store.is_gone:
                    await self._endings.tell()
                    await self._write_activity()
                await self._known.close_ended(self._clock())
            except Exception:
                # It must outlive whatever goes wrong in one round, or tunnels would outlive
                # their sessions.
                _log.exception("session_keeper_failed")

    async def _write_activity(self) -> None:
        while self._touched:
            key, seen = self._touched.popitem()
            try:
                await self._store.touch(key, seen)
            except SessionsUnavailable:
                self._touched.setdefault(key, seen)
                return

    def _live(self, session: Session) -> Live:
        return Live(session, self._lines, self._sealer)
