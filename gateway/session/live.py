"""Sessions as one process sees them: the cache that keeps the hot path free of I/O.

    peek   no I/O: a known cookie is one dictionary look-up, a forged one a MAC
    read   asks the store, once for everybody who waits for the same session

An entry is believed without asking because the store tells when a session ends on any process.
When that news may have been missed, every entry is doubted: it is confirmed with the store before
its next use. While the store does not answer, a doubted entry goes on for `outage_grace` from the
moment the doubt began, and is refused after that; cookies never seen before are refused at once
(`SessionsUnavailable`). A store that failed is left alone by requests until the keeper, which
asks every half second, hears it answer: nobody waits for a dead server twice.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Final

import structlog

from gateway import config
from gateway.account.model import Account
from gateway.errors import SessionsUnavailable
from gateway.identity.claims import Identity
from gateway.policy.model import Policies, Policy
from gateway.session.cache import Cache
from gateway.session.cookie import mint, verify
from gateway.session.entry import SEALED_PREFIX, Live
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.model import TOUCH_EVERY, Session
from gateway.session.seal import Sealer
from gateway.session.store import SessionStore

__all__ = ["SEALED_PREFIX", "UNREAD", "Live", "Sessions", "Unread"]

_log = structlog.get_logger()

# Ended and expired sessions leave within this, tunnels included, and a store that came back is
# used again: half of the second that DESIGN.md allows.
_KEEP_EVERY = 0.5
# A cookie whose session is gone is answered from memory for this long, so that a browser that
# keeps sending it costs one query, and a replica that lags behind is asked again soon.
_GONE_SECONDS = 5.0
_MOST_GONE = 10_000
# No session has this key: keys are SHA-256 values of random ids.
_NOBODY = "0" * 64


class Unread(Enum):
    """The store must be asked: `await sessions.read(cookie, now)`."""

    UNREAD = "unread"


UNREAD: Final = Unread.UNREAD


class Sessions:
    """Every session, through one store. `clock`: Unix seconds, for what happens between requests.

    Only `read`, `create`, `end`, `end_where` and `sweep` do I/O; each may raise
    `SessionsUnavailable`.
    """

    def __init__(
        self,
        store: SessionStore,
        keys: KeyRing,
        lines: IdentityLines,
        settings: config.Sessions,
        *,
        clock: Callable[[], float] = time.time,
        cache: Cache | None = None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._sealer = Sealer(keys)
        self._lines = lines
        self._settings = settings
        self._clock = clock
        self._cache = Cache() if cache is None else cache
        self._loads: dict[str, asyncio.Task[Live | None]] = {}
        self._gone: dict[str, float] = {}
        self._unended: set[str] = set()
        self._touched: dict[str, float] = {}
        self._losses = 0
        self._silent = False
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the store. Raises `SessionsUnavailable`: a bad store is seen at start."""
        self._store.on_end(self._heard, self._lost)
        await self._store.open()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Write the last activity and close the store. Tunnels are left to their owners."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        for load in tuple(self._loads.values()):
            load.cancel()
        await self._write_activity()
        await self._store.close()

    # Every request.

    def peek(self, cookie: str, now: float) -> Live | Unread | None:
        """The session of a cookie value; `None`: not signed in; `UNREAD`: the store must say."""
        live = self._cache.get(cookie)
        if live is not None and live.doubted is None and now < live.ends:
            return live
        key = verify(self._keys, cookie) if live is None else live.session.key
        if key is None or key in self._unended or now < self._gone.get(key, 0.0):
            return None
        if live is not None and live.session.over(now):
            self._heard(key)
            return None
        return UNREAD

    async def read(self, cookie: str, now: float) -> Live | None:
        """The session of a cookie value, from the store when need be; `None`: not signed in.

        Raises `SessionsUnavailable` when the store does not answer and the session was not known
        to this process within `outage_grace`.
        """
        known = self.peek(cookie, now)
        if known is not UNREAD:
            return known
        key = verify(self._keys, cookie)
        if key is None:
            return None
        try:
            live = await self._confirmed(key)
        except SessionsUnavailable:
            live = self._cache.find(key)
            if live is None or self._in_grace(live, now) is None:
                raise
            return live
        # It may have ended after the store answered and before this line ran.
        if live is None or live.ended:
            return None
        self._cache.keep(cookie, live)
        return live

    def touch(self, live: Live, now: float) -> None:
        """Note activity; the store hears of it at most once a minute, and not from here."""
        live.active(now)
        # A short idle time needs fresher news, or another process would call it idle too early.
        if now - live.written >= min(TOUCH_EVERY, live.session.idle / 10):
            live.written = now
            self._touched[live.session.key] = now

    # Beginning and ending.

    async def create(
        self, identity: Identity, account: Account, policy: Policy | None, now: float
    ) -> tuple[str, Session]:
        """Sign a browser in: the cookie value for it and the session, under a new id always.

        An id from before the sign-in is never taken over (session fixation). Idle and absolute
        lifetime: the policy's or the config's, the shorter. Raises `DirectoryUnavailable` when
        the account cannot be told to upstream in headers.
        """
        cookie = mint(self._keys)
        session = Session(
            key=cookie.key,
            public_id=secrets.token_hex(8),
            identity=identity,
            account=account,
            started=now,
            seen=now,
            idle=_shorter(self._settings.idle, policy.idle if policy else None),
            lifetime=_shorter(self._settings.lifetime, policy.lifetime if policy else None),
        )
        live = Live(session, self._lines, self._sealer)
        live.identity_headers(now)
        await self._store.create(session)
        self._cache.keep(cookie.value, live)
        return cookie.value, session

    async def end(self, key: str) -> None:
        """End a session: here at once, elsewhere within a second.

        When the store cannot be told, raises `SessionsUnavailable`; this process refuses the
        session all the same and goes on telling the store until it takes it.
        """
        self._unended.add(key)
        self._heard(key)
        await self._store.end(key)
        self._unended.discard(key)

    async def end_where(self, predicate: Callable[[Session], bool]) -> int:
        """End every session, on whatever process, for which `predicate` says so; how many."""
        ending = [session.key for session in await self._store.all() if predicate(session)]
        for key in ending:
            await self.end(key)
        return len(ending)

    async def sweep(self, policies: Policies) -> int:
        """End every session that the policies no longer allow; how many."""
        return await self.end_where(lambda session: not _allowed(session, policies))

    # What the store tells.

    def _heard(self, key: str) -> None:
        """The session has ended, somewhere. A load under way may carry what was before: it is
        disowned."""
        self._loads.pop(key, None)
        if len(self._gone) >= _MOST_GONE:
            self._gone.pop(next(iter(self._gone)))
        self._gone[key] = self._clock() + _GONE_SECONDS
        self._touched.pop(key, None)
        live = self._cache.drop(key)
        if live is not None:
            live.end()

    def _lost(self) -> None:
        """Sessions may have ended without our hearing of it."""
        self._losses += 1
        now = self._clock()
        for live in self._cache.all():
            live.doubt(now)

    # Asking the store.

    async def _confirmed(self, key: str) -> Live | None:
        """What the store says of `key`: asked once for all who wait for the same session.

        The load is shared by its full key, never by less, and is not cancelled with the request
        that began it.
        """
        load = self._loads.get(key)
        if load is None:
            if self._silent:
                raise SessionsUnavailable("the session store did not answer a moment ago")
            load = self._loads[key] = asyncio.create_task(self._load(key))
            load.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(load)

    def _loaded(self, key: str, load: asyncio.Task[Live | None]) -> None:
        if self._loads.get(key) is load:
            del self._loads[key]
        # Whoever waited has the exception; when nobody does any more, nobody needs it.
        if not load.cancelled():
            load.exception()

    async def _load(self, key: str) -> Live | None:
        losses, this = self._losses, asyncio.current_task()
        try:
            session = await self._store.load(key)
        except SessionsUnavailable as error:
            if not self._silent:
                _log.warning("session_store_silent", reason=error.reason, error=str(error))
            self._silent = True
            raise
        if self._loads.get(key) is not this or key in self._unended:
            return None
        if session is None:
            self._heard(key)
            return None
        live = self._cache.find(key) or Live(session, self._lines, self._sealer)
        live.confirm(session)
        if losses != self._losses:
            live.doubt(self._clock())
        return live

    def _in_grace(self, live: Live, now: float) -> Live | None:
        """Signed-in people go on for a while when the store is lost; nobody else does."""
        live.doubt(now)
        waited = now - (now if live.doubted is None else live.doubted)
        going_on = not live.ended and now < live.ends and waited < self._settings.outage_grace
        return live if going_on else None

    # Between requests.

    async def _keep(self) -> None:
        """The keeper: writes activity, retries, and ends what ends while nobody asks."""
        while True:
            await asyncio.sleep(_KEEP_EVERY)
            try:
                await self._tidy()
            except Exception:
                # It must outlive whatever goes wrong in one round, or tunnels would outlive
                # their sessions.
                _log.exception("session_keeper_failed")

    async def _tidy(self) -> None:
        if self._silent:
            await self._try_again()
        if not self._silent:
            await self._tell_endings()
            await self._write_activity()
        await self._close_ended(self._clock())

    async def _try_again(self) -> None:
        with suppress(SessionsUnavailable):
            await self._store.load(_NOBODY)
            self._silent = False
            _log.info("session_store_answers")

    async def _tell_endings(self) -> None:
        for key in tuple(self._unended):
            with suppress(SessionsUnavailable):
                await self.end(key)

    async def _write_activity(self) -> None:
        while self._touched:
            key, seen = self._touched.popitem()
            try:
                await self._store.touch(key, seen)
            except SessionsUnavailable:
                self._touched.setdefault(key, seen)
                return

    async def _close_ended(self, now: float) -> None:
        """Ask the store about each session that has tunnels open and is past its time or doubted;
        end what it does not confirm."""
        for live in self._cache.all():
            if not live.closers or (live.doubted is None and now < live.ends):
                continue
            key = live.session.key
            try:
                confirmed = await self._confirmed(key)
            except SessionsUnavailable:
                confirmed = self._in_grace(live, now)
            if confirmed is None:
                self._heard(key)


def _shorter(configured: float, policy: float | None) -> float:
    return configured if policy is None else min(configured, policy)


def _allowed(session: Session, policies: Policies) -> bool:
    email = session.identity.email
    return email is not None and policies.refusal(email, session.identity.provider) is None
