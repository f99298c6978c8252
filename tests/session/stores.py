"""The embedded store, in a test's hands."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.errors import SessionsUnavailable
from gateway.session.model import Session
from gateway.session.store.embedded import EmbeddedStore
from tests.session.samples import Clock


class CutStore(EmbeddedStore):
    """It remembers what it was asked; it may be held back (`gate`), or cut off, so that it neither
    tells nor takes, or only fail to say what it has ended (`swallows`); it tells whatever news the
    test makes up."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self.loads: list[str] = []
        self.touches: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.cut_off = False
        self.swallows = False
        self._told: tuple[Callable[[str], None], Callable[[], None]] | None = None
        self._told_of_changes: Callable[[str], None] | None = None

    def on_change(self, changed: Callable[[str], None]) -> None:
        self._told_of_changes = changed
        super().on_change(changed)

    def on_end(self, heard: Callable[[str], None], lost: Callable[[], None]) -> None:
        self._told = heard, lost
        super().on_end(heard, lost)

    async def load(self, key: str) -> Session | None:
        self.loads.append(key)
        self._check()
        session = await super().load(key)
        await self.gate.wait()
        return session

    async def touch(self, key: str, seen: float) -> None:
        self._check()
        self.touches.append(key)
        await super().touch(key, seen)

    async def end(self, key: str) -> bool:
        self._check()
        ended = await super().end(key)
        if self.swallows:
            raise SessionsUnavailable("broken by the test", refused=True)
        return ended

    async def labelled(self, label: str) -> tuple[Session, ...]:
        self._check()
        return await super().labelled(label)

    async def all(self) -> tuple[Session, ...]:
        self._check()
        return await super().all()

    def _check(self) -> None:
        if self.cut_off:
            raise SessionsUnavailable("cut off by the test")

    def lose_news(self) -> None:
        assert self._told is not None
        self._told[1]()

    def tell_change(self, key: str) -> None:
        assert self._told_of_changes is not None
        self._told_of_changes(key)

    def tell_end(self, key: str) -> None:
        assert self._told is not None
        self._told[0](key)
