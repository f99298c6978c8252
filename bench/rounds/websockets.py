"""Memory of an open WebSocket: 2,000 open, a message each way a second on each."""

import asyncio
from dataclasses import dataclass
from typing import Literal

import aiohttp

from bench.process import CannotMeasure
from bench.proxies import Proxy, Start, caddy, envoy, gateway, haproxy, nginx
from bench.report import Line, Outcome
from bench.rounds import Effort
from bench.stage import Stage

Socket = aiohttp.ClientWebSocketResponse[Literal[True]]

_COUNT = 2000
_GOAL_KIB = 12.0
_MESSAGE = "a call has come in"
# Opened in groups, as nobody's 2,000 browsers connect in the same millisecond.
_AT_ONCE = 50

_STARTS: tuple[Start, ...] = (
    gateway.start,
    haproxy.start,
    nginx.start,
    envoy.start_plain,
    caddy.start,
)


@dataclass(frozen=True, slots=True)
class _Found:
    """`cpu`: microseconds for a message and the one that comes back."""

    kib: float
    cpu: float


def measure(stage: Stage, effort: Effort) -> Outcome:
    upstream = stage.module("bench.upstream.sockets")
    found: dict[str, _Found] = {}
    for start in _STARTS:
        proxy = start(stage, upstream)
        found[proxy.name] = asyncio.run(_measure(proxy, max(effort.seconds, 3)))
        stage.stop(proxy.program)
    ours = found[gateway.NAME].kib
    return Outcome(
        title=f"{_COUNT:,} open WebSockets, a message each way a second on each, measured once",
        heads=("", "KiB resident each", "CPU µs/message there and back"),
        rows=tuple((name, f"{each.kib:.1f}", f"{each.cpu:.0f}") for name, each in found.items()),
        lines=(
            Line(
                f"memory per open WebSocket ({_COUNT:,} open, a message a second each)",
                f"at most {_GOAL_KIB:g} KiB",
                f"{ours:.1f} KiB",
                ours <= _GOAL_KIB,
            ),
        ),
        figures={"websocket": {name: each.kib for name, each in found.items()}},
    )


async def _measure(proxy: Proxy, seconds: int) -> _Found:
    timeout = aiohttp.ClientTimeout(total=None, connect=10)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        async with asyncio.TaskGroup() as warming_up:
            for _ in range(_AT_ONCE):
                warming_up.create_task(_once(http, proxy))
        before = await asyncio.to_thread(proxy.program.settled)
        sockets: list[Socket] = []
        while len(sockets) < _COUNT:
            sockets += await asyncio.gather(*(_open(http, proxy) for _ in range(_AT_ONCE)))
        cpu = proxy.program.cpu_seconds()
        async with asyncio.TaskGroup() as talking:
            for number, socket in enumerate(sockets):
                talking.create_task(_talk(socket, number / _COUNT, seconds))
        cpu = proxy.program.cpu_seconds() - cpu
        growth = proxy.program.resident() - before
        await asyncio.gather(*(socket.close() for socket in sockets))
    return _Found(growth / _COUNT / 1024, cpu / (_COUNT * seconds) * 1e6)


async def _open(http: aiohttp.ClientSession, proxy: Proxy) -> Socket:
    headers = {"Host": f"localhost:{proxy.port}", "Origin": f"http://localhost:{proxy.port}"}
    if proxy.cookie:
        headers["Cookie"] = proxy.cookie
    url = f"http://127.0.0.1:{proxy.port}/socket"
    return await http.ws_connect(url, headers=headers, decode_text=True)


async def _once(http: aiohttp.ClientSession, proxy: Proxy) -> None:
    """So that what a proxy does at its first WebSocket does not count."""
    socket = await _open(http, proxy)
    await _say(socket)
    await socket.close()


async def _talk(socket: Socket, delay: float, seconds: int) -> None:
    await asyncio.sleep(delay)
    for _ in range(seconds):
        await _say(socket)
        await asyncio.sleep(1)


async def _say(socket: Socket) -> None:
    await socket.send_str(_MESSAGE)
    heard = await socket.receive_str(timeout=10)
    if heard != _MESSAGE:
        raise CannotMeasure(f"another message came back: {heard!r}")
