"""`sonar-gateway sessions list|revoke`: who is signed in, and no more.

Another process than the gateway does this, through the store that both use: every gateway hears of
an ending within a second, and closes what is open in it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.commands.auditing import auditing, operator
from gateway.commands.lines import shown
from gateway.config import Config
from gateway.email import Email
from gateway.operate.audit import Event, EventKind, session_event
from gateway.reasons import Reason
from gateway.session.model import Session, account_label
from gateway.session.store import SessionStore, Store
from gateway.session.store.choose import store_for
from gateway.tasks import few_at_a_time

# As many as Redis has connections; SQLite takes one after the other anyway.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which sessions: of this email, account id, username or public id; all that are given."""

    email: Email | None = None
    account: str | None = None
    username: str | None = None
    session: str | None = None

    def has(self, session: Session) -> bool:
        return (
            (self.email is None or session.identity.email == self.email)
            and (self.account is None or session.account.id == self.account)
            and (self.username is None or session.account.username == self.username)
            and (self.session is None or session.public_id == self.session)
        )


async def listed(config: Config, chosen: Chosen) -> tuple[Session, ...]:
    """Those signed in, newest first. Raises `SessionsUnavailable`."""
    async with opened(config) as store:
        return () if store is None else await _find(store, chosen)


async def revoked(config: Config, chosen: Chosen) -> tuple[Session, ...]:
    """End them; those that this ended. Raises `SessionsUnavailable`, and `AuditUnavailable` when
    they are ended but that is not recorded."""
    ended: list[Session] = []
    try:
        async with opened(config) as store:
            if store is not None:
                await end_all(store, await _find(store, chosen), ended)
    finally:
        # Also of those that were ended before the store broke.
        if ended:
            async with auditing(config) as audit:
                for session in ended:
                    audit.note(ending(session, Reason.REVOKED))
    return tuple(ended)


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Store | None]:
    """The store; `None` where nobody has signed in yet, and nothing is made."""
    if config.sessions.store == "embedded" and not config.sessions.path.exists():
        yield None
        return
    store = store_for(config.sessions)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def end_all(store: SessionStore, sessions: Sequence[Session], ended: list[Session]) -> None:
    """End them; those that were still there are put into `ended`, also when the store breaks."""

    async def end(session: Session) -> None:
        if await store.end(session.key):
            ended.append(session)

    await few_at_a_time(_AT_ONCE, end, sessions)


def ending(session: Session, reason: Reason) -> Event:
    """What the audit is told of one that an operator ended."""
    return session_event(EventKind.SESSION_ENDED, session, reason, by=operator())


async def _find(store: SessionStore, chosen: Chosen) -> tuple[Session, ...]:
    if chosen.account is not None:
        found = await store.labelled(account_label(chosen.account))
    else:
        found = await store.all()
    return tuple(session for session in found if chosen.has(session))


def as_text(sessions: Sequence[Session]) -> tuple[str, ...]:
    """What a person reads, in columns; times in UTC."""
    heads = ("session", "email", "provider", "account", "since", "seen", "until")
    rows = [heads, *(tuple(_facts(session).values()) for session in sessions)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return tuple(
        "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def as_json(sessions: Sequence[Session]) -> list[Mapping[str, object]]:
    """For a program: the same, and the account's id and username apart."""
    return [
        {
            **_facts(session),
            "email": None if session.identity.email is None else str(session.identity.email),
            "account": {"id": session.account.id, "username": session.account.username},
        }
        for session in sessions
    ]


def _facts(session: Session) -> dict[str, str]:
    return {
        "session": session.public_id,
        "email": "-" if session.identity.email is None else str(session.identity.email),
        "provider": session.identity.provider,
        "account": f"{shown(session.account.username)} ({shown(session.account.id)})",
        "since": _moment(session.started),
        "seen": _moment(session.seen),
        "until": _moment(session.ends()),
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
