"""What `check` says of the way to a PostgreSQL database: who could listen."""

from gateway.account.database import open_database, working
from gateway.account.postgresql import told_of_tls
from gateway.commands.lines import Line, Lines
from gateway.config import Config, SqlDirectory
from gateway.errors import ConfigError, LinksUnavailable
from gateway.secret import Secret

_PATIENCE = 5.0


async def check_own_way(config: Config) -> Lines:
    """Of the gateway's own database."""
    return await _way(config.links.database, "links.database", "links database")


async def check_directory_way(config: Config) -> Lines:
    """Of Sonar's, where that is how the directory is read."""
    directory = config.directory
    if not isinstance(directory, SqlDirectory):
        return ()
    return await _way(directory.url, "directory.url", "directory")


async def _way(url: Secret, key: str, part: str) -> Lines:
    try:
        database = open_database(
            url, key, use="read", timeout=_PATIENCE, unavailable=LinksUnavailable
        )
    except ConfigError:
        return ()  # said by who needs the database, and so is below
    try:
        if database.engine.dialect.name != "postgresql":
            return ()
        async with working(database) as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            is_well, told = told_of_tls(raw, database.engine.url)
    except LinksUnavailable:
        return ()
    finally:
        await database.engine.dispose()
    return (Line("ok" if is_well else "warn", part, told),)
