"""The databases of the account tests: each test that asks for one runs on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.account.passwords import Passwords
from gateway.secret import Secret


class Sql:
    """A new, empty database: its URL as in config.yaml, and a way to write it as Sonar would."""

    def __init__(self, url: str) -> None:
        self.url = Secret(url)
        self.is_sqlite = url.startswith("sqlite:")

    async def execute(self, *statements: str, **values: object) -> None:
        driver = "sqlite+aiosqlite:" if self.is_sqlite else "postgresql+asyncpg:"
        engine = create_async_engine(driver + self.url.reveal().partition(":")[2])
        try:
            async with engine.begin() as connection:
                for statement in statements:
                    await connection.execute(text(statement), values)
        finally:
            await engine.dispose()

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        driver = "sqlite+aiosqlite:" if self.is_sqlite else "postgresql+asyncpg:"
        engine = create_async_engine(driver + self.url.reveal().partition(":")[2])
        try:
            async with engine.connect() as connection:
                return [tuple(row) for row in (await connection.execute(text(query))).all()]
        finally:
            await engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def sql(request: pytest.FixtureRequest, tmp_path: Path) -> Sql:
    if request.param == "sqlite":
        return Sql(f"sqlite:///{tmp_path}/var/database.db")
    return Sql(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords(2)
    yield made
    made.close()
