"""Sessions, as the edge and the portal use them.

    peek   no I/O: a known cookie is one dictionary look-up, a forged one costs a MAC
    read   asks the store, once for everybody who waits for the same session

known.py says when an entry is believed without asking.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Final

import structlog

from gateway import config
from gateway.account.model import Account
from gateway.errors import SessionsUnavailable
from gateway.identity.model import Identity
from gateway.operate.outage import Outages
from gateway.policy.model import Policies, Policy
from gateway.session.activity import Activity
from gateway.session.cache import Cache
from gateway.session.changes import Changes
from gateway.session.cookie import mint
from gateway.session.endings import Endings, Note
from gateway.session.entry import Live
from gateway.session.grant import Grants, Origin
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.known import Known
from gateway.session.limits import Limits
from gateway.session.model import Session
from gateway.session.recognise import Recogniser
from gateway.session.seal import Sealer
from gateway.session.store import Store
from gateway.session.store.guarded import Guarded
from gateway.session.sweep import Sweep
from gateway.tasks import Rounds

__all__ = ["UNREAD", "Live", "Sessions", "Unread"]

_log = structlog.get_logger()

# Half of the second within which an ended or expired session must be gone, tunnels included.
_ROUND_EVERY = 0.5

# What must be asked whether a session's account may still be used.
_VOUCHING = ("directory", "links")


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
        store.vouch_with(keys)
        self._keys = keys
        self._lines = lines
        self._sealer = Sealer(keys)
        self._clock = clock
        self._limits = Limits(settings.idle, settings.lifetime, policies)
        self._cache = Cache() if cache is None else cache
        self._grace, limit = settings.outage_grace, self._limits.applied
        self._known = Known(self._store, self._cache, self._live, self._grace, clock, limit)
        self.changes = Changes(self._store, self._known)
        self.grants = Grants(self._sealer, self._store)
        self._endings = Endings(self._store, self.named, self._known, clock)
        self._sweep = Sweep(self._store, self._cache, self._endings, self.changes, self._limits)
        self.recogniser = Recogniser(keys)
        keys.on_change(self._known.drop_keys)
        self._activity = Activity(self._store)
        # Each request calls it: no call more than it needs.
        self.touch = self._activity.touch
        # It must outlive whatever goes wrong, or tunnels would outlive their sessions.
        self._rounds = Rounds(
            self._round, _ROUND_EVERY, lambda: _log.exception("session_round_failed")
        )

    async def start(self) -> None:
        """Open the store: a bad one is seen here, not at the first sign-in."""
        self._store.on_end(self._endings.heard, self._endings.lost)
        self._store.on_change(self._known.changed)
        await self._store.open()
        self._rounds.start()

    async def stop(self) -> None:
        """Tell the store what it has not heard, and close it. Tunnels are left to their owners."""
        await self._rounds.stop()
        self._known.stop()
        await self._endings.tell()
        await self._activity.write()
        await self._store.close()

    # Every request.

    def peek(self, cookie: str, now: float) -> Live | Unread | None:
        """The session of a cookie value; `None`: not signed in; `UNREAD`: the store must say."""
        live = self._cache.get(cookie)
        if live is not None and live.doubted is None and now < live.ends:
            return live
        key = self.recogniser.key_of(cookie) if live is None else live.session.key
        if key is None or self._known.over.has(key, now):
            return None
        if live is not None and live.session.over(now):
            self._known.missed(key)
            return None
        return UNREAD

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
        key = self.recogniser.key_of(cookie)
        if key is None:
            return None
        try:
            live = await self._known.confirmed(key)
        except SessionsUnavailable:
            live = self._known.in_grace(key, now)
            if live is None:
                raise
        if self.recogniser.key_of(cookie) is None:
            # Its key was dropped meanwhile.
            return None
        if live is not None and not live.ended:
            self._cache.put(cookie, live)
        return live

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
        # Another process may end it before the store's answer is here.
        self._cache.introduce(live)
        await self._store.create(session)
        if not live.ended:
            self._cache.put(cookie.value, live)
        return cookie.value, live.session

    async def end(self, key: str) -> bool:
        """End a session: here at once, elsewhere within a second. Whether it was there.

        When the store cannot be told, raises `SessionsUnavailable`; this process refuses the
        session all the same and goes on telling the store until it takes it.
        """
        return await self._endings.end(key)

    async def end_these(
        self, sessions: Iterable[Session], note: Note | None = None
    ) -> tuple[Session, ...]:
        """End sessions that the store told of, in the same way; those that this ended. `note` is
        called with each, once, when the store has taken it: by this process or another one."""
        return await self._endings.end_these(sessions, note)

    async def end_labelled(self, label: str, note: Note | None = None) -> int:
        """End every session with this label (`Session.labels`), on whatever process; how many.

        When the store does not answer, raises `SessionsUnavailable`; those in this process's memory
        are refused all the same, and the store is asked for the others as soon as it answers. Each
        is told to `note` then.
        """
        return await self._endings.end_labelled(label, note)

    async def labelled(self, label: str) -> tuple[Session, ...]:
        """Every live session with this label (`Session.labels`), newest first."""
        return await self._store.labelled(label)

    def in_use(self) -> Iterator[list[Live]]:
        """The sessions in this process's memory, some at a time."""
        return self._cache.parts()

    async def sweep(self, policies: Policies, note: Note | None = None) -> tuple[Session, ...]:
        """End every session that the policies no longer allow, or that is over by the times they
        set now, and shorten the others; those that this ended. The same when the store does not
        answer."""
        return await self._sweep.run(policies, self._clock(), note)

    # Between requests.

    async def _round(self) -> None:
        """Tell the store what it must hear, and end what ends while nobody asks."""
        self._known.withhold(self._outages.overdue(_VOUCHING, self._grace))
        if not self._store.is_gone:
            await self._endings.tell()
            await self._sweep.again()
            await self._activity.write()
        await self._known.close_ended(self._clock())

    def _live(self, session: Session) -> Live:
        return Live(session, self._lines, self._sealer)
