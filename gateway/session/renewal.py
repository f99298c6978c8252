"""May who signed in go on? Asked of the provider, by refresh token, while a session lives.

A provider may rotate refresh tokens: each question brings a new one, and the old one used a second
time is taken for stolen, after which none of them is worth anything (RFC 9700 section 4.14.2). So:

1. One question at a time, anywhere. Who asks writes into the session's record, in one step, that an
   attempt is under way; another process finds it there and leaves the session alone. An attempt
   that was never finished is taken over after `_ATTEMPT`, when it cannot be under way any more.
2. The new token is stored before anything else is done with the answer, in the place of the old.
   What is written at the end of an attempt counts only while the attempt is still this one (a
   fencing token): whoever was stopped in between and taken over writes nothing.
3. After an attempt of which nobody knows how it ended (a process died, an answer was lost) the
   provider may have the next token and we not. If it then refuses ours, that says nothing of the
   person: the session goes on without being asked about again, and the log says so.

`invalid_grant` else ends the session. An outage does not, until it has lasted `outage_grace`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.errors import ProviderUnavailable
from gateway.identity.model import Identity, Refused
from gateway.reasons import Reason
from gateway.secret import Secret
from gateway.session.changes import Changes
from gateway.session.grant import Grants
from gateway.session.model import Grant, Session
from gateway.values import UNLIMITED

if TYPE_CHECKING:
    from gateway.identity.provider import Renewal

_log = structlog.get_logger()

# Longer than the question can take (gateway/identity/fetch.py, for discovery, tokens and keys).
_ATTEMPT = 60.0


class Provider(Protocol):
    """`gateway.identity.provider.ProviderClient` is one. `refresh_every` in seconds."""

    refresh_every: float

    async def refresh(self, refresh_token: Secret, now: float) -> "Renewal | Refused": ...


class Renewals:
    """`provider`: the one of that name; `grace`: `sessions.outage_grace`; `clock`: Unix seconds."""

    def __init__(
        self,
        changes: Changes,
        grants: Grants,
        provider: Callable[[str], Provider | None],
        grace: float,
        clock: Callable[[], float],
    ) -> None:
        self._changes = changes
        self._grants = grants
        self._provider = provider
        self._grace = grace
        self._clock = clock

    async def ask(self, session: Session) -> Reason | None:
        """Why this session must end, by what its provider says now, or `None`: it may go on, or it
        is not time to ask. Raises `SessionsUnavailable`."""
        provider = self._provider(session.identity.provider)
        if provider is None or provider.refresh_every >= UNLIMITED:
            return None
        attempt = _Attempt(session.key, self._clock(), provider.refresh_every)
        if not await attempt.begin(self._grants, self._changes):
            return None
        token = self._grants.open(attempt.grant, session.key)
        if token is None:
            return await self._lost(attempt, session, "the key that sealed it is gone")
        try:
            renewal = await provider.refresh(token, attempt.at)
        except ProviderUnavailable as error:
            return await self._put_off(attempt, attempt.grant, error.may_have_been_done, str(error))
        if isinstance(renewal, Refused):
            if attempt.grant.unsure:
                return await self._lost(attempt, session, "how the attempt before ended")
            return renewal.reason if await attempt.is_mine(self._changes) else None
        return await self._renewed(attempt, session, renewal)

    async def _renewed(
        self, attempt: "_Attempt", session: Session, renewal: "Renewal"
    ) -> Reason | None:
        grant, found = attempt.grant, renewal.identity
        if renewal.refresh_token is not None:
            grant = self._grants.seal(renewal.refresh_token, session.key, grant.asked)
        if isinstance(found, Refused):
            kept = replace(grant, unsure=False, failing=attempt.grant.failing)
            return await self._put_off(attempt, kept, False, found.detail)
        grant = replace(grant, asked=attempt.at, attempt=None, failing=None, unsure=False)
        if found is not None and found.key != session.identity.key:
            await attempt.end(self._changes, grant)
            return Reason.TOKEN_SUBJECT
        await attempt.end(self._changes, grant, found)
        return None

    async def _put_off(
        self, attempt: "_Attempt", grant: Grant, unsure: bool, why: str
    ) -> Reason | None:
        """The provider said nothing of the person. For a while that changes nothing."""
        since = attempt.at if grant.failing is None else grant.failing
        left = replace(grant, attempt=None, failing=since, unsure=grant.unsure or unsure)
        if not await attempt.end(self._changes, left):
            return None
        overdue = attempt.at - since > self._grace
        _log.warning("refresh_put_off", reason=Reason.PROVIDER_UNAVAILABLE, error=why)
        return Reason.PROVIDER_UNAVAILABLE if overdue else None

    async def _lost(self, attempt: "_Attempt", session: Session, unknown: str) -> Reason | None:
        """The session goes on without being asked about."""
        if await attempt.end(self._changes, None):
            _log.warning(
                "refresh_token_lost",
                provider=session.identity.provider,
                session=session.public_id,
                unknown=unknown,
            )
        return None


class _Attempt:
    """One question: begun, and ended, in the session's record. `grant` is the one that is asked
    with, `unsure` when nobody knows how the attempt before it ended."""

    def __init__(self, key: str, at: float, every: float) -> None:
        self.at = at
        self.grant = Grant("", 0.0)
        self._key = key
        self._every = every

    async def begin(self, grants: Grants, changes: Changes) -> bool:
        """Whether it is time to ask, and nobody else does."""
        if not self._is_due(await grants.stored(self._key)):
            return False
        begun = False

        def begin(session: Session) -> Session | None:
            nonlocal begun
            grant = session.grant
            begun = grant is not None and self._is_due(grant)
            if grant is None or not begun:
                return None
            unsure = grant.unsure or grant.attempt is not None
            self.grant = replace(grant, attempt=self.at, unsure=unsure)
            return replace(session, grant=self.grant)

        await changes.make(self._key, begin)
        return begun

    async def end(
        self, changes: Changes, grant: Grant | None, identity: Identity | None = None
    ) -> bool:
        """Write how it ended, and who the provider says it is now; whether it was still ours."""
        mine = False

        def end(session: Session) -> Session | None:
            nonlocal mine
            mine = self._holds(session)
            if not mine:
                return None
            known = session.identity
            if identity is not None:
                # Nobody proved anything; and by what the provider called its own session then the
                # store finds ours, whatever an answer calls it now.
                known = replace(identity, auth_time=known.auth_time, sid=known.sid)
            return replace(session, grant=grant, identity=known)

        await changes.make(self._key, end)
        return mine

    async def is_mine(self, changes: Changes) -> bool:
        """Whether nobody has taken it over meanwhile."""
        mine = False

        def look(session: Session) -> None:
            nonlocal mine
            mine = self._holds(session)

        await changes.make(self._key, look)
        return mine

    def _is_due(self, grant: Grant | None) -> bool:
        if grant is None:
            return False
        if grant.attempt is not None:
            return self.at - grant.attempt >= _ATTEMPT
        return grant.failing is not None or self.at - grant.asked >= self._every

    def _holds(self, session: Session) -> bool:
        return session.grant is not None and session.grant.attempt == self.at
