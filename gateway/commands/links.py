"""`sonar-gateway links list|remove`: which identities open which Sonar accounts, by proof."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from gateway.account.links import LinkStore
from gateway.account.model import Link
from gateway.commands.auditing import auditing, operator
from gateway.commands.lines import shown
from gateway.commands.sessions import end_all, ending, opened
from gateway.config import Config
from gateway.email import Email
from gateway.operate.audit import Event, EventKind
from gateway.reasons import Reason
from gateway.session.model import Session, link_label


async def listed(config: Config, email: Email | None, account: str | None) -> tuple[Link, ...]:
    """Oldest first. Raises `LinksUnavailable`, `SchemaOutdated`."""
    async with _open(config) as links:
        return await links.find(email, account)


async def removed(config: Config, email: Email, account: str, now: float) -> tuple[Link, ...]:
    """Take away every link of who linked the account under this address, and the match by email
    with it, as the person would in their settings; what was removed. Their sessions in the account
    end. `now`: Unix seconds. Raises `SessionsUnavailable`, too, when only that is still to do."""
    async with _open(config) as links:
        found = await links.find(email, account)
        for link in found:
            await links.remove(link.identity, account, now)
    events = [
        Event(
            EventKind.LINK_REMOVED,
            identity=link.identity,
            account=account,
            provider=link.provider,
            email=link.email,
            domain=email.domain,
            detail={"by": operator()},
        )
        for link in found
    ]
    ended: list[Session] = []
    try:
        await _end_sessions(config, found, ended)
    finally:
        events += [ending(session, Reason.LINK_REMOVED) for session in ended]
        async with auditing(config) as audit:
            for event in events:
                audit.note(event)
    return found


async def _end_sessions(config: Config, links: Sequence[Link], ended: list[Session]) -> None:
    """Those that were there are put into `ended`."""
    async with opened(config) as store:
        if store is None:
            return
        for link in links:
            sessions = await store.labelled(link_label(link.identity, link.account_id))
            await end_all(store, sessions, ended)


@asynccontextmanager
async def _open(config: Config) -> AsyncIterator[LinkStore]:
    links = LinkStore(config.links.database)
    await links.open()
    try:
        yield links
    finally:
        await links.close()


def as_text(links: Sequence[Link]) -> tuple[str, ...]:
    return tuple(
        f"{shown(link.account_id)}  {link.provider}  {link.email or '-'}"
        f"  linked {_moment(link.created)}"
        f"  {'not used yet' if link.last_used is None else f'used {_moment(link.last_used)}'}"
        f"  {shown(link.identity.subject)}"
        for link in links
    )


def as_json(links: Sequence[Link]) -> list[Mapping[str, object]]:
    return [
        {
            "account": link.account_id,
            "provider": link.provider,
            "issuer": link.identity.issuer,
            "subject": link.identity.subject,
            "email": link.email or None,
            "linked": _moment(link.created),
            "last_used": None if link.last_used is None else _moment(link.last_used),
        }
        for link in links
    ]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
