"""Sessions in an SQLite file: one machine, several processes, survives a restart.

Every statement runs on one thread of its own, so that a cancelled request never leaves a
connection half-way. News of ended sessions crosses processes through the table `endings`, whose
numbers only grow: each process looks for newer ones whenever SQLite says that somebody else has
written (`PRAGMA data_version`, a few microseconds).
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import structlog

from gateway.errors import SessionsUnavailable
from gateway.session.model import Session
from gateway.session.store import nobody_listens, pass_on
from gateway.session.store.attempts import Throttle
from gateway.session.store.database import Database, count_live

_log = structlog.get_logger()

# A quarter of the second within which every process must know that a session ended.
_LISTEN_EVERY = 0.25
# How long a writer waits for other processes' writes, which take milliseconds.
_BUSY_SECONDS = 1.0
_PURGE_EVERY = 60.0
T = TypeVar("T")


class EmbeddedStore:
    """`SessionStore` in the file `path`. `clock`: Unix seconds."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._heard: Callable[[str], None] = nobody_listens
        self._lost: Callable[[], None] = nobody_listens
        self._changed: Callable[[str], None] = nobody_listens
        self._thread: ThreadPoolExecutor | None = None
        self._listener: asyncio.Task[None] | None = None
        self._database: Database | None = None

    def on_end(self, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._heard, self._lost = heard, lost

    def on_change(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    async def open(self) -> None:
        self._thread = ThreadPoolExecutor(1, "sessions")
        try:
            self._database = await self._run(lambda: Database(self._path, self._clock))
        except SessionsUnavailable:
            self._thread.shutdown()
            raise
        self._listener = asyncio.create_task(self._listen(self._database))

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None
        if self._database is not None:
            await self._run(self._database.close)
            self._database = None
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    async def create(self, session: Session) -> None:
        await self._ask(lambda database: database.create(session))

    async def load(self, key: str) -> Session | None:
        return await self._ask(lambda database: database.load(key))

    async def touch(self, key: str, seen: float) -> None:
        await self._ask(lambda database: database.touch(key, seen))

    async def change(self, key: str, change: Callable[[Session], Session | None]) -> Session | None:
        return await self._ask(lambda database: database.change(key, change))

    async def end(self, key: str) -> bool:
        ended = await self._ask(lambda database: database.end(key))
        self._heard(key)
        return ended

    async def try_out(self) -> None:
        await self.claim("tried out", 1.0)

    async def all(self) -> tuple[Session, ...]:
        return await self._ask(lambda database: database.all())

    async def labelled(self, label: str) -> tuple[Session, ...]:
        return await self._ask(lambda database: database.labelled(label))

    async def claim(self, name: str, seconds: float) -> bool:
        return await self._ask(lambda database: database.named.claim(name, seconds))

    async def count(self, name: str, seconds: float) -> int:
        return await self._ask(lambda database: database.named.count(name, seconds))

    async def attempt(self, name: str, throttle: Throttle) -> float:
        return await self._ask(lambda database: database.named.attempt(name, throttle))

    async def pardon(self, name: str) -> None:
        await self._ask(lambda database: database.named.pardon(name))

    async def forget(self, name: str) -> None:
        await self._ask(lambda database: database.named.forget(name))

    async def keep(self, name: str, value: bytes, seconds: float) -> None:
        await self._ask(lambda database: database.named.keep(name, value, seconds))

    async def kept(self, name: str) -> bytes | None:
        return await self._ask(lambda database: database.named.kept(name))

    async def take(self, name: str) -> bytes | None:
        return await self._ask(lambda database: database.named.take(name))

    async def _ask(self, question: Callable[[Database], T]) -> T:
        database = self._database
        if database is None:
            raise SessionsUnavailable("the session store is not open")
        return await self._run(lambda: question(database))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise SessionsUnavailable("the session store is not open")
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except (sqlite3.Error, OSError) as error:
                if not _is_busy(error) or time.monotonic() >= deadline:
                    # A file that cannot be written now may well be read.
                    raise SessionsUnavailable(f"{self._path}: {error}", refused=True) from error
            # SQLite's own waiting would hold the thread, and with it every reader and the news.
            # By chance, so that two processes do not stay in step.
            await asyncio.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - no secret

    async def _listen(self, database: Database) -> None:
        purged, told = self._clock(), False
        while True:
            await asyncio.sleep(_LISTEN_EVERY)
            try:
                ended = await self._run(database.news)
                if self._clock() - purged >= _PURGE_EVERY:
                    await self._run(database.purge)
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


def _is_busy(error: Exception) -> bool:
    """Another process is writing; what was asked has not happened."""
    # The low byte is the primary code (sqlite.org/rescode.html); Python's own errors have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
