"""What a change of the policies does to who is signed in, and the records of both.

Every process reads the policies and acts on them; the first to say so records it. Of two processes
on one machine the files' times are the same, so that one change has one record; the same change
made again a moment later has its own.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.errors import SessionsUnavailable
from gateway.operate.audit import Audit, Event, EventKind, session_event
from gateway.policy.changes import changes, digest
from gateway.policy.model import Policies
from gateway.reasons import Reason
from gateway.session.live import Sessions
from gateway.session.model import Session
from gateway.session.store import NamedStore

_log = structlog.get_logger()

# Longer than the slowest process takes to see a change.
_ONE_CHANGE = 60.0


class PolicyRecords:
    """`folder`: where the policies are."""

    def __init__(self, folder: Path, sessions: Sessions, named: NamedStore, audit: Audit) -> None:
        self._folder = folder
        self._sessions = sessions
        self._named = named
        self._audit = audit

    async def loaded(self, policies: Policies) -> None:
        """These are in force from the start on: a change while nobody looked shows by the digest
        being another than the last one recorded."""
        event = Event(
            EventKind.POLICIES_LOADED,
            detail={"domains": len(policies.by_domain), "digest": digest(policies)},
        )
        await self._say((event,))

    async def end_disallowed(self, old: Policies, new: Policies) -> int:
        """Record what changed, and end every session that `new` does not allow, with a record of
        each; how many. While the store does not answer they are refused here, and end, and are
        recorded, when it does."""
        after = digest(new)
        await self._say(
            tuple(
                Event(
                    EventKind.POLICY_CHANGED,
                    domain=change.domain,
                    detail={"what": change.what, "digest": after},
                )
                for change in changes(old, new)
            )
        )
        try:
            ended = await self._sessions.sweep(new, lambda session: self._note(session, new))
        except SessionsUnavailable as error:
            _log.warning("policy_endings_pending", reason=error.reason, error=str(error))
            return 0
        return len(ended)

    def _note(self, session: Session, policies: Policies) -> None:
        email = session.identity.email
        reason = email and policies.refusal(email, session.identity.provider)
        # None of the policies' reasons: it had lasted too long by the new times.
        why = reason or Reason.SESSION_EXPIRED
        self._audit.note(session_event(EventKind.SESSION_ENDED, session, why, by="policy"))

    async def _say(self, events: tuple[Event, ...]) -> None:
        if not events:
            return
        told = [(event.kind, event.domain, dict(event.detail)) for event in events]
        name = hashlib.sha256(json.dumps([told, self._times()]).encode()).hexdigest()
        # Twice is better than never.
        first = True
        with suppress(SessionsUnavailable):
            first = await self._named.first(f"audit:{name}", _ONE_CHANGE)
        for event in events if first else ():
            self._audit.note(event)

    def _times(self) -> list[tuple[str, int]]:
        """When each file was changed, and the folder itself, in nanoseconds."""
        with suppress(OSError):
            files = (path for path in self._folder.iterdir() if not path.name.startswith("."))
            return sorted((path.name, path.stat().st_mtime_ns) for path in (self._folder, *files))
        return []
