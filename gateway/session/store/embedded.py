"""Sessions in an SQLite file: one machine, several processes, survives a restart.

News of ended sessions crosses processes through the table `endings`, whose numbers only grow: each
process looks for newer ones whenever SQLite says that somebody else has written (`PRAGMA
data_version`, a few microseconds).
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.errors import SessionsUnavailable
from gateway.session.model import Session
from gateway.session.store import NamedStore, nobody_listens, pass_on
from gateway.session.store.codec import Keys
from gateway.session.store.database import count_live
from gateway.session.store.embedded_named import EmbeddedNamed
from gateway.session.store.embedded_thread import DatabaseThread
from gateway.tasks import stopped

_log = structlog.get_logger()

# A quarter of the second within which every process must know that a session ended.
_LISTEN_EVERY = 0.25
_PURGE_EVERY = 60.0


class EmbeddedStore:
    """`Store` in the file `path`. `clock`: Unix seconds."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._thread = DatabaseThread(path, clock)
        self.named: NamedStore = EmbeddedNamed(self._thread)
        self._heard: Callable[[str], None] = nobody_listens
        self._lost: Callable[[], None] = nobody_listens
        self._changed: Callable[[str], None] = nobody_listens
        self._listener: asyncio.Task[None] | None = None

    def vouch_with(self, keys: Keys) -> None:
        self._thread.keys = keys

    def on_end(self, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._heard, self._lost = heard, lost

    def on_change(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    async def open(self) -> None:
        await self._thread.open()
        self._listener = asyncio.create_task(self._listen())

    async def close(self) -> None:
        await stopped(self._listener)
        self._listener = None
        await self._thread.close()

    async def try_out(self) -> None:
        await self.named.first("tried out", 1.0)

    async def create(self, session: Session) -> None:
        await self._thread.ask(lambda database: database.create(session))

    async def load(self, key: str) -> Session | None:
        return await self._thread.ask(lambda database: database.load(key))

    async def touch(self, key: str, seen: float) -> None:
        await self._thread.ask(lambda database: database.touch(key, seen))

    async def change(self, key: str, change: Callable[[Session], Session | None]) -> Session | None:
        return await self._thread.ask(lambda database: database.change(key, change))

    async def end(self, key: str) -> bool:
        ended = await self._thread.ask(lambda database: database.end(key))
        self._heard(key)
        return ended

    async def all(self) -> tuple[Session, ...]:
        return await self._thread.ask(lambda database: database.all())

    async def labelled(self, label: str) -> tuple[Session, ...]:
        return await self._thread.ask(lambda database: database.labelled(label))

    async def _listen(self) -> None:
        purged, told = self._clock(), False
        while True:
            await asyncio.sleep(_LISTEN_EVERY)
            try:
                ended = await self._thread.ask(lambda database: database.news())
                if self._clock() - purged >= _PURGE_EVERY:
                    await self._thread.ask(lambda database: database.purge())
                    purged = self._clock()
            except SessionsUnavailable as error:
                if not told:
                    _log.warning("session_news_lost", reason=error.reason, error=str(error))
                told = True
                self._lost()
                continue
            told = False
            if ended is None:
                self._lost()
                continue
            for news in ended:
                pass_on(news, self._heard, self._changed)


async def count_sessions(path: Path, now: float) -> int | None:
    """How many are signed in, for commands that only look: nothing is made or changed. `None`
    while there is no store yet. Raises `SessionsUnavailable`."""
    try:
        return await asyncio.to_thread(count_live, path, now)
    except (sqlite3.Error, OSError) as error:
        raise SessionsUnavailable(f"{path}: {error}") from error
