"""The same sign-ins with Redis for sessions and PostgreSQL for links and Sonar's accounts."""

import sqlite3
from pathlib import Path

import pytest

from demo.sonar.accounts import make_database
from gateway.account.links import LinkStore
from gateway.email import Email
from tests.journeys.world import a_world, until
from tests.servers.node import OidcProvider
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")


def move_accounts(postgres: Postgres, name: str, folder: Path) -> None:
    """Put the demonstration's accounts into PostgreSQL, tables and columns as they are."""
    (folder / "var").mkdir()
    make_database(folder / "var" / "sonar.db")
    source = sqlite3.connect(folder / "var" / "sonar.db")
    statements = [
        "CREATE TABLE accounts (id integer PRIMARY KEY, username text, display_name text,"
        " organisation text, active boolean, password_hash text)",
        "CREATE TABLE addresses (account_id integer, email text, purpose text)",
    ]
    for table, columns in (
        ("accounts", "id, username, display_name, organisation, active, password_hash"),
        ("addresses", "account_id, email, purpose"),
    ):
        for row in source.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608 - ours
            values = ", ".join("'" + str(value).replace("'", "''") + "'" for value in row)
            statements.append(f"INSERT INTO {table} VALUES ({values})")  # noqa: S608 - ours
    source.close()
    postgres.execute(*statements, database=name)


async def test_sign_in_link_and_sign_out(
    tmp_path: Path, oidc_provider: OidcProvider, postgres: Postgres, valkey: Valkey
) -> None:
    sonar, own = postgres.new_database(), postgres.new_database()
    move_accounts(postgres, sonar, tmp_path)
    async with a_world(
        tmp_path,
        oidc_provider,
        sessions={"store": valkey.url.reveal()},
        links={"database": postgres.url(own)},
        directory={"kind": "sql", "url": postgres.url(sonar)},
    ) as world:
        async with world.browser() as browser:
            page = await world.google(browser, "nora", "/calls")
            page = await browser.press(page, "Link", username="nlindqvist", password="north-light")
            assert page.path == "/calls"
            assert await links_of(world.links, "nora@acme.example") == 1
            assert await world.stop() == 0
            await world.start()
            assert (await browser.request("GET", "/api/v1/me"))[0] == 200
            page = await browser.open("/sso/logout")
            await browser.press(page, "Sign out")
            assert (await browser.request("GET", "/api/v1/me"))[0] == 401
        async with world.browser() as browser:
            page = await world.google(browser, "sam", "/calls")
            page = await browser.press(page, "srivera")
            valkey.command("FLUSHALL")

            async def forgotten() -> bool:
                return (await browser.request("GET", "/api/v1/me"))[0] == 401

            await world.stop()
            await world.start()
            await until(forgotten, world.said)
            # Chosen before, and PostgreSQL remembers it.
            assert (await world.google(browser, "sam", "/calls")).path == "/calls"
    postgres.drop_database(own)
    postgres.drop_database(sonar)


async def links_of(links: LinkStore, email: str) -> int:
    (key,) = await links.known("google", Email.parse(email))
    return len(await links.links_of(key))
