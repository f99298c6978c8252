"""Sessions in Redis or Valkey: several machines.

    sonar:session:<key>   a hash: record, seen, idle, until, labels; expires with the session
    sonar:label:<label>   the keys of the sessions with this label (redis_scripts.py)
    sonar:ended           the channel on which ended and changed sessions are told (redis_news.py)

What is known under a name is beside them (redis_named.py); redis_server.py sends the commands.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from gateway.errors import SessionsUnavailable
from gateway.secret import Secret
from gateway.session.model import Session
from gateway.session.store import CHANGED, NamedStore, nobody_listens, pass_on
from gateway.session.store import redis_scripts as scripts
from gateway.session.store.codec import Keys, Stored, decode, encode
from gateway.session.store.redis_named import RedisNamed
from gateway.session.store.redis_news import News
from gateway.session.store.redis_server import PREFIX, Server, milliseconds
from gateway.tasks import stopped

_SESSION = f"{PREFIX}session:"
_LABEL = f"{PREFIX}label:"
_ENDED = f"{PREFIX}ended"

_PAGE = 500
_MOST_TRIES = 8


class RedisStore:
    """`Store` at `url`, of a form that redis_pool.py knows. `clock`: Unix seconds."""

    def __init__(self, url: Secret, clock: Callable[[], float] = time.time) -> None:
        self._server = Server(url)
        self._clock = clock
        self.named: NamedStore = RedisNamed(self._server, clock)
        self._heard: Callable[[str], None] = nobody_listens
        self._lost: Callable[[], None] = nobody_listens
        self._changed: Callable[[str], None] = nobody_listens
        self._news: News | None = None
        self._labelling: asyncio.Task[None] | None = None
        self._keys: Keys | None = None

    def vouch_with(self, keys: Keys) -> None:
        self._keys = keys

    def on_end(self, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._heard, self._lost = heard, lost

    def on_change(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    async def open(self) -> None:
        pool = self._server.connect(self._moved)
        try:
            await self.try_out()
            heard = lambda news: pass_on(news, self._heard, self._changed)  # noqa: E731
            news = News(pool, _ENDED, heard, lambda: self._lost())
            await self._server.run(news.start)
        except BaseException:
            await self._server.disconnect()
            raise
        self._news = news
        self._labelling = asyncio.create_task(self._label_unlabelled())

    async def close(self) -> None:
        if self._news is not None:
            await self._news.stop()
            self._news = None
        await stopped(self._labelling)
        self._labelling = None
        await self._server.disconnect()

    def _moved(self) -> None:
        """Another server is the master now, or may be."""
        if self._news is not None:
            self._news.renew()

    async def try_out(self) -> None:
        """Everything we need of the server, tried once: it may be read-only, full, or forbid us
        scripts, and the first person to sign in should not be the one to find out."""
        await self._server.command("SET", f"{PREFIX}opened", "1", "PX", 1000)
        await self._server.script(scripts.TOUCH, [_SESSION], "0", "0")

    async def create(self, session: Session) -> None:
        now = self._clock()
        await self._server.script(
            scripts.CREATE,
            _names(session),
            session.key,
            encode(session, self._keys),
            repr(session.seen),
            repr(session.idle),
            repr(session.started + session.lifetime),
            milliseconds(session.ends() - now),
            repr(now),
            " ".join(session.labels()),
        )

    async def load(self, key: str) -> Session | None:
        found = await self._server.command("HMGET", _SESSION + key, "record", "seen", "labels")
        return await self._alive(key, *found, keys=self._keys)

    async def touch(self, key: str, seen: float) -> None:
        await self._server.script(scripts.TOUCH, [_SESSION + key], repr(seen), repr(self._clock()))

    async def change(self, key: str, change: Callable[[Session], Session | None]) -> Session | None:
        for _ in range(_MOST_TRIES):
            found = await self._server.command("HMGET", _SESSION + key, "record", "seen", "labels")
            before = await self._alive(key, *found, keys=self._keys)
            after = None if before is None else change(before)
            if after is None or after == before:
                return before
            times = (after.idle, after.started + after.lifetime, self._clock())
            told = (*map(repr, times), _ENDED, CHANGED + key)
            record = encode(after, self._keys)
            if await self._server.script(scripts.CHANGE, [_SESSION + key], found[0], record, *told):
                return after
        raise SessionsUnavailable("a session is being changed all the time")

    async def end(self, key: str) -> bool:
        ended = await self._server.script(scripts.END, [_SESSION + key], key, _LABEL, _ENDED)
        self._heard(key)
        return bool(ended)

    async def all(self) -> tuple[Session, ...]:
        sessions: dict[str, Session] = {}
        async for names in self._pages():
            sessions.update(await self._read(_keys(names)))
        return _newest_first(sessions)

    async def labelled(self, label: str) -> tuple[Session, ...]:
        keys = _keys(await self._server.script(scripts.LABELLED, [_LABEL + label], _SESSION))
        sessions: dict[str, Session] = {}
        for begin in range(0, len(keys), _PAGE):
            sessions.update(await self._read(keys[begin : begin + _PAGE]))
        return _newest_first(sessions)

    async def _pages(self) -> AsyncIterator[list[bytes]]:
        """The name of every session, some at a time."""
        cursor, pattern = 0, f"{_SESSION}*"
        while True:
            cursor, names = await self._server.command(
                "SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE
            )
            if names:
                yield names
            if cursor == 0:
                return

    async def _label_unlabelled(self) -> None:
        """Label the sessions that processes made which know no labels. Those that they make from
        now on are labelled when they are first looked at."""
        with suppress(SessionsUnavailable):
            async for names in self._pages():
                await self._read(_keys(await self._server.script(scripts.UNLABELLED, names)))

    async def _read(self, keys: list[str]) -> dict[str, Session]:
        """Those of these that are alive, by key."""
        found = (
            await self._server.script(scripts.READ, [_SESSION + key for key in keys])
            if keys
            else []
        )
        sessions = {
            key: await self._alive(key, *fields) for key, fields in zip(keys, found, strict=True)
        }
        return {key: session for key, session in sessions.items() if session is not None}

    async def _alive(
        self,
        key: str,
        record: bytes | None,
        seen: bytes | None,
        labels: bytes | None,
        *,
        keys: Keys | None = None,
    ) -> Session | None:
        if record is None or seen is None:
            return None
        session, now = decode(Stored(record, float(seen)), key, keys), self._clock()
        if session is None or not session.alive(now):
            return None
        if labels is None:
            # Of a process that knows none.
            await self._server.script(
                scripts.LABEL, _names(session), key, repr(now), " ".join(session.labels())
            )
        return session


def _names(session: Session) -> list[str]:
    """Of the session and its labels, in the store."""
    return [_SESSION + session.key, *(_LABEL + label for label in session.labels())]


def _keys(names: list[bytes]) -> list[str]:
    return [name.decode().removeprefix(_SESSION) for name in names]


def _newest_first(sessions: dict[str, Session]) -> tuple[Session, ...]:
    return tuple(sorted(sessions.values(), key=lambda each: -each.started))
