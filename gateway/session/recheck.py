"""Is the account of each session still one that its identity opens? Asked again while it lives.

A sign-in is decided once, and a session lasts for hours. Meanwhile Sonar's administrator switches
the account off, an address is taken from it, an operator removes a link or trusts a tenant no
more: nothing tells the gateway, so it asks (CVE-2025-53942). The decision is the sign-in's own,
`resolve()`, so that whoever could not sign in now does not stay signed in either. Where a provider
is set up to be asked, it is asked first (renewal.py).

A username may have changed, too, and its old one belong to somebody else: upstream is told of the
account as it is now.

Each session has its turn once in `sessions.recheck`, at a moment that its key decides: all
processes agree on it without a word, and the turns are spread evenly over the time. Of the
processes that have the session in use, the first to take the turn asks; one that comes back after
a while, to a process that has forgotten it, has its turn at once unless it has had it.

While the directory or the links do not answer, sessions go on, and keep their turn: nobody is
signed out by our trouble.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from gateway.account.directory import Directory
from gateway.account.facts import gather
from gateway.account.links import LinkStore
from gateway.account.model import Account
from gateway.account.resolution import Choose, SignIn
from gateway.errors import SessionsUnavailable, Unavailable
from gateway.operate.audit import Audit, EventKind, session_event
from gateway.policy.model import Policies
from gateway.reasons import Reason
from gateway.session.entry import Live
from gateway.session.live import Sessions
from gateway.session.model import Session
from gateway.session.store import NamedStore
from gateway.tasks import Rounds

_log = structlog.get_logger()

# The directory has five connections; sign-ins must find one.
_AT_ONCE = 3
# How often to look whose turn has come. A part of the interval, for short ones.
_LOOK_EVERY = 5.0
_LOOKS = 20


def turn_of(key: str, every: float, now: float) -> tuple[int, float]:
    """The number of the turn that a session has now, and since when: Unix seconds."""
    phase = int(key[:8], 16) / 16**8
    number = math.floor(now / every + phase)
    return number, (number - phase) * every


@dataclass(slots=True)
class _Turn:
    live: Live
    number: int
    ours: bool = False


class Recheck:
    """Asks about the sessions in use in this process, each once in `every` seconds. `provider`:
    asks the provider why a session must end. `clock`: Unix seconds.

    `put_off`: how often it had to stop because somebody did not answer.
    """

    def __init__(
        self,
        sessions: Sessions,
        named: NamedStore,
        directory: Directory,
        links: LinkStore,
        policies: Callable[[], Policies],
        audit: Audit,
        *,
        every: float,
        provider: Callable[[Session], Awaitable[Reason | None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._named = named
        self._directory = directory
        self._links = links
        self._policies = policies
        self._audit = audit
        self._every = every
        self._provider = provider
        self._clock = clock
        self._waiting: dict[str, _Turn] = {}
        self._rounds = Rounds(
            self.round,
            min(_LOOK_EVERY, every / _LOOKS),
            lambda: _log.exception("recheck_round_failed"),
        )
        self._trouble: Unavailable | None = None
        self.put_off = 0

    async def start(self) -> None:
        self._rounds.start()

    async def stop(self) -> None:
        await self._rounds.stop()

    async def round(self) -> int:
        """Ask about every session whose turn it is, a few at a time; how many were ended."""
        await self._look()
        trouble, self._trouble = self._trouble, None
        ended = sum(await asyncio.gather(*(self._work() for _ in range(_AT_ONCE))))
        self._tell(trouble)
        return ended

    def _tell(self, before: Unavailable | None) -> None:
        now = self._trouble
        if now is not None:
            self.put_off += 1
            if before is None:
                _log.warning("recheck_put_off", reason=now.reason, error=str(now))
        elif before is not None:
            _log.info("recheck_goes_on")

    async def _look(self) -> None:
        now = self._clock()
        for part in self._sessions.in_use():
            for live in part:
                number, since = turn_of(live.session.key, self._every, now)
                if live.turn == number:
                    continue
                live.turn = number
                # A sign-in asked the same.
                if live.session.started < since:
                    self._waiting.setdefault(live.session.key, _Turn(live, number))
            await asyncio.sleep(0)

    async def _work(self) -> int:
        ended = 0
        while self._waiting and self._trouble is None:
            key = next(iter(self._waiting))
            turn = self._waiting.pop(key)
            try:
                ended += await self._take(turn)
            except Unavailable as error:
                self._waiting[key] = turn
                self._trouble = error
            except Exception:
                # One that fails every time must not keep those behind it from being asked about.
                _log.exception("recheck_failed", session=turn.live.session.public_id)
        return ended

    async def _take(self, turn: _Turn) -> bool:
        """Ask, if nobody else does; whether the session was ended."""
        live = turn.live
        if not turn.ours and not live.ended:
            name = f"recheck:{live.session.key}:{turn.number}"
            turn.ours = await self._named.first(name, 2 * self._every)
        if not turn.ours or live.ended:
            return False
        reason = None if self._provider is None else await self._provider(live.session)
        if reason is None:
            found = await self._account_of(live.session)
            if isinstance(found, Account):
                await self._sessions.changes.tell(live, found)
                return False
            reason = found
        await self._end(live.session, reason)
        return True

    async def _end(self, session: Session, reason: Reason) -> None:
        try:
            await self._sessions.end(session.key)
        except SessionsUnavailable as error:
            # It is refused here all the same, and the store hears of it later.
            _log.error("session_end_unconfirmed", reason=error.reason)
        self._audit.note(session_event(EventKind.SESSION_ENDED, session, reason))

    async def _account_of(self, session: Session) -> Account | Reason:
        """The account as it is now, if a sign-in would still offer it, or why it would not."""
        identity = session.identity
        policy = None if identity.email is None else self._policies().for_email(identity.email)
        facts = await gather(identity, policy, self._directory, self._links)
        offered = facts.offered(identity, policy)
        if isinstance(offered, tuple):
            for account in offered:
                if account.id == session.account.id:
                    return account
        resolution = facts.resolve(identity, policy)
        if isinstance(resolution, SignIn | Choose):
            return Reason.ACCOUNT_NOT_OFFERED
        return resolution.reason
