"""What became of a request, for the access log and the counters."""

import time

from gateway.edge.inbound import Inbound
from gateway.edge.shared import Shared
from gateway.operate.access_log import access_line
from gateway.operate.metrics import Kind
from gateway.reasons import Reason
from gateway.session.live import Live


class Outcome:
    """Filled in while the request goes its way. `started` is `time.perf_counter()` seconds."""

    __slots__ = (
        "client",
        "inbound",
        "kind",
        "live",
        "method",
        "path",
        "reason",
        "request_id",
        "started",
    )

    def __init__(self, request_id: str, client: str, started: float) -> None:
        self.request_id = request_id
        self.client = client
        self.started = started
        self.inbound: Inbound | None = None
        self.live: Live | None = None
        self.kind = Kind.REFUSED
        self.reason: Reason | None = None
        self.method = self.path = "-"


def record(outcome: Outcome, shared: Shared, status: int, sent: int, heard: float | None) -> None:
    """Count the request and write its line. `sent`: bytes of body; `heard`: when upstream began to
    answer."""
    counters, inbound, live, started = (
        shared.counters,
        outcome.inbound,
        outcome.live,
        outcome.started,
    )
    counters.requests[outcome.kind, status // 100] += 1
    if outcome.reason is not None:
        counters.rejected[outcome.reason] += 1
    if inbound is not None:
        outcome.method, outcome.path = inbound.method, inbound.path
        outcome.client, outcome.request_id = inbound.origins.client, inbound.origins.request_id
    session = None if live is None else live.session
    shared.access_log.write(
        access_line(
            now=time.time(),
            request_id=outcome.request_id,
            client=outcome.client,
            method=outcome.method,
            path=outcome.path,
            status=status,
            sent=sent,
            duration=time.perf_counter() - started,
            upstream=None if heard is None else heard - started,
            kind=outcome.kind,
            reason=outcome.reason,
            account=None if session is None else session.account.id,
            session=None if session is None else session.public_id,
        )
    )
