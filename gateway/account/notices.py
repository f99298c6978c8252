"""What an account's owner is told of a new link: a notice on a page, and letters by post.

Both are written in the transaction that makes the link, so that there is none without. A notice is
for everybody who may sign in to the account but the identity that was linked, which knows. It waits
for each of them until that one has said that they have read it: an accomplice reads it for nobody
but themselves. It stays when the link goes, and says so: taking it away hides nothing.

Whoever knows the password can make a link and take it away all day long. Of an identity there is
one notice, of its newest link; of letters no more than one a day for each identity, and a few for
each account.

A letter waits until it was sent.

    due -> take_due (its time moves on, which only one process can do) -> sent | later | given up

A process that dies between the sending and `sent` has it sent once more, under the same message id.
"""

import secrets
from typing import Any, NamedTuple

import structlog
from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account.model import Letter, Link, News, Notice, Reader
from gateway.account.own_database import OwnDatabase
from gateway.account.tables import letters, links, notices, readings
from gateway.identity.model import IdentityKey

_log = structlog.get_logger()

_DAY = 86400.0
# A notice that somebody has not read in a year is no news.
KEPT = 365 * _DAY
# Who links several of their own accounts on one morning hears of each; after so many identities of
# one account on one day its owner knows.
_MOST_POSTED = 5
# Of one account, on one page; the next ones come when these are read.
_MOST_SHOWN = 20
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
    same = and_(
        notices.c.account_id == link.account_id,
        notices.c.issuer == link.identity.issuer,
        notices.c.subject == link.identity.subject,
    )
    posted: float | None = await connection.scalar(select(func.max(notices.c.posted)).where(same))
    if news.recipients and not await _had_enough(connection, link, posted):
        posted = link.created
        for recipient in news.recipients:
            await connection.execute(
                insert(letters).values(
                    id=_new_id(), recipient=recipient, tries=0, due=link.created, **told
                )
            )
    await _forget(connection, or_(same, notices.c.created < link.created - KEPT))
    await connection.execute(
        insert(notices).values(
            id=_new_id(), account_id=link.account_id, posted=posted, **key, **told
        )
    )


async def _had_enough(connection: AsyncConnection, link: Link, posted: float | None) -> bool:
    """Whether the account's owner has got so many letters lately that this one is withheld."""
    since = link.created - _DAY
    why = "identity" if posted is not None and posted > since else None
    if why is None:
        count = select(func.count()).where(
            notices.c.account_id == link.account_id, notices.c.posted > since
        )
        why = "account" if (await connection.scalar(count) or 0) >= _MOST_POSTED else None
    if why is not None:
        _log.warning("letters_withheld", account=link.account_id, limit=why)
    return why is not None


async def _forget(connection: AsyncConnection, which: ColumnElement[bool]) -> None:
    gone = select(notices.c.id).where(which)
    await connection.execute(delete(readings).where(readings.c.notice_id.in_(gone)))
    await connection.execute(delete(notices).where(which))


class Mention(NamedTuple):
    """That there is a notice: when its link was made (Unix seconds), its id, and the username that
    the account had then. In this order they are sorted."""

    created: float
    id: str
    username: str


class Notices:
    """The notices and letters in the gateway's own database. Every method may raise
    `LinksUnavailable`. `now` is Unix seconds."""

    def __init__(self, database: OwnDatabase) -> None:
        self._database = database

    async def unread(
        self, account_id: str, reader: Reader, *, since: float = 0.0
    ) -> tuple[Notice, ...]:
        """What this reader has to be told of the account, oldest first; perhaps not all at once.
        `since`: of links made after that, Unix seconds."""
        stands = exists().where(
            links.c.account_id == notices.c.account_id,
            links.c.issuer == notices.c.issuer,
            links.c.subject == notices.c.subject,
        )
        has_read = exists().where(
            readings.c.notice_id == notices.c.id, readings.c.reader == reader.name
        )
        query = (
            select(notices, stands.label("standing"))
            .where(notices.c.account_id == account_id, notices.c.created > since, ~has_read)
            .order_by(notices.c.created, notices.c.id)
            .limit(_MOST_SHOWN)
        )
        if reader.identity is not None:
            key = reader.identity
            query = query.where(
                or_(notices.c.issuer != key.issuer, notices.c.subject != key.subject)
            )
        async with self._database.working() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(map(_notice, rows))

    async def read(self, notice: Notice, reader: Reader) -> None:
        """This reader has read it."""
        row = {"notice_id": notice.id, "reader": reader.name}
        async with self._database.working() as connection:
            await connection.execute(
                self._database.insert(readings).values(row).on_conflict_do_nothing()
            )
            await connection.commit()

    async def mentions(self, after: tuple[float, str], most: int) -> tuple[Mention, ...]:
        """Which accounts there are notices of: the first so many that come `after` a time and an
        id, in that order."""
        columns = (notices.c.created, notices.c.id)
        query = (
            select(*columns, notices.c.username)
            .where(tuple_(*columns) > tuple_(*after))
            .order_by(*columns)
            .limit(most)
        )
        async with self._database.working() as connection:
            rows = (await connection.execute(query)).all()
        return tuple(Mention(row.created, row.id, row.username) for row in rows)

    async def take_due(self, now: float, lease: float) -> Letter | None:
        """A letter whose time has come, to one process; to others after `lease` seconds only."""
        query = select(letters).where(letters.c.due <= now).order_by(letters.c.due).limit(1)
        async with self._database.working() as connection:
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
        async with self._database.working() as connection:
            await connection.execute(
                update(letters).where(letters.c.id == letter.id).values(due=due)
            )
            await connection.commit()

    async def done(self, letter: Letter) -> None:
        """It was sent, or never will be."""
        async with self._database.working() as connection:
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
        bool(row.standing),
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
