"""What is known under a name, in the embedded store's file."""

from gateway.session.store.attempts import Throttle
from gateway.session.store.embedded_thread import DatabaseThread


class EmbeddedNamed:
    """`NamedStore`, through the thread that asks the file."""

    def __init__(self, thread: DatabaseThread) -> None:
        self._thread = thread

    async def first(self, name: str, seconds: float) -> bool:
        return await self._thread.ask(lambda database: database.named.first(name, seconds))

    async def count(self, name: str, seconds: float) -> int:
        return await self._thread.ask(lambda database: database.named.count(name, seconds))

    async def attempt(self, name: str, throttle: Throttle) -> float:
        return await self._thread.ask(lambda database: database.named.attempt(name, throttle))

    async def pardon(self, name: str) -> None:
        await self._thread.ask(lambda database: database.named.pardon(name))

    async def forget(self, name: str) -> None:
        await self._thread.ask(lambda database: database.named.forget(name))

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        await self._thread.ask(lambda database: database.named.put(name, value, seconds))

    async def get(self, name: str) -> bytes | None:
        return await self._thread.ask(lambda database: database.named.get(name))

    async def take(self, name: str) -> bytes | None:
        return await self._thread.ask(lambda database: database.named.take(name))
