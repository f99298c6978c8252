"""The one thread on which the embedded store's file is asked, so that a cancelled request never
leaves a connection half-way."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.errors import SessionsUnavailable
from gateway.session.store.codec import Keys
from gateway.session.store.database import Database

# How long a writer waits for other processes' writes, which take milliseconds.
_BUSY_SECONDS = 1.0

T = TypeVar("T")


class DatabaseThread:
    """For the file `path`; `clock`: Unix seconds; `keys`: those for its records, before `open`. All
    of it may raise `SessionsUnavailable`."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None
        self._database: Database | None = None
        self.keys: Keys | None = None

    async def open(self) -> None:
        self._thread = ThreadPoolExecutor(1, "sessions")
        try:
            self._database = await self._run(lambda: Database(self._path, self._clock, self.keys))
        except SessionsUnavailable:
            self._thread.shutdown()
            raise

    async def close(self) -> None:
        if self._database is not None:
            await self._run(self._database.close)
            self._database = None
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    async def ask(self, question: Callable[[Database], T]) -> T:
        database = self._database
        if database is None:
            raise _not_open()
        return await self._run(lambda: question(database))

    async def _run(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise _not_open()
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


def _not_open() -> SessionsUnavailable:
    return SessionsUnavailable("the session store is not open")


def _is_busy(error: Exception) -> bool:
    """Another process is writing; what was asked has not happened."""
    # The low byte is the primary code (sqlite.org/rescode.html); Python's own errors have none.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
