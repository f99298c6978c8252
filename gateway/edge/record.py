"""What became of a request, for the access log and the counters."""

import time
from typing import TYPE_CHECKING

from gateway.operate.access_log import access_line

if TYPE_CHECKING:
    from gateway.edge.exchange import Exchange


def record(exchange: "Exchange", status: int, sent: int, heard: float | None) -> None:
    """Count a request and write its line. `sent`: bytes of body; `heard`: when upstream began to
    answer, `time.perf_counter()` seconds."""
    counters, inbound, live = exchange.shared.counters, exchange.inbound, exchange.live
    counters.requests[exchange.kind, status // 100] += 1
    if exchange.reason is not None:
        counters.rejected[exchange.reason] += 1
    if inbound is not None:
        method, path, client = inbound.method, inbound.path, inbound.origins.client
    else:
        raw = exchange.raw
        method = "-" if raw is None else raw.method
        path = "-" if raw is None else raw.target.decode("latin-1")
        client = exchange.client.peer.address
    started = exchange.started
    exchange.shared.access_log.write(
        access_line(
            now=time.time(),
            request_id=exchange.request_id,
            client=client,
            method=method,
            path=path,
            status=status,
            sent=sent,
            duration=time.perf_counter() - started,
            upstream=None if heard is None else heard - started,
            kind=exchange.kind,
            reason=exchange.reason,
            account=None if live is None else live.session.account.id,
            session=None if live is None else live.session.public_id,
        )
    )
