"""Sonar's accounts in SQL, on SQLite and on PostgreSQL."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import structlog
from sqlalchemy import text

from gateway.account.database import working
from gateway.account.directory import MOST_ACCOUNTS, Directory, open_directory
from gateway.account.directory.sql import SqlAccounts
from gateway.account.model import Account, Address
from gateway.account.passwords import Passwords
from gateway.config import SqlAddressColumns, SqlColumns, SqlDirectory
from gateway.email import Email
from gateway.errors import ConfigError, DirectoryUnavailable
from gateway.secret import Secret
from tests.account.conftest import Sql
from tests.servers.between import between_sockets
from tests.stopwatch import Stopwatch

HASH = bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)).decode()
JO = Email.parse("jo@acme.example")

TABLES = (
    "CREATE TABLE accounts (id INTEGER PRIMARY KEY, username TEXT, display_name TEXT,"
    " organisation TEXT, active BOOLEAN, password_hash TEXT)",
    "CREATE TABLE addresses (account_id INTEGER, email TEXT, purpose TEXT)",
)


def row(
    id: object = 7,
    username: str | None = "jo",
    *addresses: tuple[object, object],
    active: object = True,
    password_hash: str | None = HASH,
) -> list[tuple[str, dict[str, object]]]:
    """An account and its (email, purpose) pairs in the default schema."""
    account = {"id": id, "username": username, "active": active, "hash": password_hash}
    return [
        (
            "INSERT INTO accounts VALUES (:id, :username, 'Jo Park', 'Acme', :active, :hash)",
            account,
        ),
        *(
            (
                "INSERT INTO addresses VALUES (:id, :email, :purpose)",
                {"id": id, "email": email, "purpose": purpose},
            )
            for email, purpose in addresses
        ),
    ]


async def add(sql: Sql, *arguments: Any, **named: Any) -> None:
    await sql.execute(*row(*arguments, **named))


@pytest.fixture
async def sonar(sql: Sql) -> Sql:
    """The default schema, empty."""
    if sql.is_sqlite:
        await asyncio.to_thread(_file_of(sql).parent.mkdir)
    await sql.execute(*TABLES)
    return sql


@pytest.fixture
async def directory(sonar: Sql, passwords: Passwords) -> AsyncIterator[Directory]:
    made = open_directory(SqlDirectory(url=sonar.url), passwords)
    await made.open()
    yield made
    await made.close()


def _file_of(sql: Sql) -> Path:
    return Path(sql.url.reveal().removeprefix("sqlite:///"))


def ids(accounts: tuple[Account, ...]) -> list[str]:
    return [account.id for account in accounts]


async def test_an_account_with_all_its_addresses(sonar: Sql, directory: Directory) -> None:
    await add(sonar, 7, "jo", ("Jo@Acme.Example", "Contact"), ("vm@acme.example", "voicemail"))
    account = Account(
        id="7",
        username="jo",
        display_name="Jo Park",
        organisation="Acme",
        active=True,
        addresses=(
            Address(JO, "contact"),
            Address(Email.parse("vm@acme.example"), "voicemail"),
        ),
    )
    assert await directory.by_email(JO) == (account,)
    assert await directory.by_email(Email.parse("vm@acme.example")) == (account,)
    assert await directory.by_id("7") == account
    assert await directory.by_username("jo") == account
    assert await directory.verify("jo", Secret("hunter2")) == account


async def test_every_account_with_the_address_active_or_not(
    sonar: Sql, directory: Directory
) -> None:
    for number in (12, 3, 5):
        await add(sonar, number, f"jo{number}", (str(JO), "contact"), active=number != 5)
    accounts = await directory.by_email(JO)
    assert [(account.id, account.active) for account in accounts] == [
        ("3", True),
        ("5", False),
        ("12", True),
    ]


@pytest.mark.parametrize(
    "stored",
    [
        "jo@acme.example.",
        "jo@acme.example2",
        "xjo@acme.example",
        "jo+sales@acme.example",
        "j.o@acme.example",
        "jo@acme.exampl",
        "jo@acme_example",
        "jó@acme.example",
        "jo@evil@acme.example",
        "jo@acme.example,mallory@evil.example",
        "<jo@acme.example>",
        "%",
        "",
        None,
    ],
)
async def test_an_address_that_is_only_alike_is_not_found(
    sonar: Sql, directory: Directory, stored: str | None
) -> None:
    await add(sonar, 7, "jo", (stored, "contact"))
    assert await directory.by_email(JO) == ()
    account = await directory.by_id("7")
    assert account is not None
    assert JO not in [address.email for address in account.addresses]


async def test_an_international_domain_in_either_spelling(sonar: Sql, directory: Directory) -> None:
    await add(sonar, 1, "a", ("jo@bücher.example", "contact"))
    await add(sonar, 2, "b", ("JO@xn--bcher-kva.example", "contact"))
    assert ids(await directory.by_email(Email.parse("jo@bücher.example"))) == ["1", "2"]


async def test_a_database_that_takes_too_much_for_equal_is_not_believed(
    tmp_path: Path, passwords: Passwords
) -> None:
    """Collations that ignore case or blanks, as MySQL's do and as PostgreSQL's can
    (CVE-2026-57580)."""
    sql = Sql(f"sqlite:///{tmp_path}/loose.db")
    await sql.execute(
        TABLES[0]
        .replace("id INTEGER PRIMARY KEY", "id TEXT COLLATE NOCASE")
        .replace("username TEXT", "username TEXT COLLATE RTRIM"),
        TABLES[1].replace("account_id INTEGER", "account_id TEXT COLLATE NOCASE"),
    )
    await add(sql, "acc-7", "jo", ("jo@acme.example", "contact"))
    await sql.execute("INSERT INTO addresses VALUES ('ACC-7', 'mallory@evil.example', 'contact')")
    directory = open_directory(SqlDirectory(url=sql.url), passwords)
    await directory.open()
    account = await directory.by_id("acc-7")
    assert account is not None
    assert [str(address.email) for address in account.addresses] == ["jo@acme.example"]
    assert await directory.by_id("ACC-7") is None
    assert await directory.by_email(Email.parse("mallory@evil.example")) == ()
    assert await directory.by_username("jo ") is None
    assert await directory.verify("jo  ", Secret("hunter2")) is None
    assert await directory.verify("jo", Secret("hunter2")) == account
    await directory.close()


async def test_columns_that_are_filled_up_with_blanks(
    postgres_url: str, passwords: Passwords
) -> None:
    sql = Sql(postgres_url)
    await sql.execute(
        "CREATE TABLE accounts (id CHAR(10), username CHAR(20), display_name CHAR(20),"
        " organisation CHAR(20), active CHAR(5), password_hash CHAR(100))",
        "CREATE TABLE addresses (account_id CHAR(10), email CHAR(40), purpose CHAR(10))",
        f"INSERT INTO accounts VALUES ('acc-7', 'jo', 'Jo Park', 'Acme', 'Y', '{HASH}')",  # noqa: S608
        "INSERT INTO addresses VALUES ('acc-7', 'jo@acme.example', 'contact')",
    )
    directory = open_directory(SqlDirectory(url=sql.url), passwords)
    await directory.open()
    account = Account("acc-7", "jo", "Jo Park", "Acme", True, (Address(JO, "contact"),))
    assert await directory.by_email(JO) == (account,)
    assert await directory.by_id("acc-7") == account
    assert await directory.verify("jo", Secret("hunter2")) == account
    await directory.close()


@pytest.mark.parametrize(
    "account_id",
    ["", "07", " 7", "7 ", "+7", "7.0", "７", "0x7", "7e0", "-7", "x", "1" * 40, "1" * 400, "7\0",
     "\ud800", "7 OR 1=1", "None"],
)  # fmt: skip
async def test_an_id_has_one_spelling(sonar: Sql, directory: Directory, account_id: str) -> None:
    await add(sonar, 7)
    assert await directory.by_id(account_id) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("TEXT", "acc-7"),
        ("VARCHAR(36)", "00000007"),
        ("CHAR(36)", "1b671a64-40d5-491e-99b0-da01ff1f3341"),
        ("UUID", "1b671a64-40d5-491e-99b0-da01ff1f3341"),
        ("BIGINT", "9007199254740993"),
        ("NUMERIC(20, 0)", "12345678901"),
    ],
)
async def test_ids_of_every_type(sql: Sql, passwords: Passwords, kind: str, value: str) -> None:
    if sql.is_sqlite:
        await asyncio.to_thread(_file_of(sql).parent.mkdir)
    await sql.execute(*(table.replace("id INTEGER", f"id {kind}") for table in TABLES))
    number = kind in {"BIGINT", "NUMERIC(20, 0)"}
    literal = value if number else f"'{value}'"
    await sql.execute(
        f"INSERT INTO accounts VALUES ({literal}, 'jo', 'Jo', 'Acme', TRUE, '{HASH}')",  # noqa: S608
        f"INSERT INTO addresses VALUES ({literal}, 'jo@acme.example', 'contact')",  # noqa: S608
    )
    directory = open_directory(SqlDirectory(url=sql.url), passwords)
    await directory.open()
    assert ids(await directory.by_email(JO)) == [value]
    account = await directory.by_id(value)
    assert account is not None
    assert (account.id, account.email()) == (value, JO)
    await directory.close()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("jo", "1"),
        ("JO", None),
        ("Jo", "2"),
        ("ann", "3"),
        ("ANN", "3"),
        ("jo ", None),
        ("j%", None),
        ("j_", None),
        ("", None),
        ("\0", None),
        ("\ud800", None),
        ("x" * 257, None),
        ("bob@acme.example", "5"),
        ("jo@acme.example", None),
        ("twin", None),
        ("' OR 1=1 --", None),
    ],
)
async def test_which_account_a_typed_username_means(
    sonar: Sql, directory: Directory, typed: str, meant: str | None
) -> None:
    await sonar.execute(
        *row(1, "jo", ("jo@acme.example", "contact"), ("bob@acme.example", "contact")),
        *row(2, "Jo"),
        *row(3, "Ann"),
        *row(4, None),
        *row(5, "bob@acme.example"),
        *row(6, "twin"),
        *row(8, "twin"),
    )
    account = await directory.by_username(typed)
    assert (account.id if account else None) == meant
    proved = await directory.verify(typed, Secret("hunter2"))
    assert (proved.id if proved else None) == meant
    assert await directory.verify(typed, Secret("wrong")) is None


@pytest.mark.parametrize("stored", [None, "", "hunter2", "!", "$2y$12$cut"])
async def test_without_a_hash_no_password_is_right(
    sonar: Sql, directory: Directory, stored: str | None
) -> None:
    await add(sonar, 7, "jo", password_hash=stored)
    for typed in ("hunter2", "", "!", "None"):
        assert await directory.verify("jo", Secret(typed)) is None


async def test_an_inactive_account_is_told_to_who_knows_its_password(
    sonar: Sql, directory: Directory
) -> None:
    await add(sonar, 7, "jo", active=False)
    account = await directory.verify("jo", Secret("hunter2"))
    assert account is not None
    assert not account.active
    assert await directory.verify("jo", Secret("hunter3")) is None


async def test_an_address_on_too_many_accounts(sonar: Sql, directory: Directory) -> None:
    rows = [row(number, f"jo{number}", (str(JO), "contact")) for number in range(MOST_ACCOUNTS + 5)]
    await sonar.execute(*itertools.chain(*rows))
    with structlog.testing.capture_logs() as logs:
        accounts = await directory.by_email(JO)
    assert ids(accounts) == [str(number) for number in range(MOST_ACCOUNTS)]
    assert [entry["event"] for entry in logs] == ["address_on_too_many_accounts"]
    assert "acme" not in repr(logs)


@pytest.mark.parametrize(
    ("kind", "value", "active"),
    [
        ("BOOLEAN", "TRUE", True),
        ("BOOLEAN", "FALSE", False),
        ("BOOLEAN", "NULL", False),
        ("INTEGER", "1", True),
        ("INTEGER", "0", False),
        ("INTEGER", "2", False),
        ("INTEGER", "-1", False),
        ("INTEGER", "NULL", False),
        ("TEXT", "'Y'", True),
        ("TEXT", "' active '", True),
        ("TEXT", "'ENABLED'", True),
        ("TEXT", "'N'", False),
        ("TEXT", "'no'", False),
        ("TEXT", "'false'", False),
        ("TEXT", "''", False),
        ("TEXT", "'inactive'", False),
        ("TEXT", "'suspended'", False),
        ("CHAR(3)", "'1'", True),
    ],
)
async def test_what_active_means(
    sql: Sql, passwords: Passwords, kind: str, value: str, active: bool
) -> None:
    if sql.is_sqlite:
        await asyncio.to_thread(_file_of(sql).parent.mkdir)
    await sql.execute(TABLES[0].replace("active BOOLEAN", f"active {kind}"), TABLES[1])
    await sql.execute(
        f"INSERT INTO accounts VALUES (7, 'jo', 'Jo', 'Acme', {value}, '{HASH}')"  # noqa: S608
    )
    directory = open_directory(SqlDirectory(url=sql.url), passwords)
    await directory.open()
    account = await directory.by_id("7")
    assert account is not None
    assert account.active is active
    await directory.close()


async def test_a_schema_of_somebody_elses(sql: Sql, passwords: Passwords) -> None:
    """Names that need quotes, no addresses table, one column for username and address, nothing
    about names, companies and who is active."""
    if sql.is_sqlite:
        await asyncio.to_thread(_file_of(sql).parent.mkdir)
    await sql.execute(
        'CREATE TABLE "Order" ("User" VARCHAR(20), "select" VARCHAR(80), "Hash$" VARCHAR(100))',
        f"""INSERT INTO "Order" VALUES ('u-1', 'jo@acme.example', '{HASH}')""",  # noqa: S608
    )
    config = SqlDirectory(
        url=sql.url,
        accounts_table="Order",
        accounts=SqlColumns(
            id="User",
            username="select",
            email="select",
            password_hash="Hash$",
            display_name=None,
            organisation=None,
            active=None,
        ),
        addresses_table=None,
    )
    directory = open_directory(config, passwords)
    await directory.open()
    account = Account(
        "u-1", "jo@acme.example", "jo@acme.example", "", True, (Address(JO, "contact"),)
    )
    assert await directory.by_email(JO) == (account,)
    assert await directory.verify("jo@acme.example", Secret("hunter2")) == account
    assert await directory.check() == ("1 account in Order; password hashes: bcrypt", "")
    await directory.close()


async def test_addresses_from_both_tables_and_without_purposes(
    sonar: Sql, passwords: Passwords
) -> None:
    await sonar.execute("ALTER TABLE accounts ADD COLUMN mail TEXT")
    await add_with_mail(sonar, 7, "jo@acme.example", "second@acme.example")
    await add_with_mail(sonar, 8, "other@acme.example", "jo@acme.example")
    config = SqlDirectory(
        url=sonar.url,
        accounts=SqlColumns(email="mail"),
        addresses=SqlAddressColumns(purpose=None),
    )
    directory = open_directory(config, passwords)
    await directory.open()
    accounts = await directory.by_email(JO)
    assert ids(accounts) == ["7", "8"]
    assert accounts[0].email() == JO
    assert {address.purpose for account in accounts for address in account.addresses} == {"contact"}
    await directory.close()


async def add_with_mail(sql: Sql, id: int, mail: str, address: str) -> None:
    await sql.execute(
        (
            "INSERT INTO accounts VALUES (:id, :name, 'Jo', 'Acme', TRUE, '', :mail)",
            {"id": id, "name": f"jo{id}", "mail": mail},
        ),
        ("INSERT INTO addresses VALUES (:id, :email, NULL)", {"id": id, "email": address}),
    )


async def test_a_table_in_another_schema(postgres_url: str, passwords: Passwords) -> None:
    sql = Sql(postgres_url)
    await sql.execute("CREATE SCHEMA sonar", "SET search_path TO sonar", *TABLES)
    await sql.execute("INSERT INTO sonar.accounts VALUES (7, 'jo', 'Jo', 'Acme', TRUE, '')")
    config = SqlDirectory(
        url=sql.url, accounts_table="sonar.accounts", addresses_table="sonar.addresses"
    )
    directory = open_directory(config, passwords)
    await directory.open()
    assert await directory.by_id("7") is not None
    await directory.close()


async def test_check_says_what_is_there(sonar: Sql, directory: Directory) -> None:
    await add(sonar, 7, "jo")
    await add(sonar, 8, "ann", password_hash="plain text")
    await add(sonar, 9, "bob")
    found, warning = await directory.check()
    assert found == "3 accounts in accounts; password hashes: bcrypt, unreadable"
    assert "cannot prove a Sonar password" in warning


async def test_everything_missing_is_said_at_once(sonar: Sql, passwords: Passwords) -> None:
    config = SqlDirectory(
        url=sonar.url,
        accounts=SqlColumns(username="login", password_hash="pw"),
        addresses_table="mails",
    )
    directory = open_directory(config, passwords)
    await directory.open()
    with pytest.raises(DirectoryUnavailable) as raised:
        await directory.check()
    await directory.close()
    said = str(raised.value)
    assert "no column login" in said
    assert "no column pw" in said
    assert "no table mails" in said
    assert "it has id, username, display_name" in said


async def test_nothing_can_be_written(sonar: Sql, passwords: Passwords) -> None:
    directory = SqlAccounts(SqlDirectory(url=sonar.url), passwords)
    await directory.open()
    for statement in ("DELETE FROM accounts", "CREATE TABLE x (y TEXT)"):
        with pytest.raises(DirectoryUnavailable, match="read"):
            await _write(directory, statement)
    await directory.close()


async def _write(directory: SqlAccounts, statement: str) -> None:
    async with working(directory._open()) as connection:
        await connection.execute(text(statement))
        await connection.commit()


async def test_a_question_that_takes_too_long(sql: Sql, passwords: Passwords) -> None:
    if sql.is_sqlite:
        await asyncio.to_thread(_file_of(sql).parent.mkdir)
        endless = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000)"
            " SELECT count(*) FROM n"
        )
    else:
        endless = "SELECT count(*) FROM pg_sleep(60)"
    columns = f"id, username, display_name, organisation, active, ({endless}) AS password_hash"
    await sql.execute(
        *TABLES,
        "ALTER TABLE accounts RENAME TO others",
        f"CREATE VIEW accounts AS SELECT {columns} FROM others",  # noqa: S608
        "INSERT INTO others VALUES (7, 'jo', 'Jo', 'Acme', TRUE, '')",
    )
    directory = open_directory(SqlDirectory(url=sql.url, timeout="1s"), passwords)
    await directory.open()
    before = time.monotonic()
    with pytest.raises(DirectoryUnavailable):
        await directory.by_id("7")
    assert time.monotonic() - before < 5
    await directory.close()


async def test_a_database_that_comes_back_is_used_again(sonar: Sql, directory: Directory) -> None:
    await add(sonar, 7)
    await sonar.execute("ALTER TABLE accounts RENAME TO away")
    for _attempt in range(2):
        with pytest.raises(DirectoryUnavailable):
            await directory.by_id("7")
    await sonar.execute("ALTER TABLE away RENAME TO accounts")
    assert await directory.by_id("7") is not None


async def test_broken_connections_are_made_anew(postgres_url: str, passwords: Passwords) -> None:
    sql = Sql(postgres_url)
    await sql.execute(*TABLES)
    await add(sql, 7)
    directory = open_directory(SqlDirectory(url=sql.url), passwords)
    await directory.open()
    await asyncio.gather(*(directory.by_id("7") for _ in range(5)))
    await sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _attempt in range(5):
        assert await directory.by_id("7") is not None
    await directory.close()


async def test_connections_that_the_network_forgot_cost_nobody_their_time(
    postgres_url: str, passwords: Passwords
) -> None:
    """Five of them, idle, that never answer again: one question finds out, and no other waits."""
    sql = Sql(postgres_url)
    await sql.execute(*TABLES)
    await add(sql, 7)
    before, _, home = postgres_url.partition("host=")
    with tempfile.TemporaryDirectory(prefix="way-") as place:
        pair = Path(place, ".s.PGSQL.5432"), Path(home, ".s.PGSQL.5432")
        async with between_sockets(*pair) as way:
            url = Secret(f"{before}host={place}")
            directory = open_directory(SqlDirectory(url=url, timeout="1s"), passwords)
            await directory.open()
            await asyncio.gather(*(directory.by_id("7") for _ in range(5)))
            assert way.opened == 5
            way.hold()
            with pytest.raises(DirectoryUnavailable):
                await directory.by_id("7")
            way.lose()
            watch = Stopwatch()
            found = await asyncio.gather(*(directory.by_id("7") for _ in range(5)))
            assert watch.seconds() < 0.9, "none of the five has to wait for its time to be up"
            assert [account is not None for account in found] == [True] * 5
            await directory.close()


async def test_people_at_once_get_their_own_accounts(sonar: Sql, directory: Directory) -> None:
    """Also when some of them go away meanwhile."""
    rows = [
        row(number, f"jo{number}", (f"jo{number}@acme.example", "contact")) for number in range(20)
    ]
    await sonar.execute(*itertools.chain(*rows))

    async def ask(number: int) -> None:
        task = asyncio.ensure_future(directory.by_email(Email.parse(f"jo{number}@acme.example")))
        if number % 3 == 0:
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert ids(await task) == [str(number)]

    for _round in range(3):
        await asyncio.gather(*(ask(number) for number in range(20)))


@pytest.mark.parametrize(
    "url", ["sqlite:///{tmp}/none.db", "postgresql://postgres@/none?host={tmp}"]
)
async def test_a_database_that_is_not_there(tmp_path: Path, passwords: Passwords, url: str) -> None:
    secret = Secret(url.format(tmp=tmp_path))
    directory: Any = open_directory(SqlDirectory(url=secret), passwords)
    await directory.open()
    for ask in (directory.check(), directory.by_email(JO), directory.verify("jo", Secret("x"))):
        with pytest.raises(DirectoryUnavailable):
            await ask
    await directory.close()
    assert not (tmp_path / "none.db").exists()


async def test_a_wrong_password_for_the_database(postgres_url: str, passwords: Passwords) -> None:
    url = Secret(postgres_url.replace("postgres@", "nobody:hunter2@"))
    directory = open_directory(SqlDirectory(url=url), passwords)
    await directory.open()
    with pytest.raises(DirectoryUnavailable) as raised:
        await directory.check()
    assert "hunter2" not in str(raised.value)
    await directory.close()


async def test_a_driver_that_is_not_installed_is_a_problem_of_the_config(
    passwords: Passwords,
) -> None:
    directory = open_directory(
        SqlDirectory(url=Secret("mysql+asyncmy://jo:hunter2@host/sonar")), passwords
    )
    with pytest.raises(ConfigError) as raised:
        await directory.open()
    assert "hunter2" not in str(raised.value)
    assert raised.value.problems[0].key == "directory.url"


async def test_what_breaks_is_told_without_anybodys_address(
    sonar: Sql, directory: Directory
) -> None:
    await directory.check()
    await sonar.execute("DROP TABLE addresses")
    with pytest.raises(DirectoryUnavailable) as raised:
        await directory.by_email(JO)
    told: BaseException | None = raised.value
    while told is not None:
        assert "jo@acme" not in str(told)
        told = told.__cause__


async def test_before_open_and_after_close(directory: Directory, passwords: Passwords) -> None:
    await directory.close()
    await directory.close()
    with pytest.raises(DirectoryUnavailable):
        await directory.by_id("7")
