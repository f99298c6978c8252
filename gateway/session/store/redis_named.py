"""What is known under a name, in Redis.

sonar:claim:<name>     somebody was first
sonar:count:<name>     how many
sonar:attempts:<name>  a hash: made, due; expires when all is forgotten
sonar:kept:<name>      a value
"""

from collections.abc import Callable

from gateway.session.store import redis_scripts as scripts
from gateway.session.store.attempts import LUA_ATTEMPT, LUA_PARDON, Throttle
from gateway.session.store.redis_server import PREFIX, Server, milliseconds

_FIRST = f"{PREFIX}claim:"
_COUNT = f"{PREFIX}count:"
_ATTEMPTS = f"{PREFIX}attempts:"
_VALUE = f"{PREFIX}kept:"


class RedisNamed:
    """`NamedStore`. `clock`: Unix seconds."""

    def __init__(self, server: Server, clock: Callable[[], float]) -> None:
        self._server = server
        self._clock = clock

    async def first(self, name: str, seconds: float) -> bool:
        window = milliseconds(seconds)
        return bool(await self._server.command("SET", _FIRST + name, "1", "NX", "PX", window))

    async def count(self, name: str, seconds: float) -> int:
        events = await self._server.script(scripts.COUNT, [_COUNT + name], milliseconds(seconds))
        return int(events)

    async def attempt(self, name: str, throttle: Throttle) -> float:
        times = (throttle.first, throttle.longest, throttle.memory)
        waiting = await self._server.script(
            LUA_ATTEMPT,
            [_ATTEMPTS + name],
            repr(self._clock()),
            throttle.free,
            *map(repr, times),
        )
        return float(waiting)

    async def pardon(self, name: str) -> None:
        await self._server.script(LUA_PARDON, [_ATTEMPTS + name])

    async def forget(self, name: str) -> None:
        await self._server.command("DEL", _COUNT + name, _ATTEMPTS + name)

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        await self._server.command("SET", _VALUE + name, value, "PX", milliseconds(seconds))

    async def get(self, name: str) -> bytes | None:
        found: bytes | None = await self._server.command("GET", _VALUE + name)
        return found

    async def take(self, name: str) -> bytes | None:
        found: bytes | None = await self._server.command("GETDEL", _VALUE + name)
        return found
