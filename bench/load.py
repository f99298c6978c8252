"""The load: `wrk` on the other core, and what one round of it cost the proxy.

wrk, because a generator in Python takes longer for a request than the fastest proxies here: its
core would be what is measured. It counts bytes and bad replies; what upstream has counted meanwhile
proves that the replies are upstream's. bench/openloop.py is for latency at a fixed rate.
"""

import json
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from bench.process import CannotMeasure, said_by
from bench.programs import WRK, find
from bench.proxies import Proxy
from bench.stage import Stage
from bench.upstream.pages import BODY
from bench.watch import Watch, undisturbed

CONNECTIONS = 32
# Where a request has this, each has eight other hexadecimal digits.
OTHER_EACH_TIME = b"########"

_SCRIPT = Path(__file__).with_suffix(".lua")
# Replies under way when the count is taken, and requests begun when the time is over.
_UNDER_WAY = 2 * CONNECTIONS


@dataclass(frozen=True, slots=True)
class Round:
    """`cpu`, `p50` and `p99` in microseconds, `cpu` for each request; `rate` per second."""

    requests: int
    rate: float
    cpu: float
    p50: float
    p99: float
    bad: int
    """Replies with a status from 400 on."""
    upstream: int
    """Requests that upstream answered meanwhile."""
    busy: float
    """The part of its core that the proxy took: less than all, and the load was the limit."""
    others: float
    """The part of it, or of the load's core, that somebody else took."""


def drive(
    stage: Stage, proxy: Proxy, request: bytes, seconds: int, connections: int = CONNECTIONS
) -> Round:
    """Send `request` on so many connections for `seconds`, whatever is answered; again if others
    disturb it."""
    return undisturbed(lambda: _drive(stage, proxy, request, seconds, connections))


def _drive(stage: Stage, proxy: Proxy, request: bytes, seconds: int, connections: int) -> Round:
    file = stage.folder / "request"
    file.write_bytes(request)
    command = (
        find(WRK), f"-d{seconds}s", "-t1", f"-c{connections}", "-s", str(_SCRIPT),
        f"http://127.0.0.1:{proxy.port}/", "--", str(file), OTHER_EACH_TIME.decode(),
        # No two rounds say the same.
        str(secrets.randbits(32)),
    )  # fmt: skip
    asked = _settled_count(stage)
    watch = Watch(proxy.program, stage.beside)
    said = json.loads(said_by(command).splitlines()[-1])
    cpu, took, others = watch.cpu_seconds(), watch.seconds(), watch.others()
    proxy.program.check()
    if said["broken"] or not said["requests"]:
        raise CannotMeasure(f"{proxy.name}: connections broke, or nothing was answered: {said}")
    return Round(
        requests=said["requests"],
        rate=said["requests"] / said["microseconds"] * 1e6,
        cpu=cpu / said["requests"] * 1e6,
        p50=said["p50"],
        p99=said["p99"],
        bad=said["status"],
        upstream=stage.upstream_requests() - asked,
        busy=cpu / took,
        others=others,
    )


def drive_served(stage: Stage, proxy: Proxy, seconds: int) -> Round:
    """A round of the usual request. `CannotMeasure` unless every reply is upstream's page."""
    reply = ask(proxy, proxy.request)
    if not reply.startswith(b"HTTP/1.1 200") or not reply.endswith(b"\r\n\r\n" + BODY):
        raise CannotMeasure(f"{proxy.name}: not upstream's page: {reply[:300]!r}")
    done = drive(stage, proxy, proxy.request, seconds)
    if done.bad or abs(done.upstream - done.requests) > _UNDER_WAY:
        raise CannotMeasure(f"{proxy.name}: not every reply is upstream's: {done}")
    return done


def _settled_count(stage: Stage) -> int:
    """What upstream has answered once nothing is under way any more: of the round before, each
    connection may have left a request."""
    count, before = stage.upstream_requests(), -1
    while count != before:
        time.sleep(0.02)
        count, before = stage.upstream_requests(), count
    return count


def ask(proxy: Proxy, request: bytes) -> bytes:
    """The first of what is answered to `request`: a small reply, as a whole."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(request.replace(OTHER_EACH_TIME, secrets.token_hex(4).encode()))
        return connection.recv(65536)
