"""Sonar's accounts table, in SQLite: the same table that the gateway's directory reads."""

import asyncio
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiosqlite

from demo.sonar.passwords import hash_password, scheme_of, verify_password
from demo.sonar.seed import ACCOUNTS, SEED_VERSION

_SCHEMA = """
    DROP TABLE IF EXISTS addresses;
    DROP TABLE IF EXISTS recordings;
    DROP TABLE IF EXISTS accounts;
    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY,
        username TEXT NOT NULL UNIQUE COLLATE NOCASE,
        display_name TEXT NOT NULL,
        organisation TEXT NOT NULL,
        active INTEGER NOT NULL,
        password_hash TEXT NOT NULL
    );
    CREATE TABLE addresses (
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        email TEXT NOT NULL COLLATE NOCASE,
        purpose TEXT NOT NULL,
        PRIMARY KEY (account_id, email, purpose)
    );
    CREATE INDEX addresses_email ON addresses (email);
    CREATE TABLE recordings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        title TEXT NOT NULL,
        received REAL NOT NULL,
        file TEXT NOT NULL
    );
    CREATE INDEX recordings_account ON recordings (account_id);
"""


@dataclass(frozen=True, slots=True)
class SonarAccount:
    """An account that may use Sonar now. `addresses` are (email, purpose) pairs."""

    id: int
    username: str
    display_name: str
    organisation: str
    addresses: tuple[tuple[str, str], ...]


class Accounts:
    """Reads and verifies accounts; inactive ones are as good as absent."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self.database = database

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the database at `path`; make it on the first start, or when the seed changed."""
        await asyncio.to_thread(make_database, path)
        return cls(await aiosqlite.connect(path))

    async def close(self) -> None:
        await self.database.close()

    async def by_id(self, account_id: int) -> SonarAccount | None:
        query = (
            "SELECT id, username, display_name, organisation FROM accounts WHERE id = ? AND active"
        )
        row = await self._first(query, (account_id,))
        if row is None:
            return None
        query = "SELECT email, purpose FROM addresses WHERE account_id = ? ORDER BY purpose, email"
        addresses = await self.database.execute_fetchall(query, (account_id,))
        pairs = tuple((str(email), str(purpose)) for email, purpose in addresses)
        return SonarAccount(int(row[0]), str(row[1]), str(row[2]), str(row[3]), pairs)

    async def sign_in(self, username: str, password: str) -> SonarAccount | None:
        """The account, when it is active and the password is its own."""
        query = "SELECT id, password_hash FROM accounts WHERE username = ? AND active"
        row = await self._first(query, (username.strip(),))
        if row is None or not await verify_password(password, str(row[1])):
            return None
        return await self.by_id(int(row[0]))

    async def change_password(self, account: SonarAccount, old: str, new: str) -> bool:
        """Set the password to `new`, in the scheme it had; False when `old` is wrong."""
        query = "SELECT password_hash FROM accounts WHERE id = ?"
        row = await self._first(query, (account.id,))
        if row is None or not await verify_password(old, str(row[0])):
            return False
        hashed = await asyncio.to_thread(hash_password, new, scheme_of(str(row[0])))
        statement = "UPDATE accounts SET password_hash = ? WHERE id = ?"
        await self.database.execute(statement, (hashed, account.id))
        await self.database.commit()
        return True

    async def _first(self, query: str, values: Iterable[object]) -> sqlite3.Row | None:
        async with self.database.execute(query, tuple(values)) as cursor:
            return await cursor.fetchone()


def make_database(path: Path) -> None:
    """Create and fill the tables, unless the file holds this very seed already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path)
    try:
        if database.execute("PRAGMA user_version").fetchone()[0] == SEED_VERSION:
            return
        database.executescript(_SCHEMA)
        for account in ACCOUNTS:
            hashed = hash_password(account.password, account.scheme)
            database.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)",
                (
                    account.id,
                    account.username,
                    account.display_name,
                    account.organisation,
                    account.active,
                    hashed,
                ),
            )
            database.executemany(
                "INSERT INTO addresses VALUES (?, ?, ?)",
                [(account.id, email, purpose) for email, purpose in account.addresses],
            )
        database.execute(f"PRAGMA user_version = {SEED_VERSION}")
        database.commit()
    finally:
        database.close()
