"""The gateway's own database, `links.database`, opened only where this code fits its schema."""

from contextlib import AbstractAsyncContextManager

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.account.database import Database, open_database, parse_url, sqlite_file, working
from gateway.account.migrations import check_revision, current_revision
from gateway.errors import LinksUnavailable
from gateway.operate.outage import Part
from gateway.secret import Secret

_KEY = "links.database"

# A person waits for this at a sign-in, and a busy SQLite file is free again in milliseconds.
_TIMEOUT = 5.0


class OwnDatabase:
    """`part`: who is told whether it works. What does I/O may raise `LinksUnavailable`, and so does
    whatever needs it open while it is not."""

    def __init__(self, url: Secret, part: Part | None = None) -> None:
        self._url = url
        self._part = part
        self._database: Database | None = None

    async def open(self) -> None:
        """Connect; raises `SchemaOutdated` with the command to run unless the schema fits."""
        file = sqlite_file(parse_url(self._url, _KEY))
        if file is not None and not file.exists():
            check_revision(None)
        database = open_database(
            self._url,
            _KEY,
            use="write",
            timeout=_TIMEOUT,
            unavailable=LinksUnavailable,
            part=self._part,
        )
        try:
            async with working(database) as connection:
                check_revision(await current_revision(connection))
        except BaseException:
            await database.engine.dispose()
            raise
        self._database = database

    async def close(self) -> None:
        if self._database is not None:
            await self._database.engine.dispose()
            self._database = None

    def there(self) -> Database:
        """The database, which `open` has opened."""
        if self._database is None:
            raise LinksUnavailable("not open")
        return self._database

    def working(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """`working` (database.py), on this one."""
        return working(self.there())

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """An INSERT that can say what happens on a conflict, which is the same in both."""
        if self.there().engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)
