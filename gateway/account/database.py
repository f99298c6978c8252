"""How the gateway reaches an SQL database, Sonar's or its own, and what breaks on the way.

Whatever the driver, a block of work has a time limit, and every foreign exception leaves it as the
one exception the caller names. Parameters never appear in an exception or a log: they are people's
addresses.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.account.postgresql import read_options
from gateway.errors import ConfigError, Problem, Unavailable
from gateway.operate.outage import Part, Untold
from gateway.secret import Secret

# The URL names the kind of database; the asyncio driver for it is ours to know.
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "mysql": "mysql+aiomysql",
    "mariadb": "mysql+aiomysql",
}

# Sign-ins only: hundreds a second need no more, and PostgreSQL allows 100 in all by default.
_CONNECTIONS = 5

Use = Literal["read", "write"]
# Neither makes a file that is not there: an empty database would only hide a wrong path.
_SQLITE_MODE: dict[Use, str] = {"read": "ro", "write": "rw"}


class Idle:
    """The connections that nobody uses at the moment.

    When one fails, the others may be of no more use. A network that lost one may have lost them
    all, without a sign, and whoever took one would wait until their time is up. SQLite opens a file
    that may not be written for reading, and never looks again. Their places in the pool are emptied
    with them: a driver may not notice that the connection it is asked on was ended.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._places: set[ConnectionPoolEntry] = set()
        event.listen(engine.sync_engine, "checkin", self._given_back)
        event.listen(engine.sync_engine, "checkout", self._taken)
        event.listen(engine.sync_engine, "close", self._taken)

    def end(self) -> None:
        places, self._places = self._places, set()
        for place in places:
            place.invalidate()

    def _given_back(self, connection: object, place: ConnectionPoolEntry) -> None:
        # Nothing, when it broke meanwhile.
        if connection is not None:
            self._places.add(place)

    def _taken(self, _connection: object, place: ConnectionPoolEntry, *_: object) -> None:
        self._places.discard(place)


class Database(NamedTuple):
    """An engine, its file if it is SQLite, the seconds a block of work on it may take, what it
    raises when it breaks, who is told, and its idle connections."""

    engine: AsyncEngine
    file: Path | None
    timeout: float
    unavailable: type[Unavailable]
    part: Part
    idle: Idle


def open_database(
    url: Secret,
    key: str,
    *,
    use: Use,
    timeout: float,
    unavailable: type[Unavailable],
    part: Part | None = None,
) -> Database:
    """Make an engine; nothing is connected yet.

    `key` is the URL's key in config.yaml, named when the URL cannot be used (`ConfigError`).
    With `read` the database itself refuses writes, whatever we might send it.
    """
    parsed = parse_url(url, key)
    file = sqlite_file(parsed)
    arguments: dict[str, Any] = {}
    match parsed.get_backend_name():
        case "sqlite":
            arguments["timeout"] = timeout
            parsed = _sqlite_uri(parsed, _SQLITE_MODE[use])
        case "postgresql" if parsed.get_driver_name() == "asyncpg":
            settings = {"application_name": "sonar-gateway"}
            if use == "read":
                settings["default_transaction_read_only"] = "on"
            arguments |= {"timeout": timeout, "command_timeout": timeout}
            arguments["server_settings"] = settings
            parsed, tls = read_options(parsed, key)
            arguments |= tls
    try:
        engine = create_async_engine(
            parsed,
            connect_args=arguments,
            hide_parameters=True,
            max_overflow=0,
            pool_pre_ping=True,
            pool_size=_CONNECTIONS,
        )
    except (SQLAlchemyError, ImportError) as error:
        wrong = f"there is no asyncio driver here for {parsed.drivername}"
        raise ConfigError((Problem("config.yaml", key, None, wrong),)) from error
    return Database(engine, file, timeout, unavailable, part or Untold(key), Idle(engine))


@asynccontextmanager
async def working(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection for one block of work: commit it yourself, or what it wrote is undone. Fails at
    once while the database is gone."""
    database.part.check()
    began = time.monotonic()
    try:
        async with asking(database) as connection:
            yield connection
    except Unavailable as error:
        # A refusal at once is this work's alone; what took long would keep the next waiting, too.
        slow = time.monotonic() - began > database.timeout / 2
        database.part.failed(error, began, gone=slow or not error.refused)
        raise


@asynccontextmanager
async def asking(database: Database) -> AsyncIterator[AsyncConnection]:
    """The same, gone or not, and nobody is told of it: to see whether it works again."""
    try:
        _check_file(database)
        async with asyncio.timeout(database.timeout), _connection(database) as connection:
            yield connection
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        refused = not isinstance(error, TimeoutError)
        if database.file is not None or not refused:
            database.idle.end()
        raise database.unavailable(_told(error), refused=refused) from error


def parse_url(url: Secret, key: str) -> URL:
    """The URL with its asyncio driver, or `ConfigError` without showing what may be a password."""
    try:
        parsed = make_url(url.reveal())
    except SQLAlchemyError:
        wrong = "not a database URL such as sqlite:///var/file.db or postgresql://user@host/name"
        raise ConfigError((Problem("config.yaml", key, None, wrong),)) from None
    parsed = parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        wrong = "names no file: write sqlite:///relative/path.db or sqlite:////absolute/path.db"
        raise ConfigError((Problem("config.yaml", key, None, wrong),))
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL, `None` for another database."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(os.path.abspath(url.database))


def _check_file(database: Database) -> None:
    """Say that the file is not there, rather than "unable to open database file"; and leave no
    thread of aiosqlite's behind, which it starts before it tries."""
    if database.file is not None and not database.file.exists():
        raise database.unavailable(f"there is no file {database.file}")


def _sqlite_uri(url: URL, mode: str) -> URL:
    """https://www.sqlite.org/uri.html: the only way to say that a file must not be made or
    written."""
    file = sqlite_file(url)
    return url.set(
        database=f"file:{quote(str(file))}", query={**url.query, "mode": mode, "uri": "true"}
    )


@asynccontextmanager
async def _connection(database: Database) -> AsyncIterator[AsyncConnection]:
    try:
        connection = await database.engine.connect()
    except Exception as error:
        # Drivers raise their own exceptions while connecting (asyncpg: InvalidPasswordError);
        # nothing of ours runs in there.
        database.idle.end()
        raise database.unavailable(f"{_where(database)}: {_told(error)}") from error
    interruption = await _interrupt_sqlite(database, connection)
    try:
        yield connection
    except SQLAlchemyError:
        if database.file is not None:
            # Like the idle ones.
            await connection.invalidate()
        raise
    finally:
        if interruption is not None:
            interruption.cancel()
        await connection.close()


async def _interrupt_sqlite(
    database: Database, connection: AsyncConnection
) -> asyncio.TimerHandle | None:
    """End a slow query when its time is up. Cancelling its task is not enough for SQLite: the
    query runs in a thread, and closing the connection waits for it."""
    if database.file is None:
        return None
    driver: Any = (await connection.get_raw_connection()).driver_connection
    loop = asyncio.get_running_loop()
    return loop.call_later(
        database.timeout, lambda: asyncio.ensure_future(driver.interrupt(), loop=loop)
    )


def _where(database: Database) -> str:
    """Which one it is, without its password."""
    url = database.engine.url
    return str(
        database.file or f"{url.host or url.query.get('host')}:{url.port or '(default port)'}"
    )


def _told(error: Exception) -> str:
    """What broke, in words an operator can use, without SQL and its parameters."""
    origin = getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {origin}" if str(origin) else type(origin).__name__
