"""What the SQLite file of the embedded store has under a name (`NamedStore`). Plain blocking calls,
like database.py; the tables keep the names that the methods once had."""

import sqlite3
from collections.abc import Callable

from gateway.session.store import attempts
from gateway.session.store.attempts import Throttle
from gateway.session.store.writing import writing

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS claims (
    name TEXT PRIMARY KEY, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (
    name TEXT PRIMARY KEY, events INTEGER NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
    name TEXT PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL
);
{attempts.SCHEMA}"""


class Named:
    """`NamedStore`, blocking. `clock`: Unix seconds. Raises `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._clock = clock

    def first(self, name: str, seconds: float) -> bool:
        now = self._clock()
        written = self._connection.execute(
            "INSERT INTO claims (name, until) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE until <= ?",
            (name, now + seconds, now),
        )
        return written.rowcount > 0

    def count(self, name: str, seconds: float) -> int:
        now = self._clock()
        (events,) = self._connection.execute(
            "INSERT INTO counts (name, events, until) VALUES (?, 1, ?) "
            "ON CONFLICT (name) DO UPDATE SET "
            "events = CASE WHEN until <= ? THEN 1 ELSE events + 1 END, "
            "until = CASE WHEN until <= ? THEN excluded.until ELSE until END RETURNING events",
            (name, now + seconds, now, now),
        ).fetchone()
        return int(events)

    def attempt(self, name: str, throttle: Throttle) -> float:
        with writing(self._connection):
            return attempts.attempt(self._connection, name, throttle, self._clock())

    def pardon(self, name: str) -> None:
        attempts.pardon(self._connection, name)

    def forget(self, name: str) -> None:
        with writing(self._connection):
            self._connection.execute("DELETE FROM counts WHERE name = ?", (name,))
            self._connection.execute("DELETE FROM attempts WHERE name = ?", (name,))

    def put(self, name: str, value: bytes, seconds: float) -> None:
        self._connection.execute(
            "INSERT INTO kept (name, value, until) VALUES (?, ?, ?) ON CONFLICT (name) "
            "DO UPDATE SET value = excluded.value, until = excluded.until",
            (name, value, self._clock() + seconds),
        )

    def get(self, name: str) -> bytes | None:
        row = self._connection.execute(
            "SELECT value FROM kept WHERE name = ? AND until > ?", (name, self._clock())
        ).fetchone()
        return None if row is None else bytes(row[0])

    def take(self, name: str) -> bytes | None:
        row = self._connection.execute(
            "DELETE FROM kept WHERE name = ? RETURNING value, until", (name,)
        ).fetchone()
        return None if row is None or row[1] <= self._clock() else bytes(row[0])

    def purge(self) -> None:
        """Drop what is past its time; part of somebody's transaction."""
        now = self._clock()
        self._connection.execute("DELETE FROM claims WHERE until <= ?", (now,))
        self._connection.execute("DELETE FROM counts WHERE until <= ?", (now,))
        self._connection.execute("DELETE FROM attempts WHERE until <= ?", (now,))
        self._connection.execute("DELETE FROM kept WHERE until <= ?", (now,))
