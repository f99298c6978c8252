"""What became of a request, for the access log and the counters."""

import time
from typing import TYPE_CHECKING

from gateway.edge.head import client_of
from gateway.edge.inbound import Inbound
from gateway.operate.access_log import access_line

if TYPE_CHECKING:
    from gateway.edge.ending import Ending


def record(exchange: "Ending", status: int, sent: int) -> None:
    """Count a request and write its line. `sent`: bytes of body."""
    counters, live, heard = exchange.shared.counters, exchange.live, exchange.heard
    counters.requests[exchange.kind, status // 100] += 1
    if exchange.reason is not None:
        counters.rejected[exchange.reason] += 1
    if exchange.understood:
        inbound = exchange.inbound
        if inbound.for_portal and isinstance(inbound.asked, Inbound):
            inbound = inbound.asked
        method, path, client = inbound.method, inbound.path, inbound.client
    else:
        raw, peer = exchange.raw, exchange.client.peer
        method, path, client = "-", "-", peer.address
        if raw is not None:
            method, path = raw.method, raw.target.decode("latin-1")
            client = client_of(raw.fields, peer, exchange.shared.rules)
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
