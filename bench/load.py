"""A load generator: one process, raw sockets, many keep-alive connections.

    python -m bench.load PORT CONNECTIONS SECONDS < request      (bytes of one request on stdin)

Prints a line of JSON: requests answered, seconds, and the median and 99th percentile of latency in
microseconds. It stops by itself, and talks to 127.0.0.1 only.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

# Upstream answers with 1 KB; less would be a proxy's own words, and no measurement.
_SMALLEST = 1024


class _Connection(asyncio.Protocol):
    """Sends the request again as soon as the whole reply is there."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._size = 0
        self._got = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        if self._got == 0:
            self._size = _whole(data)
        self._got += len(data)
        if self._got < self._size:
            return
        self._got = 0
        now = time.perf_counter()
        self._load.latencies.append(now - self._sent)
        if now < self._load.ends:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.gone()


class Load:
    def __init__(self, request: bytes, connections: int, seconds: float) -> None:
        self.request = request
        self.ends = time.perf_counter() + seconds
        self.latencies: list[float] = []
        self._open = connections
        self.over = asyncio.Event()

    def gone(self) -> None:
        self._open -= 1
        if self._open == 0:
            self.over.set()


def _whole(data: bytes) -> int:
    """The size of a reply from its first bytes; every server here sends a length in its head."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200") or not end:
        raise SystemExit(f"not a good reply: {data[:200]!r}")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            if int(value) < _SMALLEST:
                raise SystemExit(f"not upstream's reply: {data[:200]!r}")
            return len(head) + 4 + int(value)
    raise SystemExit(f"a reply without a length: {head[:200]!r}")


async def measure(port: int, connections: int, seconds: float, request: bytes) -> str:
    load = Load(request, connections, seconds)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", port)
    await load.over.wait()
    took = time.perf_counter() - began
    ordered = sorted(load.latencies)
    return json.dumps(
        {
            "requests": len(ordered),
            "seconds": took,
            "p50": ordered[len(ordered) // 2] * 1e6,
            "p99": ordered[len(ordered) * 99 // 100] * 1e6,
        }
    )


if __name__ == "__main__":
    port, connections, seconds = sys.argv[1:4]
    work = measure(int(port), int(connections), float(seconds), sys.stdin.buffer.read())
    print(uvloop.run(work))
