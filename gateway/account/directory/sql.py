"""Sonar's accounts in Sonar's own database.

The database finds, Python decides: a collation may call two different texts equal, a column may
have cut a text off (CVE-2026-57580), so every row that comes back is compared again, exactly.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account.database import Database, asking, open_database, working
from gateway.account.directory import MOST_ACCOUNTS, Checked
from gateway.account.directory.columns import contact, means, read_active, read_addresses
from gateway.account.directory.schema import Schema, read_schema
from gateway.account.model import Account
from gateway.account.passwords import Passwords
from gateway.config import SqlDirectory
from gateway.email import Email
from gateway.errors import DirectoryUnavailable
from gateway.operate.outage import Part, Untold
from gateway.secret import Secret

_log = structlog.get_logger()

# What somebody typed or what a link remembers: longer is no username and no id of Sonar's.
_LONGEST_TEXT = 256


class SqlAccounts:
    """The directory of kind `sql`."""

    def __init__(
        self, config: SqlDirectory, passwords: Passwords, part: Part | None = None
    ) -> None:
        self._config = config
        self._passwords = passwords
        self._part = part or Untold("directory")
        self._active_values = frozenset(value.strip().lower() for value in config.active_values)
        self._database: Database | None = None
        self._schema: Schema | None = None

    async def open(self) -> None:
        self._database = open_database(
            self._config.url,
            "directory.url",
            use="read",
            timeout=self._config.timeout,
            unavailable=DirectoryUnavailable,
            part=self._part,
        )
        local = self._database.file is not None
        self._part.watched(self._try_out, one_at_a_time=local)

    async def close(self) -> None:
        self._part.stop()
        if self._database is not None:
            await self._database.engine.dispose()
            self._database = None

    async def check(self) -> Checked:
        async with working(self._open()) as connection:
            schema = await self._read_schema(connection)
            total = await connection.scalar(schema.count_accounts()) or 0
            hashes = (await connection.scalars(schema.select_hashes())).all()
        kinds = self._passwords.kinds(_text(value) for value in hashes)
        return Checked.of(total, self._config.accounts_table, kinds)

    async def by_email(self, email: Email) -> tuple[Account, ...]:
        async with working(self._open()) as connection:
            schema = await self._read_schema(connection)
            accounts = await self._accounts(connection, schema, schema.select_by_email(email))
        if len(accounts) > MOST_ACCOUNTS:
            _log.warning("address_on_too_many_accounts", shown=MOST_ACCOUNTS)
        return tuple(
            account
            for account in accounts[:MOST_ACCOUNTS]
            if any(address.email == email for address in account.addresses)
        )

    async def by_id(self, account_id: str) -> Account | None:
        if not _usable(account_id):
            return None
        async with working(self._open()) as connection:
            schema = await self._read_schema(connection)
            value = schema.read_id(account_id)
            if value is None:
                return None
            accounts = await self._accounts(connection, schema, schema.select_by_id(value))
        exact = [account for account in accounts if account.id == account_id]
        return exact[0] if len(exact) == 1 else None

    async def by_username(self, username: str) -> Account | None:
        found = await self._named(username)
        return found[0] if found else None

    async def verify(self, username: str, password: Secret) -> Account | None:
        found = await self._named(username)
        if found is None:
            await self._passwords.burn(password, username)
            return None
        account, stored_hash = found
        return account if await self._passwords.verify(password, stored_hash) else None

    async def _try_out(self) -> None:
        async with asking(self._open()) as connection:
            schema = await self._read_schema(connection)
            # No account has the empty name, and looking for it reads the table all the same.
            await connection.execute(schema.select_by_username(""))

    async def _named(self, username: str) -> tuple[Account, str] | None:
        """The account that `username` means, and its password hash."""
        if not _usable(username):
            return None
        async with working(self._open()) as connection:
            schema = await self._read_schema(connection)
            found = (await connection.execute(schema.select_by_username(username))).all()
            rows = [row for row in found if isinstance(row.username, str)]
            meant = means(username, (row.username for row in rows))
            same = [row for row in rows if row.username == meant]
            if len(same) != 1:
                return None
            accounts = await self._with_addresses(connection, schema, same)
        return accounts[0], _text(same[0].password_hash)

    async def _accounts(
        self, connection: AsyncConnection, schema: Schema, query: Select[Any]
    ) -> tuple[Account, ...]:
        rows = (await connection.execute(query)).all()
        return await self._with_addresses(connection, schema, rows)

    async def _with_addresses(
        self, connection: AsyncConnection, schema: Schema, rows: Sequence[Row[Any]]
    ) -> tuple[Account, ...]:
        """The rows as accounts, with every address of each."""
        owners = {schema.id_text(row.id): row for row in rows if row.id is not None}
        values = [schema.read_id(owner) for owner in owners]
        query = schema.select_addresses([value for value in values if value is not None])
        found = [] if query is None else (await connection.execute(query)).all()
        addresses: defaultdict[str, list[tuple[object, object]]] = defaultdict(list)
        for entry in found:
            addresses[schema.id_text(entry.owner)].append((entry.email, entry.purpose))
        return tuple(
            self._account(owner, row, addresses[owner])
            for owner, row in owners.items()
            if row.username is not None
        )

    def _account(
        self, account_id: str, row: Row[Any], addresses: list[tuple[object, object]]
    ) -> Account:
        username = str(row.username).rstrip(" ")
        without_column = self._config.accounts.active is None
        return Account(
            id=account_id,
            username=username,
            display_name=str(row.display_name or username).strip(),
            organisation=str(row.organisation or "").strip(),
            active=without_column or read_active(row.active, self._active_values),
            addresses=read_addresses([contact(row.email), *addresses]),
        )

    async def _read_schema(self, connection: AsyncConnection) -> Schema:
        """Looked up with the first question, not at start, when Sonar's database may be down."""
        if self._schema is None:
            schema = await connection.run_sync(read_schema, self._config)
            if not isinstance(schema, Schema):
                raise DirectoryUnavailable("; ".join(schema), refused=True)
            hashes = (await connection.scalars(schema.select_hashes())).all()
            self._passwords.expect(_text(value) for value in hashes)
            self._schema = schema
        return self._schema

    def _open(self) -> Database:
        if self._database is None:
            raise DirectoryUnavailable("not open")
        return self._database


def _text(value: object) -> str:
    """A password hash as text; drivers give `bytes` for binary columns."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.strip() if isinstance(value, str) else ""


def _usable(text: str) -> bool:
    """Whether a database can be asked for this: no driver takes NUL or a lone surrogate, and what
    it would raise must not look like a database that is down."""
    return (
        0 < len(text) <= _LONGEST_TEXT
        and "\0" not in text
        and not any("\ud800" <= letter <= "\udfff" for letter in text)
    )
