"""What an account's owner is told of a new link: a notice on a page, and letters by post.

Both are written in the transaction that makes the link, so that there is none without. A notice is
for everybody who may sign in to the account but the identity that was linked, which knows. It waits
until one of them has said that they have read it. A letter waits until it was sent.

    due -> take_due (its time moves on, which only one process can do) -> sent | later | given up

A process that dies between the sending and `sent` has it sent once more, under the same message id.
"""

import secrets
from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account.database import Database, working
from gateway.account.model import Letter, Link, News, Notice
from gateway.account.tables import letters, notices
from gateway.identity.model import IdentityKey

# A notice that nobody has read in a year is no news.
_KEPT = 365 * 86400.0
_ID_BYTES = 16


async def announce(connection: AsyncConnection, link: Link, news: News) -> None:
    """Write the notice and the letters; part of somebody's transaction."""
    told = {
        "username": news.username,
        "provider": link.provider,
        "email": link.email,
        "address": news.address,
        "created": link.created,
    }
    key = {"issuer": link.identity.issuer, "subject": link.identity.subject}
    await connection.execute(delete(notices).where(notices.c.created < link.created - _KEPT))
    await connection.execute(
        insert(notices).values(id=_new_id(), account_id=link.account_id, **key, **told)
    )
    for recipient in news.recipients:
        await connection.execute(
            insert(letters).values(
                id=_new_id(), recipient=recipient, tries=0, due=link.created, **told
            )
        )


class Notices:
    """The notices and letters in the gateway's own database. Every method may raise
    `LinksUnavailable`. `now` is Unix seconds."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database

    async def unread(self, account_id: str, reader: IdentityKey) -> tuple[Notice, ...]:
        """What somebody who signs in to the account as `reader` has to be told, oldest first."""
        query = (
            select(notices)
            .where(notices.c.account_id == account_id, notices.c.heard.is_(None))
            .order_by(notices.c.created, notices.c.id)
        )
        async with working(self._database()) as connection:
            rows = (await connection.execute(query)).all()
        found = (_notice(row) for row in rows)
        return tuple(notice for notice in found if notice.identity != reader)

    async def read(self, account_id: str, notice_id: str, now: float) -> None:
        """An owner of the account has read it."""
        query = update(notices).where(
            notices.c.id == notice_id,
            notices.c.account_id == account_id,
            notices.c.heard.is_(None),
        )
        async with working(self._database()) as connection:
            await connection.execute(query.values(heard=now))
            await connection.commit()

    async def take_due(self, now: float, lease: float) -> Letter | None:
        """A letter whose time has come, to one process; to others after `lease` seconds only."""
        query = select(letters).where(letters.c.due <= now).order_by(letters.c.due).limit(1)
        async with working(self._database()) as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            taken = await connection.execute(
                update(letters)
                .where(letters.c.id == row.id, letters.c.due == row.due)
                .values(due=now + lease, tries=row.tries + 1)
            )
            await connection.commit()
        return _letter(row) if taken.rowcount == 1 else None

    async def later(self, letter: Letter, due: float) -> None:
        """It is tried again then."""
        async with working(self._database()) as connection:
            await connection.execute(
                update(letters).where(letters.c.id == letter.id).values(due=due)
            )
            await connection.commit()

    async def done(self, letter: Letter) -> None:
        """It was sent, or never will be."""
        async with working(self._database()) as connection:
            await connection.execute(delete(letters).where(letters.c.id == letter.id))
            await connection.commit()


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        row.id,
        row.account_id,
        row.username,
        IdentityKey(row.issuer, row.subject),
        row.provider,
        row.email,
        row.address,
        row.created,
    )


def _letter(row: Row[Any]) -> Letter:
    return Letter(
        row.id,
        row.recipient,
        row.username,
        row.provider,
        row.email,
        row.address,
        row.created,
        row.tries + 1,
    )
