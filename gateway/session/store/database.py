"""The SQLite file of the embedded store: plain blocking calls, all from one thread. Sessions and
the news of them; what else is in it, under a name, is `named`."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from gateway.session.model import Session
from gateway.session.store import CHANGED, named
from gateway.session.store.codec import Keys, Stored, decode, encode
from gateway.session.store.named import Named
from gateway.session.store.writing import writing

# An ending is kept this long for processes that were stopped meanwhile; one that missed more than
# this asks the store for everything again.
_KEEP_ENDINGS = 3600.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    key TEXT PRIMARY KEY, record BLOB NOT NULL,
    seen REAL NOT NULL, idle REAL NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (
    label TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (label, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS labels_by_key ON labels (key);
CREATE TABLE IF NOT EXISTS unlabelled (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS session_created AFTER INSERT ON sessions
WHEN NOT EXISTS (SELECT 1 FROM labels WHERE key = NEW.key) BEGIN
    INSERT INTO unlabelled (key) VALUES (NEW.key);
END;
CREATE TRIGGER IF NOT EXISTS session_deleted AFTER DELETE ON sessions BEGIN
    DELETE FROM labels WHERE key = OLD.key;
    DELETE FROM unlabelled WHERE key = OLD.key;
END;
CREATE TABLE IF NOT EXISTS endings (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, at REAL NOT NULL
);
"""
_ALIVE = "min(seen + idle, until) > ?"


def count_live(path: Path, now: float) -> int | None:
    """How many sessions are in the file, `None` before its first use. Changes and makes nothing.

    Raises `sqlite3.Error` and `OSError`.
    """
    if not path.exists():
        return None
    # Without a journal beside the file nobody has it open, and as immutable SQLite reads it alone;
    # else it would make a journal to read an empty one.
    in_use = path.with_name(f"{path.name}-wal").exists()
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'' if in_use else '&immutable=1'}"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        made = "SELECT 1 FROM sqlite_master WHERE name = 'sessions'"
        if connection.execute(made).fetchone() is None:
            return None
        live = f"SELECT count(*) FROM sessions WHERE {_ALIVE}"  # noqa: S608 - constant
        return int(connection.execute(live, (now,)).fetchone()[0])


class Database:
    """`SessionStore`, blocking, and `named`. `clock`: Unix seconds; `keys`: those that records are
    vouched for with. Raises `sqlite3.Error` and `OSError`."""

    def __init__(self, path: Path, clock: Callable[[], float], keys: Keys | None = None) -> None:
        self._clock = clock
        self._keys = keys
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its journal files the mode of the database.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False
        )
        self.named = Named(self._connection, clock)
        try:
            # A commit is on disk before its caller goes on: a power cut must not bring back a
            # session that was ended.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA + named.SCHEMA)
            # Of a file from before there were labels.
            self._connection.execute(
                "INSERT OR IGNORE INTO unlabelled (key) "
                "SELECT key FROM sessions WHERE key NOT IN (SELECT key FROM labels)"
            )
            self._version = self._data_version()
            self._heard_until = self._last_ending()
            self.purge()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def create(self, session: Session) -> None:
        with writing(self._connection):
            self._label(session)
            self._connection.execute(
                "INSERT INTO sessions (key, record, seen, idle, until) VALUES (?, ?, ?, ?, ?)",
                (
                    session.key,
                    encode(session, self._keys),
                    session.seen,
                    session.idle,
                    session.started + session.lifetime,
                ),
            )

    def load(self, key: str) -> Session | None:
        row = self._connection.execute(
            f"SELECT record, seen FROM sessions WHERE key = ? AND {_ALIVE}",  # noqa: S608 - constant
            (key, self._clock()),
        ).fetchone()
        return None if row is None else decode(Stored(*row), key, self._keys)

    def touch(self, key: str, seen: float) -> None:
        # A power cut that loses this costs somebody a minute of idle time: no need to wait for the
        # disk once a minute for each session. The next other write takes it along.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        try:
            self._connection.execute(
                f"UPDATE sessions SET seen = max(seen, ?) WHERE key = ? AND {_ALIVE}",  # noqa: S608
                (seen, key, self._clock()),
            )
        finally:
            self._connection.execute("PRAGMA synchronous = FULL")

    def change(self, key: str, change: Callable[[Session], Session | None]) -> Session | None:
        with writing(self._connection):
            before = self.load(key)
            after = None if before is None else change(before)
            if after is None or after == before:
                return before
            until = after.started + after.lifetime
            self._connection.execute(
                "UPDATE sessions SET record = ?, idle = ?, until = ? WHERE key = ?",
                (encode(after, self._keys), after.idle, until, key),
            )
            self._tell(CHANGED + key)
            return after

    def end(self, key: str) -> bool:
        with writing(self._connection):
            deleted = self._connection.execute("DELETE FROM sessions WHERE key = ?", (key,))
            self._tell(key)
        return deleted.rowcount > 0

    def _tell(self, news: str) -> None:
        self._connection.execute(
            "INSERT INTO endings (key, at) VALUES (?, ?)", (news, self._clock())
        )

    def all(self) -> tuple[Session, ...]:
        return self._sessions("sessions")

    def labelled(self, label: str) -> tuple[Session, ...]:
        self._label_unlabelled()
        return self._sessions("sessions JOIN labels USING (key)", "label = ?", label)

    def _sessions(self, tables: str, where: str = "TRUE", *values: str) -> tuple[Session, ...]:
        """Those alive, newest first."""
        rows = self._connection.execute(
            f"SELECT key, record, seen FROM {tables} WHERE {where} AND {_ALIVE}",  # noqa: S608 - constants
            (*values, self._clock()),
        )
        found = (decode(Stored(record, seen), key) for key, record, seen in rows)
        sessions = (session for session in found if session is not None)
        return tuple(sorted(sessions, key=lambda session: session.started, reverse=True))

    def _label_unlabelled(self) -> None:
        """Label the sessions of a process that knows no labels: the triggers note what it creates
        and ends, whatever it knows."""
        if not self._connection.execute("SELECT 1 FROM unlabelled LIMIT 1").fetchone():
            return
        with writing(self._connection):
            for session in self._sessions("sessions JOIN unlabelled USING (key)"):
                self._label(session)
            # What cannot be read here is another version's, which labels its own.
            self._connection.execute("DELETE FROM unlabelled")

    def _label(self, session: Session) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO labels (label, key) VALUES (?, ?)",
            [(label, session.key) for label in session.labels()],
        )

    def news(self) -> tuple[str, ...] | None:
        """What was told since the last call: the key of a session that ended, or that and that it
        changed; `None` when some of it is unknown."""
        version = self._data_version()
        if version == self._version:
            return ()
        # One statement, one view: the endings after the last one heard, and the number of the last
        # one ever, so that endings already purged show as a gap.
        rows = self._connection.execute(
            "SELECT number, key FROM endings WHERE number > ? "
            "UNION ALL SELECT seq, NULL FROM sqlite_sequence WHERE name = 'endings' ORDER BY 1",
            (self._heard_until,),
        ).fetchall()
        self._version = version
        ended = tuple(key for _, key in rows if key is not None)
        latest = max((number for number, _ in rows), default=self._heard_until)
        complete = len(ended) == latest - self._heard_until
        self._heard_until = latest
        return ended if complete else None

    def purge(self) -> None:
        now = self._clock()
        with writing(self._connection):
            self._connection.execute(f"DELETE FROM sessions WHERE NOT {_ALIVE}", (now,))  # noqa: S608
            self.named.purge()
            self._connection.execute("DELETE FROM endings WHERE at <= ?", (now - _KEEP_ENDINGS,))

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _last_ending(self) -> int:
        row = self._connection.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'endings'"
        ).fetchone()
        return 0 if row is None else int(row[0])
