"""By what the provider can be asked again whether who signed in may go on: its refresh token.

It is stored sealed, bound to the one session it belongs to; it is in no process's memory longer
than a question takes, in no log, and never goes anywhere but back to the provider.
"""

from dataclasses import dataclass, replace

from gateway.secret import Secret
from gateway.session.model import Grant, Session
from gateway.session.seal import Sealer
from gateway.session.store import SessionStore

_PURPOSE = "refresh token"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a new session comes from, beyond its identity. `password_at`: when the account's Sonar
    password was typed for it, Unix seconds. `continues`: the session that changes its account, of
    the same identity. `refresh_token`: by which its provider is to be asked again."""

    password_at: float | None = None
    continues: Session | None = None
    refresh_token: Secret | None = None


class Grants:
    """Seals refresh tokens and opens them. `key` is a session's."""

    def __init__(self, sealer: Sealer, store: SessionStore) -> None:
        self._sealer = sealer
        self._store = store

    async def begin(self, key: str, origin: Origin, now: float) -> Grant | None:
        """The grant of a new session, if it has brought a token, or continues one that has one."""
        if origin.refresh_token is not None:
            return self.seal(origin.refresh_token, key, now)
        continues = origin.continues
        before = None if continues is None else await self.stored(continues.key)
        if continues is None or before is None:
            return None
        return self.move(before, continues.key, key)

    async def stored(self, key: str) -> Grant | None:
        """The grant that the session has now, if it has one. Raises `SessionsUnavailable`."""
        session = await self._store.load(key)
        return None if session is None else session.grant

    def seal(self, refresh_token: Secret, key: str, now: float) -> Grant:
        """The grant of a session to which the provider just said yes."""
        sealed = self._sealer.seal(_PURPOSE, key, refresh_token.reveal().encode())
        return Grant(sealed, now)

    def open(self, grant: Grant, key: str) -> Secret | None:
        """The refresh token; `None` when the key that sealed it is gone."""
        opened = self._sealer.open(_PURPOSE, key, grant.sealed)
        return None if opened is None else Secret(opened.decode())

    def move(self, grant: Grant, key: str, to: str) -> Grant | None:
        """The same for another session: of the same person, in another account. An attempt that is
        under way will tell the old session how it ended, so the new one does not know."""
        token = self.open(grant, key)
        if token is None:
            return None
        unsure = grant.unsure or grant.attempt is not None
        moved = self.seal(token, to, grant.asked)
        return replace(moved, failing=grant.failing, unsure=unsure)
