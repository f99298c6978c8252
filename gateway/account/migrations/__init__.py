"""The schema of the gateway's own database, one Alembic revision a file in versions/.

    migrate(url)               bring it to the newest revision: `sonar-gateway migrate`
    check_revision(current)    whether this code can use a database at that revision

Add a revision by hand: the next number, `down_revision` the one before, and `REVISION` in
revision.py. There is no env.py: `migrate` is the one way in, so that production, tests and a
developer run the same. Only `migrate` imports Alembic, which `serve` has no time for.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account.database import open_database, parse_url, sqlite_file, working
from gateway.account.revision import REVISION
from gateway.account.tables import alembic_version
from gateway.errors import LinksUnavailable, SchemaOutdated
from gateway.secret import Secret

_KEY = "links.database"

# A migration may rewrite a table; more than this needs a plan, not a wait.
_PATIENCE = 300.0

# The key of PostgreSQL's advisory lock, any number that nobody else uses: "SNRG" in ASCII.
_LOCK = 0x534E5247


async def migrate(url: Secret) -> tuple[str, ...]:
    """Bring the database to `REVISION`; the revisions applied, oldest first, perhaps none.

    All of them or none: one transaction. Several processes may call it at once; they wait for one
    another. An SQLite file is made when missing, readable by its owner only, like its folder.
    Raises `LinksUnavailable`, and `SchemaOutdated` when the database is newer than this code.
    """
    file = sqlite_file(parse_url(url, _KEY))
    if file is not None:
        await asyncio.to_thread(_make_file, file)
    database = open_database(
        url, _KEY, use="write", timeout=_PATIENCE, unavailable=LinksUnavailable
    )
    try:
        async with working(database) as connection:
            await _lock(connection, file)
            check_revision(await current_revision(connection), may_be_older=True)
            applied = await connection.run_sync(_upgrade)
            await connection.commit()
    finally:
        await database.engine.dispose()
    return applied


async def current_revision(connection: AsyncConnection) -> str | None:
    """The revision the database is at, `None` for one that never was migrated."""
    there = await connection.run_sync(lambda sync: inspect(sync).has_table(alembic_version.name))
    if not there:
        return None
    found: str | None = await connection.scalar(select(alembic_version.c.version_num))
    return found


def check_revision(current: str | None, *, may_be_older: bool = False) -> None:
    """Raise `SchemaOutdated`, with what to do, unless this code can use the database.

    Revisions are four digits, so that their order as text is their order.
    """
    if current is not None and current > REVISION:
        raise SchemaOutdated(
            f"links.database is at revision {current}, newer than {REVISION}, the newest that this"
            " version of Sonar Gateway knows; run the version that migrated it"
        )
    if not may_be_older and current is None:
        raise SchemaOutdated("links.database has no tables yet; the command `migrate` makes them")
    if not may_be_older and current != REVISION:
        raise SchemaOutdated(
            f"links.database is at revision {current} and must be at {REVISION};"
            " the command `migrate` brings it there"
        )


def _make_file(file: Path) -> None:
    """Who may read it learns who is who, so only its owner may."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LinksUnavailable(f"{file}: {error.strerror}") from error


async def _lock(connection: AsyncConnection, file: Path | None) -> None:
    """Let one process migrate at a time."""
    if file is None:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        return
    # Readers go on reading while somebody writes. Set once, remembered in the file; it cannot be
    # set inside a transaction.
    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    await connection.exec_driver_sql("BEGIN IMMEDIATE")


def _upgrade(connection: Connection) -> tuple[str, ...]:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(__file__).parent))
    applied: list[str] = []

    def pending(current: Any, _context: MigrationContext) -> list[RevisionStep]:
        # As `alembic.command.upgrade` does it.
        steps = script._upgrade_revs("head", current)
        applied.extend(step.revision.revision for step in steps)
        return list(steps)

    with EnvironmentContext(Config(), script, fn=pending) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
    return tuple(applied)
