"""The place for keys that config.yaml names, those there, and how long what they make lives."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.config import Config
from gateway.errors import ConfigError, Problem
from gateway.session.keys.environment import EnvironmentKeys
from gateway.session.keys.files import FileKeys
from gateway.session.keys.ring import KeyRing, Lives
from gateway.session.keys.rotation import complete
from gateway.session.keys.source import KeySource


def source_for(config: Config) -> KeySource:
    keys = config.keys
    if isinstance(keys.source, Path):
        return FileKeys(keys.source)
    if keys.secret is None:
        return EnvironmentKeys(keys.source.removeprefix("env:"), os.environ)
    # SQLAlchemy takes half a start; only those who keep keys there wait for it.
    from gateway.session.keys.database import DatabaseKeys

    return DatabaseKeys(config.links.database, keys.secret, keys.old_secret)


@asynccontextmanager
async def opened_source(config: Config) -> AsyncIterator[KeySource]:
    """The place for keys, open for as long as a command needs it.

    Raises `ConfigError`, `SchemaOutdated` and `LinksUnavailable`.
    """
    source = source_for(config)
    await source.open()
    try:
        yield source
    finally:
        await source.close()


async def ring_for(config: Config, *, make: bool = False) -> KeyRing:
    """The keys there are now, for a command; every one counts. `make`: the first ones, too.

    Raises `ConfigError`, also when there are none, `SchemaOutdated` and `LinksUnavailable`.
    """
    async with opened_source(config) as source:
        kept = await complete(source) if make else await source.read()
    if kept.problems:
        raise ConfigError(kept.problems)
    if kept.missing:
        wrong = "has no keys yet; `serve` makes them at its first start"
        raise ConfigError((Problem(source.where, "keys", None, wrong),))
    return KeyRing(kept.keys)


def lives_in(config: Config) -> Lives:
    """A policy can make sessions shorter, never longer."""
    return {"root": config.sessions.lifetime, "es256": config.assertion.lifetime}
