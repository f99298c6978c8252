"""What was counted, as Prometheus families: names, labels and words, made at the scrape."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.operate.metrics import Counters
from gateway.reasons import Reason


def families(counters: Counters) -> Iterator[Metric]:
    """Every family, with what has been counted until now."""
    yield _requests(counters)
    yield _by_reason("sonar_gateway_rejected", "Requests refused, by reason", counters.rejected)
    yield _by_reason(
        "sonar_gateway_upstream_errors", "Requests Sonar did not answer", counters.upstream_errors
    )
    yield _by_reason(
        "sonar_gateway_sign_ins", "Sign-ins finished, refused or to be proven", counters.sign_ins
    )
    yield _logouts(counters)
    yield _injections(counters)
    yield from _connections(counters)
    yield from _addresses(counters)
    yield from _parts(counters)
    yield from _tls(counters)
    yield from _policies(counters)
    yield _access_log(counters)
    yield from _audit(counters)


def _requests(counters: Counters) -> Metric:
    family = CounterMetricFamily(
        "sonar_gateway_requests",
        "Requests answered, by what became of them and status class",
        labels=("kind", "status"),
    )
    for (kind, status), count in tuple(counters.requests.items()):
        family.add_metric((kind, f"{status}xx"), count)
    return family


def _logouts(counters: Counters) -> Metric:
    family = CounterMetricFamily(
        "sonar_gateway_logouts",
        "Logouts that a provider told of, believed or refused",
        labels=("channel", "reason"),
    )
    for pair, count in tuple(counters.logouts.items()):
        family.add_metric(pair, count)
    return family


def _injections(counters: Counters) -> Metric:
    family = CounterMetricFamily(
        "sonar_gateway_injections",
        "Fragments for legacy pages, by what became of them",
        labels=("fragment", "outcome"),
    )
    for pair, count in tuple(counters.injections.items()):
        family.add_metric(pair, count)
    return family


def _connections(counters: Counters) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "sonar_gateway_accepts_failed",
        "Times no connection could be accepted for want of file descriptors or memory",
        value=counters.accepts_failed,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_connections_open",
        "Browser connections open now",
        value=counters.connections_open,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_tunnels_open",
        "Upgraded connections (WebSocket) open now",
        value=counters.tunnels_open,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_sessions_live",
        "Sessions this process holds now",
        value=counters.sessions_live(),
    )


def _addresses(counters: Counters) -> Iterator[Metric]:
    # Down, not up: of several processes' figures the sum then says how many see it so.
    down = GaugeMetricFamily(
        "sonar_gateway_upstream_down",
        "Whether nobody is sent to this address of Sonar now",
        labels=("address",),
    )
    busy = GaugeMetricFamily(
        "sonar_gateway_upstream_requests",
        "Requests and WebSockets under way at this address of Sonar now",
        labels=("address",),
    )
    for state in counters.addresses():
        down.add_metric((state.address,), not state.up)
        busy.add_metric((state.address,), state.busy)
    yield from (down, busy)


def _parts(counters: Counters) -> Iterator[Metric]:
    # Down, not up, as with addresses.
    down = GaugeMetricFamily(
        "sonar_gateway_part_down",
        "Whether this part the gateway depends on does not do its work now",
        labels=("part",),
    )
    failures = CounterMetricFamily(
        "sonar_gateway_part_failures",
        "Times this part did not do what it was asked",
        labels=("part",),
    )
    for state in counters.parts():
        down.add_metric((state.name,), state.down)
        failures.add_metric((state.name,), state.failures)
    yield from (down, failures)


def _tls(counters: Counters) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "sonar_gateway_tls_failed", "TLS handshakes that failed", value=counters.tls_failed
    )
    yield _reloads(
        "sonar_gateway_certificate_reloads",
        "Times the certificate was read, by outcome",
        counters.certificate_reloads_ok,
        counters.certificate_reloads_failed,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_certificate_expires_timestamp_seconds",
        "When the certificate in force expires; 0 without TLS",
        value=counters.certificate_expires_at,
    )


def _policies(counters: Counters) -> Iterator[Metric]:
    yield _reloads(
        "sonar_gateway_policy_reloads",
        "Times the policies were read, by outcome",
        counters.policy_reloads_ok,
        counters.policy_reloads_failed,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_policy_loaded_timestamp_seconds",
        "When the policies in force were read",
        value=counters.policy_loaded_at,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_policy_failed_timestamp_seconds",
        "When a changed policy was last refused",
        value=counters.policy_failed_at,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_policy_problems",
        "Problems in the policy files as they are now; 0 when they are in force",
        value=counters.policy_problems,
    )


def _access_log(counters: Counters) -> Metric:
    lost = CounterMetricFamily(
        "sonar_gateway_access_log_lost",
        "Access log lines lost: the writer was behind, or the write failed",
        labels=("cause",),
    )
    lost.add_metric(("behind",), counters.access_log_behind)
    lost.add_metric(("failed",), counters.access_log_failed)
    return lost


def _audit(counters: Counters) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "sonar_gateway_audit_lost",
        "Records of the audit that are not in the database",
        value=counters.audit_lost,
    )
    yield GaugeMetricFamily(
        "sonar_gateway_audit_waiting",
        "Records of the audit that wait to be written",
        value=counters.audit_waiting(),
    )


def _reloads(name: str, documentation: str, ok: int, failed: int) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=("outcome",))
    family.add_metric(("ok",), ok)
    family.add_metric(("failed",), failed)
    return family


def _by_reason(name: str, documentation: str, counts: dict[Reason, int]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=("reason",))
    for reason, count in tuple(counts.items()):
        family.add_metric((reason,), count)
    return family
