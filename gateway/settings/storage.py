"""Where accounts, links and sessions are kept, and what is logged."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.names import SqlName
from gateway.secret import Secret
from gateway.secret_values import DatabaseUrl, DirectoryUrl, SessionStoreUrl
from gateway.section import Section
from gateway.values import Duration, DurationOrOff, DurationOrZero, LogTarget, PathOnDisk


class SqlColumns(Section):
    """Column names of the accounts table; `null` for one that it does not have."""

    id: SqlName = "id"
    """What never changes about an account."""
    username: SqlName = "username"
    """What the person types to sign in."""
    display_name: SqlName | None = "display_name"
    """The person's name, for pages."""
    organisation: SqlName | None = "organisation"
    """The company, for pages."""
    active: SqlName | None = "active"
    """One of `active_values` while the account may be used. With `null` every account may."""
    password_hash: SqlName = "password_hash"  # noqa: S105 - a column's name
    """The hash of the password."""
    email: SqlName | None = None
    """A contact address in the accounts table itself."""


class SqlAddressColumns(Section):
    """Column names of the addresses table."""

    account_id: SqlName = "account_id"
    """The account's id."""
    email: SqlName = "email"
    """The address."""
    purpose: SqlName | None = "purpose"
    """What it is kept for, such as contact or voicemail. With `null` all are contact."""


class SqlDirectory(Section):
    """Sonar's accounts in its own database; only read."""

    kind: Literal["sql"] = "sql"
    """Accounts in an SQL database."""
    url: DirectoryUrl
    """sqlite:///PATH, postgresql://…, or dialect+driver://… of an asyncio driver that is installed;
    by env:NAME or file:PATH when it has a password."""
    accounts_table: SqlName = "accounts"
    """The table of accounts, one row each; `schema.table` too."""
    accounts: SqlColumns = SqlColumns()
    """Its columns."""
    addresses_table: SqlName | None = "addresses"
    """The table of email addresses, one row each; `null` when `accounts.email` is all there is."""
    addresses: SqlAddressColumns = SqlAddressColumns()
    """Its columns."""
    active_values: tuple[str, ...] = ("true", "t", "yes", "y", "1", "active", "enabled")
    """What the column `active` says of an account that may be used, in any case."""
    timeout: Duration = 5.0
    """How long one question may take."""

    @model_validator(mode="after")
    def _has_addresses(self) -> Self:
        if self.addresses_table is None and self.accounts.email is None:
            raise ValueError("name an addresses_table, or the column accounts.email")
        return self


class FileDirectory(Section):
    """Accounts in a YAML file."""

    kind: Literal["file"] = "file"
    """Accounts in a YAML file."""
    path: PathOnDisk
    """The file."""


class Passwords(Section):
    """How Sonar's passwords are verified."""

    concurrent: int = Field(2, ge=1, le=64, strict=True)
    """How many verifications run at once, in all workers together, at least one in each; each takes
    a core for up to half a second."""
    attempts: int = Field(10, ge=1, le=1000, strict=True)
    """Wrong passwords for one account or username, or by one identity, before a wait; ten times as
    many from one address."""
    wait: Duration = 60.0
    """The first wait; each further wrong password makes it twice as long."""
    longest_wait: Duration = 3600.0
    """The longest wait."""
    window: Duration = 86400.0
    """How long after the last attempt, or the wait that followed it, all is forgotten."""

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.wait > self.longest_wait:
            raise ValueError("wait must not be longer than longest_wait")
        return self


class Links(Section):
    """The gateway's own database: links, pins, preferences."""

    database: DatabaseUrl = Field(
        Secret("sqlite:///var/gateway.db"),
        validate_default=True,
        json_schema_extra={"default": "sqlite:///var/gateway.db"},
    )
    """sqlite:///PATH or postgresql://…; by env:NAME or file:PATH when it has a password."""


class Audit(Section):
    """The record of who was let in or refused, and of who changed who may get in."""

    required: bool = Field(False, strict=True)
    """Whether nobody is signed in and no account is linked while that cannot be recorded."""
    keep: Duration = 365 * 86400.0
    """How long records are kept."""


class Sessions(Section):
    """Signed-in browsers."""

    store: SessionStoreUrl = "embedded"
    """`embedded` (one machine) or redis://HOST:PORT/0, rediss://…, unix:///PATH, or with Sentinels
    redis+sentinel://HOST:PORT,HOST:PORT/MASTER/0, rediss+sentinel://…"""
    path: PathOnDisk = Field(Path("var/sessions.db"), validate_default=True)
    """The file of the embedded store."""
    idle: Duration = 8 * 3600.0
    """A session ends after this long without a request. A policy may say otherwise."""
    lifetime: Duration = 24 * 3600.0
    """A session ends this long after sign-in, whatever happens. A policy may say otherwise."""
    outage_grace: DurationOrZero = 300.0
    """How long people already signed in keep working when the store is lost, or the directory or
    the links cannot be asked."""
    recheck: Duration = 5 * 60.0
    """How often, for each session, the directory is asked whether its account may still be used."""
    fresh_proof: DurationOrOff = 15 * 60.0
    """Settings and reviews ask for a new proof of who somebody is when the last one is older than
    this; `off`: never."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.idle > self.lifetime:
            raise ValueError("idle must not be longer than lifetime")
        return self


class Log(Section):
    """What is written about what happens."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least serious event that is logged."""
    format: Literal["json", "console"] = "json"
    """For programs or for a person's eyes."""
    access: LogTarget = "-"
    """The access log, one JSON line a request: a file, or `-` for standard output."""
