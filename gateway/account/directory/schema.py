"""Sonar's tables as the config names them, and the queries asked of them. No connection here.

Names from the config reach SQL only as SQLAlchemy identifiers, which quotes them, and values only
as parameters. Columns carry no type, so that no driver's type reads `'N'` as true; only the id's
type is looked up, because PostgreSQL compares no number with text.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    CHAR,
    ColumnElement,
    Connection,
    Select,
    String,
    TableClause,
    column,
    func,
    inspect,
    literal,
    null,
    or_,
    select,
    table,
)
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.types import TypeEngine

from gateway.account.directory import MOST_ACCOUNTS
from gateway.account.directory.columns import spellings
from gateway.account.model import CONTACT
from gateway.config import SqlDirectory
from gateway.email import Email

# Addresses of at most MOST_ACCOUNTS accounts; beyond a hundred each, they are not a person's.
_MOST_ADDRESSES = 100 * MOST_ACCOUNTS

# Enough to see which kinds of hashes a table holds.
SAMPLE = 50

# Ids longer than this are nobody's; SQLite and PostgreSQL integers have 64 bits.
_INTEGER_BITS = 63


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables, and the id's type as the database has it. `addresses` is `None` when the
    accounts table has the only address."""

    config: SqlDirectory
    id_type: TypeEngine[Any]
    accounts: TableClause
    addresses: TableClause | None

    @classmethod
    def of(cls, config: SqlDirectory, id_type: TypeEngine[Any]) -> Self:
        accounts = _table(config.accounts_table, account_columns(config))
        if config.addresses_table is None:
            return cls(config, id_type, accounts, None)
        addresses = _table(config.addresses_table, address_columns(config))
        return cls(config, id_type, accounts, addresses)

    def select_by_email(self, email: Email) -> Select[Any]:
        """Accounts that may have the address; the database's idea of equal may be wider."""
        found: list[ColumnElement[bool]] = []
        if self.config.accounts.email is not None:
            found.append(func.lower(self._column("email")).in_(spellings(email)))
        if self.addresses is not None:
            columns = self.config.addresses
            owners = select(self.addresses.c[columns.account_id]).where(
                func.lower(self.addresses.c[columns.email]).in_(spellings(email))
            )
            found.append(self._id().in_(owners))
        return self._select().where(or_(*found)).order_by(self._id()).limit(MOST_ACCOUNTS + 1)

    def select_by_id(self, account_id: object) -> Select[Any]:
        return self._select().where(self._id() == account_id)

    def select_by_username(self, username: str) -> Select[Any]:
        """Accounts whose username is `username`, perhaps in another case."""
        name = self._column("username")
        typed = literal(username, String)
        return (
            self._select()
            .where(or_(name == typed, func.lower(name) == func.lower(typed)))
            .order_by(self._id())
            .limit(MOST_ACCOUNTS)
        )

    def select_addresses(self, ids: Collection[object]) -> Select[Any] | None:
        """(owner, email, purpose) of these accounts, `None` when there is no such table."""
        if self.addresses is None:
            return None
        columns = self.config.addresses
        owner, email = self.addresses.c[columns.account_id], self.addresses.c[columns.email]
        purpose = literal(CONTACT) if columns.purpose is None else self.addresses.c[columns.purpose]
        return (
            select(owner.label("owner"), email.label("email"), purpose.label("purpose"))
            .where(owner.in_(ids))
            .order_by(owner, email)
            .limit(_MOST_ADDRESSES)
        )

    def select_hashes(self) -> Select[Any]:
        return select(self._column("password_hash")).limit(SAMPLE)

    def count_accounts(self) -> Select[Any]:
        return select(func.count()).select_from(self.accounts)

    def read_id(self, account_id: str) -> object | None:
        """An account id as the database compares it, `None` for what cannot be one."""
        value: object = account_id
        try:
            kind = self.id_type.python_type
            if kind in {int, Decimal, UUID}:
                value = kind(account_id)
        except NotImplementedError:
            pass  # a type SQLAlchemy has no word for: compared as text
        except (ValueError, ArithmeticError):
            return None
        if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
            return None
        # One spelling an account: `007` is not account 7.
        return value if str(value) == account_id else None

    def id_text(self, value: object) -> str:
        """An account id as everything but the database knows it. Blanks after a CHAR say nothing:
        PostgreSQL gives them, MySQL does not."""
        text = str(value)
        return text.rstrip(" ") if isinstance(self.id_type, CHAR) else text

    def _select(self) -> Select[Any]:
        roles = ("username", "display_name", "organisation", "active", "password_hash", "email")
        return select(self._id().label("id"), *(self._column(role).label(role) for role in roles))

    def _column(self, role: str) -> ColumnElement[Any]:
        name = getattr(self.config.accounts, role)
        return null() if name is None else self.accounts.c[name]

    def _id(self) -> ColumnElement[Any]:
        return self.accounts.c[self.config.accounts.id]


def read_schema(connection: Connection, config: SqlDirectory) -> Schema | tuple[str, ...]:
    """Look the tables up in the database; everything that is missing, in words."""
    wanted = {config.accounts_table: account_columns(config)}
    if config.addresses_table is not None:
        wanted[config.addresses_table] = address_columns(config)
    missing: list[str] = []
    id_type: TypeEngine[Any] = String()
    for name, columns in wanted.items():
        try:
            there = inspect(connection).get_columns(*_split(name))
        except NoSuchTableError:
            missing.append(f"there is no table {name}")
            continue
        types = {entry["name"]: entry["type"] for entry in there}
        missing += [
            f"the table {name} has no column {wanted_column}; it has {', '.join(types)}"
            for wanted_column in columns
            if wanted_column not in types
        ]
        # SQLite keeps any type in any column, and compares text with numbers as one would wish.
        if name == config.accounts_table and connection.dialect.name != "sqlite":
            id_type = types.get(config.accounts.id, id_type)
    return tuple(missing) or Schema.of(config, id_type)


def account_columns(config: SqlDirectory) -> tuple[str, ...]:
    columns = config.accounts
    return _named(
        (
            columns.id,
            columns.username,
            columns.display_name,
            columns.organisation,
            columns.active,
            columns.password_hash,
            columns.email,
        )
    )


def address_columns(config: SqlDirectory) -> tuple[str, ...]:
    columns = config.addresses
    return _named((columns.account_id, columns.email, columns.purpose))


def _named(names: Iterable[str | None]) -> tuple[str, ...]:
    """Each name once: one column may play two roles, such as username and email."""
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _table(name: str, columns: Sequence[str]) -> TableClause:
    bare, schema = _split(name)
    return table(bare, *(column(entry) for entry in columns), schema=schema)


def _split(name: str) -> tuple[str, str | None]:
    """`sonar.accounts` -> table, schema."""
    schema, dot, bare = name.rpartition(".")
    return (bare, schema) if dot else (name, None)
