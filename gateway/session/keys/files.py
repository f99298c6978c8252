"""Keys as files of a folder, off the event loop: a disk may be far away."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from gateway.session.keys.folder import Folder
from gateway.session.keys.model import Key
from gateway.session.keys.source import Kept


class FileKeys:
    """The keys in the folder `path`; see `KeySource`."""

    late_after_restart = False

    def __init__(self, path: Path) -> None:
        self._folder = Folder(path)
        self.where = f"in {path}"

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> Kept:
        return await asyncio.to_thread(self._folder.read)

    async def add(self, key: Key, after: str | None) -> bool:
        return await asyncio.to_thread(self._folder.add, key, after)

    async def remove(self, names: Iterable[str]) -> None:
        await asyncio.to_thread(self._folder.remove, frozenset(names))

    async def tidy(self) -> None:
        await asyncio.to_thread(self._folder.tidy)
