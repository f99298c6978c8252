"""What becomes another while a session lives: its account's name, its proof, how long it lasts.

Each change is made to the record in the store, as it is there at that moment, in one step; every
process then reads it anew before it uses it again. So what two processes change at once is both
kept, and nobody goes on with what was before.
"""

from collections.abc import Callable
from dataclasses import replace

from gateway.account.model import Account
from gateway.session.entry import Live
from gateway.session.known import Known
from gateway.session.model import Session
from gateway.session.store import SessionStore

Change = Callable[[Session], Session | None]


class Changes:
    """All of it does I/O and may raise `SessionsUnavailable`."""

    def __init__(self, store: SessionStore, known: Known) -> None:
        self._store = store
        self._known = known

    async def make(self, key: str, change: Change) -> Session | None:
        """Make a change (`SessionStore.change`), here at once and elsewhere within a second; the
        session then, `None` when there is none any more."""
        with self._known.changing(key) as losses:
            session = await self._store.change(key, change)
            if session is not None:
                self._known.learned(session, losses)
        return session

    async def reread(self, key: str) -> Session | None:
        """The session as the store has it now, and this process with it."""
        live = await self._known.confirmed(key)
        return None if live is None else live.session

    async def prove(
        self, key: str, *, auth_time: float | None = None, password_at: float | None = None
    ) -> None:
        """The person proved who they are, to the provider at `auth_time`, or by the Sonar password
        of the account at `password_at`: Unix seconds. A later proof is not taken back."""

        def proved(session: Session) -> Session:
            identity = session.identity
            return replace(
                session,
                identity=replace(identity, auth_time=_later(identity.auth_time, auth_time)),
                password_at=_later(session.password_at, password_at),
            )

        await self.make(key, proved)

    async def tell(self, live: Live, account: Account) -> None:
        """The account as it is now: upstream hears of it with the next request."""
        if account != live.session.account:
            await self.make(live.session.key, lambda session: replace(session, account=account))


def _later(one: float | None, other: float | None) -> float | None:
    return max((each for each in (one, other) if each is not None), default=None)
