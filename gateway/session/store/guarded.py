"""A session store that is left alone while it is gone (operate/outage.py).

Reading sessions decides whether it is gone, for that is what every signed-in browser needs. A store
that refuses to be written to (a disk that is full, a replica) is down, and is still asked: who is
signed in does not notice.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.errors import SessionsUnavailable, TooBusy
from gateway.operate.outage import Part
from gateway.session.model import Session
from gateway.session.store import NamedStore, Store
from gateway.session.store.attempts import Throttle
from gateway.session.store.codec import Keys

# No session has this key: keys are SHA-256 values of random ids.
_NOBODY = "0" * 64

T = TypeVar("T")


class Guarded:
    """`Store`: `store`, whose state is told by `part`."""

    def __init__(self, store: Store, part: Part) -> None:
        self._store = store
        self._part = part
        self.named: NamedStore = _GuardedNamed(store.named, part)

    @property
    def is_gone(self) -> bool:
        return self._part.is_gone

    def vouch_with(self, keys: Keys) -> None:
        self._store.vouch_with(keys)

    async def open(self) -> None:
        await self._store.open()
        self._part.watched(lambda: self._store.load(_NOBODY), self._store.try_out)

    async def close(self) -> None:
        self._part.stop()
        await self._store.close()

    async def try_out(self) -> None:
        await _asked(self._part, self._store.try_out)

    async def create(self, session: Session) -> None:
        await _asked(self._part, lambda: self._store.create(session))

    async def load(self, key: str) -> Session | None:
        return await _asked(self._part, lambda: self._store.load(key), reading=True)

    async def touch(self, key: str, seen: float) -> None:
        await _asked(self._part, lambda: self._store.touch(key, seen))

    async def change(self, key: str, change: Callable[[Session], Session | None]) -> Session | None:
        return await _asked(self._part, lambda: self._store.change(key, change))

    async def end(self, key: str) -> bool:
        return await _asked(self._part, lambda: self._store.end(key))

    async def all(self) -> tuple[Session, ...]:
        return await _asked(self._part, self._store.all, reading=True)

    async def labelled(self, label: str) -> tuple[Session, ...]:
        return await _asked(self._part, lambda: self._store.labelled(label), reading=True)

    def on_end(self, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._store.on_end(heard, lost)

    def on_change(self, changed: Callable[[str], None]) -> None:
        self._store.on_change(changed)


class _GuardedNamed:
    """`NamedStore`: `named`, in the same place."""

    def __init__(self, named: NamedStore, part: Part) -> None:
        self._named = named
        self._part = part

    async def first(self, name: str, seconds: float) -> bool:
        return await _asked(self._part, lambda: self._named.first(name, seconds))

    async def count(self, name: str, seconds: float) -> int:
        return await _asked(self._part, lambda: self._named.count(name, seconds))

    async def attempt(self, name: str, throttle: Throttle) -> float:
        return await _asked(self._part, lambda: self._named.attempt(name, throttle))

    async def pardon(self, name: str) -> None:
        await _asked(self._part, lambda: self._named.pardon(name))

    async def forget(self, name: str) -> None:
        await _asked(self._part, lambda: self._named.forget(name))

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        await _asked(self._part, lambda: self._named.put(name, value, seconds))

    async def get(self, name: str) -> bytes | None:
        return await _asked(self._part, lambda: self._named.get(name))

    async def take(self, name: str) -> bytes | None:
        return await _asked(self._part, lambda: self._named.take(name))


async def _asked(part: Part, question: Callable[[], Awaitable[T]], *, reading: bool = False) -> T:
    part.check()
    began = time.monotonic()
    try:
        return await question()
    except TooBusy:
        # With our own questions; it does answer.
        raise
    except SessionsUnavailable as error:
        part.failed(error, began, gone=reading or not error.refused)
        raise
