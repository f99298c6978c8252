"""Where Sonar's accounts are looked up and their passwords verified. Never written to.

sql.py     Sonar's own database, through any asyncio driver; schema.py: tables and columns as the
           config names them;  columns.py: from a row to an Account
file.py    a YAML file, read again when it changes
"""

from typing import NamedTuple, Protocol, Self

from gateway.account.model import Account
from gateway.account.passwords import UNREADABLE, Passwords
from gateway.config import FileDirectory, SqlDirectory
from gateway.email import Email
from gateway.operate.outage import Part
from gateway.secret import Secret

# An address on more accounts than this is no longer a person's. The page offers these, in the
# order of their ids; any other can still be proved with its password.
MOST_ACCOUNTS = 50


class Checked(NamedTuple):
    """What `Directory.check` found, in one line, and what to look at there, or nothing."""

    found: str
    warning: str

    @classmethod
    def of(cls, count: int, where: object, kinds: tuple[str, ...]) -> Self:
        """`count` accounts are `where`. `kinds`: of the hashes seen (`Passwords`)."""
        accounts = "1 account" if count == 1 else f"{count} accounts"
        warning = ""
        if UNREADABLE in kinds:
            warning = "whose hash is unreadable, or missing, cannot prove a Sonar password"
        elif not kinds:
            warning = "nobody is there, so nobody can sign in"
        hashes = ", ".join(kinds) or "none"
        return cls(f"{accounts} in {where}; password hashes: {hashes}", warning)


class Directory(Protocol):
    """Every method may raise `DirectoryUnavailable`; `open` and `check` also `ConfigError`."""

    async def open(self) -> None:
        """Make ready. A database that is down is not seen here but at the first question, so
        that password users are served meanwhile."""

    async def close(self) -> None: ...

    async def check(self) -> Checked:
        """Try everything that a sign-in needs, and say what was found."""

    async def by_email(self, email: Email) -> tuple[Account, ...]:
        """Every account, active or not, with exactly this address for whatever purpose; at most
        `MOST_ACCOUNTS`, ordered by id."""

    async def by_id(self, account_id: str) -> Account | None:
        """The account as it is now."""

    async def by_username(self, username: str) -> Account | None:
        """The account that somebody who types `username` means: throttling is keyed on its id.

        The exact username first, else the only one that differs in case. Addresses are not looked
        at: a username equal to somebody else's address (CVE-2021-3754) means its own account.
        """

    async def verify(self, username: str, password: Secret) -> Account | None:
        """The account of `by_username` if this is its password, whether it is active or not.

        Takes the same time when there is no such account.
        """


def open_directory(
    config: SqlDirectory | FileDirectory, passwords: Passwords, part: Part | None = None
) -> Directory:
    """The directory of this configuration; call `open` on it. `part`: who is told whether it
    works."""
    # Imported here so that a file directory does not wait for SQLAlchemy (0.3 s).
    match config:
        case SqlDirectory():
            from gateway.account.directory.sql import SqlAccounts

            return SqlAccounts(config, passwords, part)
        case FileDirectory():
            from gateway.account.directory.file import FileAccounts

            return FileAccounts(config, passwords, part)
