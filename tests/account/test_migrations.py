"""The schema of the gateway's own database comes from the migrations, on both databases."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.account import migrations
from gateway.account.database import parse_url
from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.revision import REVISION, is_current
from gateway.account.tables import metadata
from gateway.errors import ConfigError, LinksUnavailable, SchemaOutdated
from gateway.secret import Secret
from tests.account.conftest import Sql

ALL = tuple(f"{number:04}" for number in range(1, int(REVISION) + 1))


async def test_migrating_twice_does_it_once(sql: Sql) -> None:
    assert await migrate(sql.url) == ALL
    assert await migrate(sql.url) == ()


async def test_of_many_processes_one_migrates(sql: Sql) -> None:
    applied = await asyncio.gather(*(migrate(sql.url) for _ in range(4)))
    assert sorted(applied) == [(), (), (), ALL]


async def test_the_tables_are_those_the_code_knows(sql: Sql) -> None:
    await migrate(sql.url)

    def differences(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    engine = create_async_engine(parse_url(sql.url, "links.database"))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def test_the_code_knows_the_newest_revision() -> None:
    folder = Path(migrations.__file__).parent
    assert ScriptDirectory(str(folder)).get_current_head() == REVISION


async def test_a_newer_database_is_left_alone(sql: Sql) -> None:
    await migrate(sql.url)
    await sql.execute("UPDATE alembic_version SET version_num = '9999'")
    for attempt in (migrate(sql.url), LinkStore(sql.url).open()):
        with pytest.raises(SchemaOutdated, match="newer than"):
            await attempt


async def test_an_older_database_is_not_served(sql: Sql) -> None:
    await migrate(sql.url)
    await sql.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(SchemaOutdated, match="the command `migrate` brings it there"):
        await LinkStore(sql.url).open()


async def test_a_migration_that_breaks_leaves_nothing_behind(sql: Sql) -> None:
    if sql.is_sqlite:
        Path(sql.url.reveal().removeprefix("sqlite:///")).parent.mkdir()
    # The last table of the revision is there already.
    await sql.execute("CREATE TABLE pins (other TEXT)")
    with pytest.raises(LinksUnavailable):
        await migrate(sql.url)
    with pytest.raises(SchemaOutdated):
        await LinkStore(sql.url).open()
    await sql.execute("DROP TABLE pins")
    assert await migrate(sql.url) == ALL


async def test_only_its_owner_reads_an_sqlite_file(tmp_path: Path) -> None:
    file = tmp_path / "a" / "var" / "gateway.db"
    await migrate(Secret(f"sqlite:///{file}"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_asking_makes_no_file(tmp_path: Path) -> None:
    url = Secret(f"sqlite:///{tmp_path}/gateway.db")
    with pytest.raises(SchemaOutdated):
        await LinkStore(url).open()
    assert not os.listdir(tmp_path)


async def test_a_path_is_a_path_whatever_is_in_it(tmp_path: Path) -> None:
    """What a folder is called must not become a setting of SQLite's."""
    file = tmp_path / "50% off?mode=memory#" / "gateway.db"
    await migrate(Secret(f"sqlite:///{quote(str(file))}"))
    assert file.stat().st_size > 0


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    with pytest.raises(LinksUnavailable):
        await migrate(Secret(f"sqlite:///{tmp_path}/var/gateway.db"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "oracle://hunter2@host/x",
        "x+y://hunter2@h",
    ],
)
async def test_a_url_nobody_can_use_is_a_problem_of_the_config(url: str) -> None:
    with pytest.raises(ConfigError) as raised:
        await migrate(Secret(url))
    assert raised.value.problems[0].key == "links.database"
    assert "hunter2" not in str(raised.value)


def test_serving_does_not_wait_for_alembic() -> None:
    script = (
        "import sys, gateway.account.links, gateway.account.facts;"
        "sys.exit(any(name.startswith('alembic') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


async def test_a_quick_look_tells_a_current_database_from_all_others(tmp_path: Path) -> None:
    """It never makes a file, and is never wrong when it says yes."""
    file = tmp_path / "links #1?.db"
    url = Secret(f"sqlite:///{file}")
    assert not is_current(url)
    assert not file.exists()
    file.write_bytes(b"no database, but long enough to look like the head of one" * 10)
    assert not is_current(url)
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.commit()
        assert not is_current(url)
        for found, current in ((REVISION, True), ("0000", False), ("9999", False)):
            connection.execute("DELETE FROM alembic_version")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (found,))
            connection.commit()
            assert is_current(url) is current
    assert not is_current(Secret("postgresql://somebody@db.internal/sonar"))
