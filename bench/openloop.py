"""Latency at a fixed rate: requests leave when they are due, whatever the others do.

    python -m bench.openloop PORT RATE SECONDS < request      (bytes of one request on stdin)

A closed loop, such as wrk's, waits for each reply before it sends again, and so asks less of a slow
server just when it is slow. Here the times are drawn beforehand (Poisson, always the same), and a
request that had to wait for a free connection counts from when it was due. Prints a line of JSON:
requests, and the median and 99th percentile of latency in microseconds.
"""

import ctypes
import gc
import json
import random
import select
import socket
import sys
import time
from collections import deque

_CONNECTIONS = 64
# prctl(2): without it Linux wakes us up to 50 µs late.
_PR_SET_TIMERSLACK = 29
_SEED = 3
_GOOD, _BLANK_LINE = b"HTTP/1.1 200", b"\r\n\r\n"


class _Connection:
    """One keep-alive connection, which is idle or waits for a reply."""

    def __init__(self, port: int, request: bytes) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self.due = 0.0
        self._missing = 0
        self.send(0.0)
        self._body = _body_of(self._socket.recv(65536))
        self.number = self._socket.fileno()

    def fileno(self) -> int:
        return self.number

    def send(self, due: float) -> None:
        self.due = due
        self._socket.sendall(self._request)

    def complete(self) -> bool:
        """Read what has come; whether that was the rest of the reply."""
        data = self._socket.recv(65536)
        if not self._missing:
            # A head may be longer than the one before: Envoy writes how long upstream took.
            if not data.startswith(_GOOD):
                raise SystemExit(f"not a good reply: {data[:300]!r}")
            self._missing = data.index(_BLANK_LINE) + len(_BLANK_LINE) + self._body
        self._missing -= len(data)
        if self._missing < 0:
            raise SystemExit("more came than was asked for")
        return not self._missing


def _body_of(reply: bytes) -> int:
    """The size of the body in the first reply, which came as a whole."""
    head, _, body = reply.partition(_BLANK_LINE)
    if not head.startswith(_GOOD) or f"\r\ncontent-length: {len(body)}" not in (
        head.decode().lower()
    ):
        raise SystemExit(f"not a whole good reply: {reply[:300]!r}")
    return len(body)


def measure(port: int, rate: float, seconds: float, request: bytes) -> list[float]:
    """The latency of each request in seconds."""
    idle = deque(_Connection(port, request) for _ in range(_CONNECTIONS))
    busy: list[_Connection] = []
    latencies: list[float] = []
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    clock = time.perf_counter
    due = began = clock()
    while due - began < seconds or busy:
        now = clock()
        while due <= now and idle and due - began < seconds:
            connection = idle.popleft()
            connection.send(due)
            busy.append(connection)
            due += chance.expovariate(rate)
        # With every connection busy, what is due waits for the next reply.
        wait = None if not idle or due - began >= seconds else max(0.0, due - clock())
        readable, _, _ = select.select(busy, (), (), wait)
        for connection in readable:
            if connection.complete():
                latencies.append(clock() - connection.due)
                busy.remove(connection)
                idle.append(connection)
    return sorted(latencies)


def main() -> None:
    port, rate, seconds = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)
    gc.disable()
    ordered = measure(int(port), float(rate), float(seconds), sys.stdin.buffer.read())
    print(
        json.dumps(
            {
                "requests": len(ordered),
                "p50": ordered[len(ordered) // 2] * 1e6,
                "p99": ordered[len(ordered) * 99 // 100] * 1e6,
            }
        )
    )


if __name__ == "__main__":
    main()
