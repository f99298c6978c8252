"""The databases of the account tests: each test that asks for one runs on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import bcrypt
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.passwords import Passwords
from gateway.secret import Secret


class Sql:
    """A new, empty database: its URL as in config.yaml, and a way to write it as Sonar would."""

    def __init__(self, url: str) -> None:
        self.url = Secret(url)
        self.is_sqlite = url.startswith("sqlite:")

    async def execute(self, *statements: str | tuple[str, dict[str, object]]) -> None:
        """Run each, with its values, all in one transaction."""
        driver = "sqlite+aiosqlite:" if self.is_sqlite else "postgresql+asyncpg:"
        engine = create_async_engine(driver + self.url.reveal().partition(":")[2])
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    query, values = (statement, {}) if isinstance(statement, str) else statement
                    await connection.execute(text(query), values)
        finally:
            await engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def sql(request: pytest.FixtureRequest, tmp_path: Path) -> Sql:
    if request.param == "sqlite":
        return Sql(f"sqlite:///{tmp_path}/var/database.db")
    return Sql(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def links(sql: Sql) -> AsyncIterator[LinkStore]:
    """What the gateway stores, empty."""
    await migrate(sql.url)
    store = LinkStore(sql.url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords(2)
    # Else unknown people would take as long as with real hashes: 0.3 s.
    made.expect([bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()])
    yield made
    made.close()
