"""Memory of an idle keep-alive connection: 5,000 open, each after one request. Of the gateway also
with TLS, and of a TLS handshake that is half done."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from bench.load import drive_served
from bench.process import CannotMeasure
from bench.proxies import Proxy, gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.rounds import EVERYBODY, Effort
from bench.stage import Stage

_COUNT = 5000
_GOAL_KIB = 4.0
_TLS, _HALF_DONE = "gateway, TLS", "gateway, TLS handshake half done"
# So that what a process does at its first connections does not count.
_WARMING_UP = 200
# Nobody is sent away before all are counted.
_PATIENT = Variant(tls=True, limits=(("head_timeout", "10m"), ("idle_timeout", "10m")))

Opened = Callable[[Proxy], socket.socket]


def measure(stage: Stage, _: Effort) -> Outcome:
    """Each in a process of its own that has had some traffic, but never as many connections."""
    kib: dict[str, float] = {}
    versions: dict[str, str] = {}
    for start in EVERYBODY:
        proxy = start(stage, stage.pages)
        drive_served(stage, proxy, 1)
        kib[proxy.name] = _per_connection(proxy, _opened) / 1024
        versions[proxy.name] = proxy.version
        stage.stop(proxy.program)
    with_tls = {
        _TLS: _with_tls(stage, opened_with_tls) / 1024,
        _HALF_DONE: _with_tls(stage, half_done) / 1024,
    }
    ours = kib[gateway.NAME]
    return Outcome(
        title=f"Resident memory of an idle keep-alive connection, {_COUNT:,} open, measured once",
        heads=("", "KiB"),
        rows=tuple((name, f"{size:.1f}") for name, size in {**kib, **with_tls}.items()),
        lines=(
            Line(
                f"memory per idle keep-alive connection ({_COUNT:,} open)",
                f"at most {_GOAL_KIB:g} KiB",
                f"{ours:.1f} KiB",
                ours <= _GOAL_KIB,
            ),
            Line(
                "the same with TLS, and a TLS handshake that is half done",
                "",
                f"{with_tls[_TLS]:.1f} KiB and {with_tls[_HALF_DONE]:.1f} KiB",
                None,
            ),
        ),
        figures={"connection": kib},
        versions=versions,
    )


def _with_tls(stage: Stage, opened: Opened) -> float:
    proxy = gateway.start(stage, stage.pages, _PATIENT)
    for _ in range(_WARMING_UP):
        opened_with_tls(proxy).close()
    size = _per_connection(proxy, opened)
    stage.stop(proxy.program)
    return size


def _per_connection(proxy: Proxy, opened: Opened) -> float:
    before = proxy.program.settled()
    connections = [opened(proxy) for _ in range(_COUNT)]
    try:
        growth = proxy.program.settled() - before
        _still_open(proxy, connections)
    finally:
        for connection in connections:
            connection.close()
    return growth / _COUNT


def _opened(proxy: Proxy) -> socket.socket:
    """A connection on which one page was asked for and came."""
    return _asked(proxy, _connected(proxy))


def opened_with_tls(proxy: Proxy) -> socket.socket:
    """The same under TLS."""
    connection = _TRUSTING.wrap_socket(_connected(proxy), server_hostname="localhost")
    return _asked(proxy, connection)


def half_done(proxy: Proxy) -> socket.socket:
    """A connection on which we have begun a handshake, been answered, and gone silent."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        _TRUSTING.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    connection = _connected(proxy)
    connection.sendall(outgoing.read())
    if connection.recv(65536)[:1] != _HANDSHAKE_RECORD:
        raise CannotMeasure(f"{proxy.name}: no answer to a ClientHello")
    return connection


def _connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def _asked(proxy: Proxy, connection: socket.socket) -> socket.socket:
    connection.sendall(proxy.request)
    reply = connection.recv(65536)
    if not reply.startswith(b"HTTP/1.1 200"):
        raise CannotMeasure(f"{proxy.name}: not a good reply: {reply[:300]!r}")
    return connection


def _trusting() -> ssl.SSLContext:
    """Of whoever it is: memory is what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_TRUSTING = _trusting()
# RFC 8446 section 5.1.
_HANDSHAKE_RECORD = b"\x16"


def _still_open(proxy: Proxy, connections: list[socket.socket]) -> None:
    """Each is no connection that was closed meanwhile."""
    for connection in connections:
        connection.setblocking(False)
        try:
            while connection.recv(65536):
                continue
        except (BlockingIOError, ssl.SSLWantReadError):
            continue
        raise CannotMeasure(f"{proxy.name} has closed an idle connection")
