"""The audit's records in the gateway's own database: one chain, whoever adds to it.

Several processes append at once. Each append is one transaction that first takes a lock which only
appends and trims take (SQLite: the file's one writer; PostgreSQL: an advisory lock), so that every
record follows exactly one other, and readers and sign-ins wait for none of it.

Before it adds, an append looks whether the chain still ends as it should. Where it does not,
somebody was at the table: that is kept in the chain itself, under a MAC like every record, so that
mending the end afterwards hides nothing.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any

import structlog
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account.database import Database, open_database, working
from gateway.account.tables import audit, audit_head
from gateway.errors import LinksUnavailable
from gateway.operate.audit.chain import NOTHING, Chain, Entry, Head, Record
from gateway.operate.audit.event import EventKind
from gateway.secret import Secret

_log = structlog.get_logger()

# An append takes milliseconds; what takes longer is tried again.
_TIMEOUT = 5.0

# The key of PostgreSQL's advisory lock, any number that nobody else uses: "SNRA" in ASCII.
_LOCK = 0x534E5241

# How many records one trim takes away: the lock is held for some milliseconds.
_TRIMMED_AT_ONCE = 2000

_FIELDS = tuple(field.name for field in fields(Record))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records: those that have every value named here; `since` in Unix seconds."""

    event: str | None = None
    reason: str | None = None
    email: str | None = None
    account: str | None = None
    domain: str | None = None
    since: float | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An append of which nobody knows whether it was committed."""

    records: tuple[Record, ...]
    last: Entry


class Trail:
    """Every method may raise `LinksUnavailable`. Appends and trims: one at a time."""

    def __init__(self, url: Secret, chain: Chain, *, timeout: float = _TIMEOUT) -> None:
        self._database = open_database(
            url, "links.database", use="write", timeout=timeout, unavailable=LinksUnavailable
        )
        self._chain = chain
        self._seen: Head | None = None
        self._attempt: _Attempt | None = None

    async def close(self) -> None:
        await self._database.engine.dispose()

    async def append(self, records: Sequence[Record]) -> Head:
        """Keep these after all others, in their order; the new head. After a failure, call it
        with those records again, or fewer: what was kept after all is not kept twice."""
        async with _alone(self._database) as connection:
            head = await _head(connection)
            records = await self._not_there_yet(connection, records)
            number, previous, wrong = await self._end(connection, head)
            if wrong is not None:
                _log.error("audit_broken", why=wrong, number=number)
                records = [_broken(wrong, records), *records]
            if not records and head is not None:
                self._attempt, self._seen = None, head
                return head
            entries = self._chain.follow(number, previous, records)
            last = entries[-1]
            self._attempt = _Attempt(tuple(records), last)
            await connection.execute(insert(audit), [_row(entry) for entry in entries])
            trimmed = (head.trimmed, head.trimmed_hash) if head is not None else (0, NOTHING)
            head = self._chain.head(last.number, last.hash, *trimmed)
            await _set_head(connection, head)
            await connection.commit()
        self._attempt, self._seen = None, head
        return head

    async def trim(self, before: float) -> int:
        """Take away records older than `before` (Unix seconds), a few at a time; how many. Only
        from the beginning on, so that what stays is one chain, and the head says from where.

        Where a newer key is in use, the head is made anew with it: on a quiet gateway nothing else
        would do that before the old key is taken away."""
        async with _alone(self._database) as connection:
            head = await _head(connection)
            if head is None or not self._chain.is_ours(head):
                return 0
            query = (
                select(audit.c.number, audit.c.time, audit.c.hash)
                .where(audit.c.number > head.trimmed)
                .order_by(audit.c.number)
                .limit(_TRIMMED_AT_ONCE)
            )
            old = 0
            trimmed, trimmed_hash = head.trimmed, head.trimmed_hash
            for row in (await connection.execute(query)).all():
                if row.time >= before or row.number != trimmed + 1:
                    break
                trimmed, trimmed_hash, old = row.number, row.hash, old + 1
            fresh = self._chain.head(head.number, head.hash, trimmed, trimmed_hash)
            if old or fresh.key_id != head.key_id:
                await _set_head(connection, fresh)
                await connection.execute(delete(audit).where(audit.c.number <= trimmed))
                await connection.commit()
        return old

    async def head(self) -> tuple[Head | None, int]:
        """The head, and the number of the last record that is there, 0 for none."""
        async with working(self._database) as connection:
            # In this order: what is appended in between is in the head, too.
            last = await _last(connection)
            return await _head(connection), last

    async def entries(self, after: int, most: int) -> tuple[Entry, ...]:
        """The next records after this number."""
        query = select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(most)
        async with working(self._database) as connection:
            return tuple(_entry(row) for row in (await connection.execute(query)).mappings())

    async def find(self, wanted: Wanted, before: int | None, most: int) -> tuple[Entry, ...]:
        """The newest of the wanted records, of those before this number, newest first."""
        query = select(audit).order_by(audit.c.number.desc()).limit(most)
        for name, value in asdict(wanted).items():
            if value is not None:
                is_it = audit.c.time >= value if name == "since" else audit.c[name] == value
                query = query.where(is_it)
        if before is not None:
            query = query.where(audit.c.number < before)
        async with working(self._database) as connection:
            return tuple(_entry(row) for row in (await connection.execute(query)).mappings())

    async def _not_there_yet(
        self, connection: AsyncConnection, records: Sequence[Record]
    ) -> list[Record]:
        attempt = self._attempt
        if attempt is None:
            return list(records)
        query = select(audit.c.hash).where(audit.c.number == attempt.last.number)
        if await connection.scalar(query) != attempt.last.hash:
            return list(records)
        there = {id(record) for record in attempt.records}
        return [record for record in records if id(record) not in there]

    async def _end(
        self, connection: AsyncConnection, head: Head | None
    ) -> tuple[int, str, str | None]:
        """The number and the hash to go on from, and what is wrong there, if anything is."""
        last = await _last(connection)
        seen = self._seen
        if head is None:
            if not last and seen is None:
                return 0, NOTHING, None
            query = select(audit.c.hash).where(audit.c.number == last)
            found: str = await connection.scalar(query) or NOTHING
            return last, found, "the head of the chain is gone"
        wrong = None
        if not self._chain.is_ours(head):
            wrong = "the head of the chain was not made with a key that is here"
        elif max(last, head.trimmed) < head.number:
            wrong = f"records were removed: {head.number} were written, {last} is the last"
        elif last > head.number:
            wrong = f"records were put in after {head.number}, the last that was written"
        elif seen is not None and head.number < seen.number:
            wrong = f"an older state was put back: {seen.number} were written"
        elif seen is not None and head.number == seen.number and head.hash != seen.hash:
            wrong = f"record {seen.number} is another one than was written"
        return max(last, head.number), head.hash, wrong


def _broken(wrong: str, records: Sequence[Record]) -> Record:
    detail = json.dumps({"why": wrong})
    return Record(records[0].time if records else 0.0, EventKind.AUDIT_BROKEN, detail=detail)


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction that no other append or trim runs beside."""
    async with working(database) as connection:
        if database.file is None:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        else:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


async def _head(connection: AsyncConnection) -> Head | None:
    row = (await connection.execute(select(audit_head))).mappings().one_or_none()
    return None if row is None else Head(**{k: v for k, v in row.items() if k != "id"})


async def _set_head(connection: AsyncConnection, head: Head) -> None:
    values = asdict(head)
    changed = await connection.execute(update(audit_head).values(values))
    if changed.rowcount == 0:
        await connection.execute(insert(audit_head).values(id=1, **values))


async def _last(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.max(audit.c.number))) or 0


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        **asdict(entry.record),
        "hash": entry.hash,
        "key_id": entry.key_id,
        "mac": entry.mac,
    }


def _entry(row: Any) -> Entry:
    record = Record(**{name: row[name] for name in _FIELDS})
    return Entry(row["number"], record, row["hash"], row["key_id"], row["mac"])
