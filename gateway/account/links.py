"""What the gateway itself remembers: links, removals, preferences, pins. SQLite or PostgreSQL.

Every question and every change is keyed on the exact pair (issuer, subject). Two tabs, two
processes at once: the primary keys decide, each change is one transaction, and nothing is read
first to be written after.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account.database import asking
from gateway.account.model import Link, News
from gateway.account.notices import Notices, announce
from gateway.account.own_database import OwnDatabase
from gateway.account.tables import links, pins, preferences, removals
from gateway.email import Email
from gateway.errors import LinksUnavailable
from gateway.identity.model import IdentityKey
from gateway.operate.outage import Part, Untold
from gateway.secret import Secret


class LinkStore:
    """The gateway's own database. Every method may raise `LinksUnavailable`. `notices`: what the
    owners of accounts are told of new links; `part`: who is told whether it works."""

    def __init__(self, url: Secret, part: Part | None = None) -> None:
        self._part = part or Untold("links")
        self._database = OwnDatabase(url, self._part)
        self.notices = Notices(self._database)

    async def open(self) -> None:
        """Connect; raises `SchemaOutdated` with the command to run unless the schema fits."""
        await self._database.open()
        local = self._database.there().file is not None
        self._part.watched(self._try_reading, self._try_writing, one_at_a_time=local)

    async def close(self) -> None:
        self._part.stop()
        await self._database.close()

    async def links_of(self, key: IdentityKey) -> tuple[Link, ...]:
        """This identity's links, oldest first."""
        query = select(links).where(_of(links, key)).order_by(links.c.created, links.c.account_id)
        async with self._database.working() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(_link(row) for row in rows)

    async def removed_of(self, key: IdentityKey) -> Mapping[str, float]:
        """Accounts this person switched off for this identity, and when (Unix seconds)."""
        query = select(removals.c.account_id, removals.c.removed).where(_of(removals, key))
        async with self._database.working() as connection:
            rows = (await connection.execute(query)).all()
        return MappingProxyType({row.account_id: row.removed for row in rows})

    async def preference_of(self, key: IdentityKey) -> str | None:
        """The account id chosen last time."""
        query = select(preferences.c.account_id).where(_of(preferences, key))
        async with self._database.working() as connection:
            found: str | None = await connection.scalar(query)
        return found

    async def pinned(self, provider: str, email: Email) -> IdentityKey | None:
        """The first identity seen with this email at this provider."""
        async with self._database.working() as connection:
            return await _pinned(connection, provider, email)

    async def pin(self, provider: str, email: Email, key: IdentityKey) -> IdentityKey:
        """Pin the email to this identity unless it has one; the identity it is pinned to."""
        row = {
            "provider": provider,
            "email": str(email),
            "issuer": key.issuer,
            "subject": key.subject,
        }
        async with self._database.working() as connection:
            await connection.execute(
                self._database.insert(pins).values(row).on_conflict_do_nothing()
            )
            await connection.commit()
            first = await _pinned(connection, provider, email)
        # Nothing deletes pins, so one that cannot be read back is somebody else's doing.
        if first is None:
            raise LinksUnavailable("a pin was written and is not there")
        return first

    async def known(self, provider: str, email: Email) -> tuple[IdentityKey, ...]:
        """Who came from this provider with this email before: the pinned identity first, then
        those that linked an account under it, in the order of their first link. For an operator's
        question; it decides nothing."""
        first = func.min(links.c.created)
        query = (
            select(links.c.issuer, links.c.subject)
            .where(links.c.provider == provider, links.c.email == str(email))
            .group_by(links.c.issuer, links.c.subject)
            .order_by(first, links.c.issuer, links.c.subject)
        )
        async with self._database.working() as connection:
            pinned = await _pinned(connection, provider, email)
            rows = (await connection.execute(query)).all()
        linked = (IdentityKey(row.issuer, row.subject) for row in rows)
        return tuple(dict.fromkeys((*((pinned,) if pinned else ()), *linked)))

    async def find(self, email: Email | None, account_id: str | None) -> tuple[Link, ...]:
        """Links made under this address, to this account; all that are given. Oldest first. For
        an operator's eyes: it decides nothing."""
        query = select(links).order_by(links.c.created, links.c.issuer, links.c.subject)
        if email is not None:
            query = query.where(links.c.email == str(email))
        if account_id is not None:
            query = query.where(links.c.account_id == account_id)
        async with self._database.working() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(_link(row) for row in rows)

    async def add(self, link: Link, news: News | None = None) -> None:
        """Keep a link that was just proved, and switch the account on again if it was off.

        A link that is there already stays as old as it is; proved under another address, it is from
        then on one that was proved under that. Of one that is new, or new under its address, the
        account's owner hears: `news` says what they are told.
        """
        row = {
            **_key(link.identity),
            "account_id": link.account_id,
            "provider": link.provider,
            "email": link.email,
            "created": link.created,
            "last_used": link.last_used,
        }
        async with self._database.working() as connection:
            await connection.execute(
                delete(removals).where(_of(removals, link.identity, link.account_id))
            )
            made = await connection.execute(
                self._database.insert(links).values(row).on_conflict_do_nothing()
            )
            if made.rowcount == 0:
                renamed = _of(links, link.identity, link.account_id) & (links.c.email != link.email)
                made = await connection.execute(
                    update(links).where(renamed).values(email=link.email)
                )
            if made.rowcount == 1 and news is not None:
                await announce(connection, link, news)
            await connection.commit()

    async def remove(self, key: IdentityKey, account_id: str, now: float) -> None:
        """Switch the account off for this identity: no link any more, and no match either."""
        row = {**_key(key), "account_id": account_id, "removed": now}
        async with self._database.working() as connection:
            await connection.execute(
                self._database.insert(removals)
                .values(row)
                .on_conflict_do_update(
                    index_elements=list(removals.primary_key), set_={"removed": now}
                )
            )
            await connection.execute(delete(links).where(_of(links, key, account_id)))
            await connection.execute(delete(preferences).where(_of(preferences, key, account_id)))
            await connection.commit()

    async def prefer(self, key: IdentityKey, account_id: str) -> None:
        """Remember the choice for next time."""
        row = {**_key(key), "account_id": account_id}
        async with self._database.working() as connection:
            await connection.execute(
                self._database.insert(preferences)
                .values(row)
                .on_conflict_do_update(
                    index_elements=list(preferences.primary_key), set_={"account_id": account_id}
                )
            )
            await connection.commit()

    async def used(self, key: IdentityKey, account_id: str, now: float) -> None:
        """Note a sign-in by this link, if there is one; never moved back."""
        later = links.c.last_used.is_(None) | (links.c.last_used < now)
        async with self._database.working() as connection:
            await connection.execute(
                update(links).where(_of(links, key, account_id), later).values(last_used=now)
            )
            await connection.commit()

    async def _try_reading(self) -> None:
        async with asking(self._database.there()) as connection:
            await connection.execute(select(links.c.issuer).limit(1))

    async def _try_writing(self) -> None:
        """Really write, to the one row that says the same afterwards: a full disk refuses only
        what needs room on it."""
        async with asking(self._database.there()) as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            await connection.execute(
                update(links).where(links.c.issuer == "").values(last_used=links.c.last_used)
            )
            await connection.commit()


def _link(row: Any) -> Link:
    key = IdentityKey(row.issuer, row.subject)
    return Link(key, row.account_id, row.provider, row.email, row.created, row.last_used)


def _key(key: IdentityKey) -> dict[str, str]:
    return {"issuer": key.issuer, "subject": key.subject}


def _of(table: Table, key: IdentityKey, account_id: str | None = None) -> ColumnElement[bool]:
    """The rows of exactly this identity, and of one account when one is named."""
    same = and_(table.c.issuer == key.issuer, table.c.subject == key.subject)
    return same if account_id is None else and_(same, table.c.account_id == account_id)


async def _pinned(connection: AsyncConnection, provider: str, email: Email) -> IdentityKey | None:
    query = select(pins.c.issuer, pins.c.subject).where(
        pins.c.provider == provider, pins.c.email == str(email)
    )
    row: Any = (await connection.execute(query)).one_or_none()
    return None if row is None else IdentityKey(row.issuer, row.subject)
