"""The fixed rate: what is due waits for nobody, and a wait counts."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BODY = b"x" * 1024
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@asynccontextmanager
async def serving(stall: float = 0.0, reply: bytes = REPLY) -> AsyncIterator[tuple[int, list[int]]]:
    """A server that answers at once, but for one time when it does nothing for `stall` seconds;
    its port, and a count of requests."""
    seen: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            seen.append(1)
            if stall and len(seen) == 300:
                held.append(loop.time() + stall)
            if held:
                await asyncio.sleep(max(0.0, held[0] - loop.time()))
            writer.write(reply)
        writer.close()

    held: list[float] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def measured(port: int, rate: float, seconds: float) -> tuple[int, dict[str, float], bytes]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.openloop", str(port), str(rate), str(seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await process.communicate(REQUEST)
    return process.returncode or 0, json.loads(said or b"{}"), wrong


async def test_the_rate_is_kept() -> None:
    async with serving() as (port, seen):
        code, said, _ = await measured(port, 500, 1.0)
    assert code == 0
    # 500 expected, Poisson: the seed decides, the same each time.
    assert 400 < said["requests"] < 600
    # One more on each connection, to learn how long a reply is.
    assert len(seen) == said["requests"] + 64


async def test_a_server_that_stalls_is_not_asked_less() -> None:
    """A closed loop would send 64 requests into the stall; here the hundreds that were due count,
    from when they were due."""
    async with serving(stall=0.5) as (port, _):
        code, said, _ = await measured(port, 500, 1.0)
    assert code == 0
    assert said["requests"] > 400
    assert said["p99"] > 400_000
    assert said["p50"] > 10_000


async def test_what_is_no_good_reply_is_no_measurement() -> None:
    async with serving(reply=REPLY.replace(b"200 OK", b"302 Found")) as (port, _):
        code, said, wrong = await measured(port, 500, 0.2)
    assert code == 1
    assert said == {}
    assert b"not a whole good reply" in wrong
