"""Memory of an idle keep-alive connection: 5,000 open, each after one request."""

import socket

from bench.load import drive_served
from bench.process import CannotMeasure
from bench.proxies import Proxy, gateway
from bench.report import Line, Outcome
from bench.rounds import EVERYBODY, Effort
from bench.stage import Stage

_COUNT = 5000
_GOAL_KIB = 4.0


def measure(stage: Stage, _: Effort) -> Outcome:
    """Each in a process of its own that has had some traffic, but never as many connections."""
    kib: dict[str, float] = {}
    versions: dict[str, str] = {}
    for start in EVERYBODY:
        proxy = start(stage, stage.pages)
        drive_served(stage, proxy, 1)
        kib[proxy.name] = _per_connection(proxy) / 1024
        versions[proxy.name] = proxy.version
        stage.stop(proxy.program)
    ours = kib[gateway.NAME]
    return Outcome(
        title=f"Resident memory of an idle keep-alive connection, {_COUNT} open",
        heads=("", "KiB"),
        rows=tuple((name, f"{size:.1f}") for name, size in kib.items()),
        lines=(
            Line(
                f"memory per idle keep-alive connection ({_COUNT} open)",
                f"at most {_GOAL_KIB:g} KiB",
                f"{ours:.1f} KiB",
                ours <= _GOAL_KIB,
            ),
        ),
        figures={"connection": kib},
        versions=versions,
    )


def _per_connection(proxy: Proxy) -> float:
    before = proxy.program.settled()
    connections = [_opened(proxy) for _ in range(_COUNT)]
    try:
        growth = proxy.program.settled() - before
        _still_open(proxy, connections)
    finally:
        for connection in connections:
            connection.close()
    return growth / _COUNT


def _opened(proxy: Proxy) -> socket.socket:
    """A connection on which one page was asked for and came."""
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    connection.sendall(proxy.request)
    reply = connection.recv(65536)
    if not reply.startswith(b"HTTP/1.1 200"):
        raise CannotMeasure(f"{proxy.name}: not a good reply: {reply[:300]!r}")
    return connection


def _still_open(proxy: Proxy, connections: list[socket.socket]) -> None:
    """Each answers once more, or is at least no connection that was closed meanwhile."""
    for connection in connections:
        connection.setblocking(False)
        try:
            if not connection.recv(1):
                raise CannotMeasure(f"{proxy.name} has closed an idle connection")
        except BlockingIOError:
            continue
