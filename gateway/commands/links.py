"""`sonar-gateway links list|remove`: which identities open which Sonar accounts, by proof."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.account.directory import open_directory
from gateway.account.links import LinkStore
from gateway.account.model import Link
from gateway.account.passwords import Passwords
from gateway.commands.auditing import auditing, operator
from gateway.commands.lines import shown
from gateway.commands.sessions import end_all, ending, opened
from gateway.config import Config
from gateway.email import Email
from gateway.errors import DirectoryUnavailable
from gateway.identity.model import IdentityKey
from gateway.operate.audit import Event, EventKind
from gateway.reasons import Reason
from gateway.session.model import Session, link_label


@dataclass(frozen=True, slots=True)
class Removal:
    """What was taken away: the links, and for whom, without one, the account was found by its
    address. `address`: whether the email is one of the account's addresses in Sonar, so that who is
    seen with it for the first time gets in; `None` when Sonar's accounts could not be asked."""

    linked: tuple[Link, ...]
    matched: tuple[IdentityKey, ...]
    address: bool | None


async def listed(config: Config, email: Email | None, account: str | None) -> tuple[Link, ...]:
    """Oldest first. Raises `LinksUnavailable`, `SchemaOutdated`."""
    async with _open(config) as links:
        return await links.find(email, account)


async def removed(config: Config, email: Email, account: str, now: float) -> Removal:
    """Take the account away from everybody seen with this address: from who linked it, and, where
    it is one of the account's addresses, from who got in by that. As the person would in their
    settings. Their sessions in the account end. `now`: Unix seconds. Raises `SessionsUnavailable`,
    too, when only that is still to do."""
    address = await _has_address(config, email, account)
    async with _open(config) as links:
        found = await links.find(email, account)
        who = {link.identity: link.provider for link in found}
        for provider in config.providers if address else ():
            for key in await links.known(provider, email):
                if account not in await links.removed_of(key):
                    who.setdefault(key, provider)
        for key in who:
            await links.remove(key, account, now)
    events = [
        Event(
            EventKind.LINK_REMOVED,
            identity=key,
            account=account,
            provider=provider,
            email=str(email),
            domain=email.domain,
            detail={"by": operator()},
        )
        for key, provider in who.items()
    ]
    ended: list[Session] = []
    try:
        await _end_sessions(config, account, tuple(who), ended)
    finally:
        events += [ending(session, Reason.LINK_REMOVED) for session in ended]
        async with auditing(config) as audit:
            for event in events:
                audit.note(event)
    linked = {link.identity for link in found}
    return Removal(found, tuple(key for key in who if key not in linked), address)


async def _has_address(config: Config, email: Email, account: str) -> bool | None:
    """What Sonar says, if it can be asked: taking away must not wait for it."""
    async with AsyncExitStack() as closing:
        passwords = Passwords(config.passwords.concurrent)
        closing.callback(passwords.close)
        directory = open_directory(config.directory, passwords)
        try:
            await directory.open()
            closing.push_async_callback(directory.close)
            found = await directory.by_id(account)
        except DirectoryUnavailable:
            return None
    return found is not None and any(each.email == email for each in found.addresses)


async def _end_sessions(
    config: Config, account: str, who: Sequence[IdentityKey], ended: list[Session]
) -> None:
    """Those that were there are put into `ended`."""
    async with opened(config) as store:
        if store is None:
            return
        for key in who:
            await end_all(store, await store.labelled(link_label(key, account)), ended)


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


def removal_as_text(removal: Removal, email: Email, account: str) -> tuple[str, ...]:
    """What was done, and what an operator would ask next: why they can still sign in."""
    linked, matched = len(removal.linked), len(removal.matched)
    lines = [f"{linked} removed" if linked else f"nothing was linked under {email} to {account}"]
    if matched:
        lines.append(f"{matched} who had it by the address alone: not any more")
    if linked or matched:
        lines.append("the Sonar password, proved once, opens it to them again")
    if removal.address:
        lines.append(
            f"{email} is still an address of the account in Sonar: whoever is seen with it for the "
            "first time gets in by that. Take it off there, or: sonar-gateway users block"
        )
    elif removal.address is None:
        lines.append(
            f"Sonar's accounts could not be asked whether {email} is an address of this one, which "
            "opens it without a link. Run this again when they can"
        )
    return tuple(lines)


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
