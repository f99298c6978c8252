"""Is the account of each session still one that its identity opens? Asked again while it lives.

A sign-in is decided once, and a session lasts for hours. Meanwhile Sonar's administrator switches
the account off, an address is taken from it, an operator removes a link or trusts a tenant no
more: nothing tells the gateway, so it asks (CVE-2025-53942). The decision is the sign-in's own,
`resolve()`, so that whoever could not sign in now does not stay signed in either.

A username may have changed, too, and its old one belong to somebody else: upstream is told of the
account as it is now.

While the directory or the links do not answer, sessions go on: nobody is signed out by our trouble.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

import structlog

from gateway.account.directory import Directory
from gateway.account.facts import gather
from gateway.account.links import LinkStore
from gateway.account.model import Account
from gateway.account.resolution import Refuse
from gateway.errors import DirectoryUnavailable, LinksUnavailable, SessionsUnavailable
from gateway.policy.model import Policies
from gateway.session.entry import Live
from gateway.session.live import Sessions
from gateway.session.model import Session

_log = structlog.get_logger()

# How long somebody who was switched off may go on. Five small queries a session: a thousand people
# at work are less than a hundred a second.
EVERY = 60.0


class Recheck:
    """Asks about every session in use in this process, once in `every` seconds. `put_off`: how
    many rounds could not be finished."""

    def __init__(
        self,
        sessions: Sessions,
        directory: Directory,
        links: LinkStore,
        policies: Callable[[], Policies],
        *,
        every: float = EVERY,
    ) -> None:
        self._sessions = sessions
        self._directory = directory
        self._links = links
        self._policies = policies
        self._every = every
        self._task: asyncio.Task[None] | None = None
        self.put_off = 0

    async def start(self) -> None:
        self._task = asyncio.create_task(self._go_round())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def round(self) -> int:
        """Ask about every session in use, one after the other; how many were ended."""
        ended = 0
        for live in self._sessions.in_use():
            try:
                ended += await self._check(live)
            except SessionsUnavailable as error:
                # It is refused here all the same, and the store hears of it later.
                _log.error("session_end_unconfirmed", reason=error.reason)
                ended += 1
            except (DirectoryUnavailable, LinksUnavailable):
                raise
            except Exception:
                # One that fails every time must not keep those behind it from being asked about.
                _log.exception("recheck_failed", session=live.session.public_id)
        return ended

    async def _go_round(self) -> None:
        # Workers that started together do not ask together.
        pause = self._every * random.random()  # noqa: S311 - no secret
        while True:
            await asyncio.sleep(pause)
            pause = self._every
            try:
                await self.round()
            except (DirectoryUnavailable, LinksUnavailable) as error:
                self.put_off += 1
                _log.warning("recheck_put_off", reason=error.reason, error=str(error))

    async def _check(self, live: Live) -> bool:
        session = live.session
        if live.ended:
            return False
        account = await self._account_of(session)
        if account is not None:
            live.tell(account)
            return False
        await self._sessions.end(session.key)
        _log.info(
            "session_ended_by_recheck",
            account_id=session.account.id,
            provider=session.identity.provider,
            session=session.public_id,
        )
        return True

    async def _account_of(self, session: Session) -> Account | None:
        """The account as it is now, if a sign-in would still offer it."""
        identity = session.identity
        policy = None if identity.email is None else self._policies().for_email(identity.email)
        facts = await gather(identity, policy, self._directory, self._links)
        offered = facts.offered(identity, policy)
        if isinstance(offered, Refuse):
            return None
        return next((account for account in offered if account.id == session.account.id), None)
