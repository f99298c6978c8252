"""Sonar's accounts in a YAML file."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import bcrypt
import pytest
import structlog

from gateway.account.directory import MOST_ACCOUNTS, Directory, open_directory
from gateway.account.model import Account, Address
from gateway.account.passwords import Passwords
from gateway.config import FileDirectory
from gateway.email import Email
from gateway.errors import ConfigError, DirectoryUnavailable
from gateway.secret import Secret

HASH = bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)).decode()
JO = Email.parse("jo@acme.example")

FILE = f"""
accounts:
  - id: "7"
    username: jo
    display_name: Jo Park
    organisation: Acme
    active: true
    password_hash: "{HASH}"
    addresses:
      - {{email: Jo@Acme.Example}}
      - {{email: vm@acme.example, purpose: Voicemail}}
  - id: "8"
    username: Ann
    active: false
    addresses:
      - {{email: jo@acme.example, purpose: contact}}
"""

ACCOUNT = Account(
    "7",
    "jo",
    "Jo Park",
    "Acme",
    True,
    (Address(JO, "contact"), Address(Email.parse("vm@acme.example"), "voicemail")),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.yaml"
    path.write_text(FILE)
    return path


@pytest.fixture
async def directory(file: Path, passwords: Passwords) -> AsyncIterator[Directory]:
    made = open_directory(FileDirectory(path=file), passwords)
    await made.open()
    yield made
    await made.close()


def swap(file: Path, content: str) -> None:
    """As an editor does it, or a mounted ConfigMap."""
    fresh = file.with_suffix(".new")
    fresh.write_text(content)
    os.replace(fresh, file)


async def test_accounts_are_found(directory: Directory) -> None:
    assert [account.id for account in await directory.by_email(JO)] == ["7", "8"]
    assert await directory.by_email(Email.parse("vm@acme.example")) == (ACCOUNT,)
    assert await directory.by_email(Email.parse("jo@acme.ca")) == ()
    assert await directory.by_id("7") == ACCOUNT
    assert await directory.by_id("07") is None
    assert await directory.by_username("ANN") == (await directory.by_id("8"))
    assert await directory.by_username("jo@acme.example") is None
    inactive = await directory.by_id("8")
    assert inactive is not None
    assert (inactive.display_name, inactive.active) == ("Ann", False)


async def test_passwords_are_verified(directory: Directory) -> None:
    assert await directory.verify("jo", Secret("hunter2")) == ACCOUNT
    assert await directory.verify("jo", Secret("hunter3")) is None
    assert await directory.verify("nobody", Secret("hunter2")) is None
    assert await directory.verify("ann", Secret("")) is None


async def test_check_says_what_is_there(directory: Directory, file: Path) -> None:
    found, warning = await directory.check()
    assert found == f"2 accounts in {file}; password hashes: bcrypt, unreadable"
    assert warning == "whose hash is unreadable, or missing, cannot prove a Sonar password"
    swap(file, "accounts: []")
    found, warning = await directory.check()
    assert found == f"0 accounts in {file}; password hashes: none"
    assert warning == "nobody is there, so nobody can sign in"


async def test_a_change_is_seen_at_once(directory: Directory, file: Path) -> None:
    swap(file, FILE.replace("active: true", "active: false"))
    account = await directory.by_id("7")
    assert account is not None
    assert not account.active
    swap(file, "accounts: []")
    assert await directory.by_id("7") is None
    assert await directory.by_email(JO) == ()


async def test_a_change_with_mistakes_leaves_the_last_good_file_in_force(
    directory: Directory, file: Path
) -> None:
    swap(file, FILE.replace("active: true", "active: perhaps"))
    with structlog.testing.capture_logs() as logs:
        assert await directory.by_id("7") == ACCOUNT
        assert await directory.by_id("7") == ACCOUNT
    assert [entry["event"] for entry in logs] == ["directory_file_wrong"]
    assert HASH not in repr(logs)
    with pytest.raises(ConfigError):
        await directory.check()
    swap(file, "accounts: []")
    assert await directory.by_id("7") is None


async def test_a_file_that_is_gone_is_unavailable(directory: Directory, file: Path) -> None:
    os.remove(file)
    with pytest.raises(DirectoryUnavailable):
        await directory.by_id("7")
    swap(file, FILE)
    assert await directory.by_id("7") == ACCOUNT


async def test_every_mistake_is_told_at_once(file: Path, passwords: Passwords) -> None:
    swap(
        file,
        """
accounts:
  - {id: 7, username: jo, active: true}
  - {id: "8", username: "", active: "yes"}
  - {id: "9", username: x, active: true, adresses: []}
  - {id: "10", username: y, addresses: [{email: a@b@acme.example}]}
""",
    )
    directory = open_directory(FileDirectory(path=file), passwords)
    with pytest.raises(ConfigError) as raised:
        await directory.open()
    said = str(raised.value)
    for key in (
        "accounts[0].id",
        "accounts[1].username",
        "accounts[1].active",
        "accounts[2].adresses",
        "accounts[3].active",
        "accounts[3].addresses[0].email",
    ):
        assert key in said


async def test_two_accounts_never_share_an_id_or_a_username(
    file: Path, passwords: Passwords
) -> None:
    swap(
        file,
        """
accounts:
  - {id: "1", username: jo, active: true}
  - {id: "1", username: jo, active: true}
""",
    )
    directory = open_directory(FileDirectory(path=file), passwords)
    with pytest.raises(ConfigError) as raised:
        await directory.open()
    assert [problem.key for problem in raised.value.problems] == [
        "accounts[1].id",
        "accounts[1].username",
    ]


async def test_usernames_that_differ_in_case_are_not_guessed_between(
    file: Path, passwords: Passwords
) -> None:
    swap(
        file,
        """
accounts:
  - {id: "1", username: jo, active: true}
  - {id: "2", username: Jo, active: true}
""",
    )
    directory = open_directory(FileDirectory(path=file), passwords)
    await directory.open()
    found = [await directory.by_username(typed) for typed in ("jo", "Jo", "JO")]
    assert [account.id if account else None for account in found] == ["1", "2", None]


async def test_an_address_on_too_many_accounts(file: Path, passwords: Passwords) -> None:
    entry = '  - {{id: "{0:03}", username: u{0}, active: true, addresses: [{{email: {1}}}]}}\n'
    entries = "".join(entry.format(number, JO) for number in range(MOST_ACCOUNTS + 5))
    swap(file, "accounts:\n" + entries)
    directory = open_directory(FileDirectory(path=file), passwords)
    await directory.open()
    with structlog.testing.capture_logs() as logs:
        accounts = await directory.by_email(JO)
    assert [account.id for account in accounts] == [f"{n:03}" for n in range(MOST_ACCOUNTS)]
    assert [entry["event"] for entry in logs] == ["address_on_too_many_accounts"]


async def test_a_file_that_is_not_there(tmp_path: Path, passwords: Passwords) -> None:
    directory = open_directory(FileDirectory(path=tmp_path / "none.yaml"), passwords)
    with pytest.raises(DirectoryUnavailable):
        await directory.open()
