"""Sonar's accounts in a YAML file, for a small Sonar or a trial.

    accounts:
      - id: "1"
        username: jo
        display_name: Jo Park
        organisation: Acme
        active: true
        password_hash: "$2y$12$…"
        addresses:
          - {email: jo@acme.example, purpose: contact}

Read again when it changes. A file with mistakes leaves the last good one in force and says so.
"""

import os
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic import Field, field_validator

from gateway.account.directory import MOST_ACCOUNTS, Checked
from gateway.account.directory.columns import means
from gateway.account.model import CONTACT, Account, Address
from gateway.account.passwords import Passwords
from gateway.config import FileDirectory
from gateway.email import Email
from gateway.errors import ConfigError, DirectoryUnavailable, Problem
from gateway.operate.outage import Part, Untold
from gateway.secret import Secret
from gateway.section import Section, checked, shape_of
from gateway.yamlfile import LARGEST_FILE, Document, read_yaml

_log = structlog.get_logger()


class _AddressEntry(Section):
    email: str
    purpose: str = CONTACT

    @field_validator("email")
    @classmethod
    def _is_email(cls, text: str) -> str:
        Email.parse(text)
        return text


class _AccountEntry(Section):
    id: str
    username: str
    display_name: str = ""
    organisation: str = ""
    active: bool = Field(strict=True)
    password_hash: str = ""
    addresses: tuple[_AddressEntry, ...] = ()

    @field_validator("id", "username")
    @classmethod
    def _is_there(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty")
        return text


class _File(Section):
    accounts: tuple[_AccountEntry, ...]


class _Entry(NamedTuple):
    account: Account
    password_hash: str


# What tells that a file is another one: modified (ns), size, inode. An editor that swaps the file
# within one tick of the clock changes at least the last.
_Stamp = tuple[int, int, int]


class FileAccounts:
    """The directory of kind `file`."""

    def __init__(
        self, config: FileDirectory, passwords: Passwords, part: Part | None = None
    ) -> None:
        self._path = config.path
        self._part = part or Untold("directory")
        self._passwords = passwords
        self._stamp: _Stamp | None = None
        self._entries: dict[str, _Entry] = {}

    async def open(self) -> None:
        """Read the file, or raise ConfigError with every problem in it."""
        stamp = _stamp(self._path)
        entries = _read(self._path)
        if not isinstance(entries, dict):
            raise ConfigError(entries)
        self._keep(stamp, entries)
        self._part.watched(self._try_out)

    async def close(self) -> None:
        self._part.stop()
        self._entries = {}

    async def check(self) -> Checked:
        entries = _read(self._path)
        if not isinstance(entries, dict):
            raise ConfigError(entries)
        hashes = (entry.password_hash for entry in entries.values())
        return Checked.of(len(entries), self._path, self._passwords.kinds(hashes))

    async def by_email(self, email: Email) -> tuple[Account, ...]:
        found = [
            entry.account
            for _id, entry in sorted(self._now().items())
            if any(address.email == email for address in entry.account.addresses)
        ]
        if len(found) > MOST_ACCOUNTS:
            _log.warning("address_on_too_many_accounts", shown=MOST_ACCOUNTS)
        return tuple(found[:MOST_ACCOUNTS])

    async def by_id(self, account_id: str) -> Account | None:
        entry = self._now().get(account_id)
        return None if entry is None else entry.account

    async def by_username(self, username: str) -> Account | None:
        entry = self._named(username)
        return None if entry is None else entry.account

    async def verify(self, username: str, password: Secret) -> Account | None:
        entry = self._named(username)
        if entry is None:
            await self._passwords.burn(password, username)
            return None
        right = await self._passwords.verify(password, entry.password_hash)
        return entry.account if right else None

    def _named(self, username: str) -> _Entry | None:
        by_name = {entry.account.username: entry for entry in self._now().values()}
        meant = means(username, by_name)
        return None if meant is None else by_name[meant]

    async def _try_out(self) -> None:
        self._look()

    def _now(self) -> dict[str, _Entry]:
        """The accounts as they are."""
        began = time.monotonic()
        try:
            return self._look()
        except DirectoryUnavailable as error:
            self._part.failed(error, began, gone=True)
            raise

    def _look(self) -> dict[str, _Entry]:
        """The accounts, read again if the file is another one than last time."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            entries = _read(self._path)
            if isinstance(entries, dict):
                self._keep(stamp, entries)
                _log.info("directory_file_reloaded", accounts=len(entries))
            else:
                # Not told again at each question until the file changes once more.
                self._stamp = stamp
                _log.error("directory_file_wrong", problems=[str(problem) for problem in entries])
        return self._entries

    def _keep(self, stamp: _Stamp, entries: dict[str, _Entry]) -> None:
        self._stamp, self._entries = stamp, entries
        self._passwords.expect(entry.password_hash for entry in entries.values())


def _stamp(path: Path) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError as error:
        raise DirectoryUnavailable(f"{path}: {error.strerror}") from error
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> dict[str, _Entry] | tuple[Problem, ...]:
    """Accounts by id, or every problem."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DirectoryUnavailable(f"{path}: {error.strerror}") from error
    document = read_yaml(content, str(path), shape_of(_File))
    if not isinstance(document, Document):
        return document
    model = checked(_File, document)
    if not isinstance(model, _File):
        return model
    problems = (*_twice(document, model, "id"), *_twice(document, model, "username"))
    return problems or {entry.id: _entry(entry) for entry in model.accounts}


def _twice(document: Document, model: _File, key: str) -> tuple[Problem, ...]:
    """An id or a username that several accounts have; which one is meant must never be a guess."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(model.accounts):
        places[getattr(entry, key)].append(index)
    return tuple(
        document.problem(("accounts", index, key), value, f"another account has this {key} too")
        for value, indexes in places.items()
        for index in indexes[1:]
    )


def _entry(entry: _AccountEntry) -> _Entry:
    addresses = tuple(
        Address(Email.parse(address.email), address.purpose.strip().lower())
        for address in entry.addresses
    )
    account = Account(
        id=entry.id,
        username=entry.username,
        display_name=entry.display_name or entry.username,
        organisation=entry.organisation,
        active=entry.active,
        addresses=addresses,
    )
    return _Entry(account, entry.password_hash)
