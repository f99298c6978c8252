"""What is counted: plain integers on the way of a request, Prometheus families when asked.

A request pays for one dict item and an addition; names, labels and text are made at the scrape.

Every label comes from a closed list (a kind, a status class, a `Reason`, an address of Sonar in
config.yaml). Never label by path,
email address or domain: what a visitor can type, a visitor can multiply until the memory is gone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.reasons import Reason

_STATUS_CLASSES = (1, 2, 3, 4, 5)


class Kind(StrEnum):
    """What became of a request; the `kind` of metric and access log. A request that a proxy asks
    about at /sso/auth counts as forwarded when the proxy may forward it."""

    IDENTITY = "identity"
    """Forwarded with the identity of a gateway session."""
    PASSWORD = "password"  # noqa: S105 - a kind, not a secret
    """Forwarded untouched: the browser has a legacy session of its own."""
    PUBLIC = "public"
    """Forwarded without identity: a public path."""
    PORTAL = "portal"
    """Answered by the gateway's own pages."""
    SIGN_IN = "sign_in"
    """Not signed in: sent to the sign-in page, or 401."""
    REFUSED = "refused"
    """Refused before anybody decided who it is: malformed, ambiguous, too large."""

    # Every request is counted under its kind; Enum's own hash is a function in Python.
    __hash__ = str.__hash__


class InjectionOutcome(StrEnum):
    """Whether a fragment found its place in a legacy page."""

    DONE = "done"
    NOT_FOUND = "not_found"
    UNREADABLE = "unreadable"


class AddressState(NamedTuple):
    """One address of upstream now: `busy` with how many requests and WebSockets."""

    address: str
    up: bool
    busy: int


def _nobody() -> int:
    return 0


def _nowhere() -> Iterable[AddressState]:
    return ()


class Counters(Collector):
    """One process's counters. The edge adds to the attributes directly.

    `requests` by kind and status class (2 for 2xx). `rejected` by why a request was refused,
    `upstream_errors` by why Sonar or the portal did not answer. `injections` by fragment name and
    outcome. `sign_ins` by reason: of those that ended in a session, and of every refusal a page of
    the portal gave. `sessions_live` and `addresses` are asked at the scrape. Times are Unix
    seconds, 0.0 for never.
    """

    __slots__ = (
        "accepts_failed",
        "access_log_behind",
        "access_log_failed",
        "addresses",
        "certificate_expires_at",
        "certificate_reloads_failed",
        "certificate_reloads_ok",
        "connections_open",
        "injections",
        "policy_failed_at",
        "policy_loaded_at",
        "policy_problems",
        "policy_reloads_failed",
        "policy_reloads_ok",
        "rejected",
        "requests",
        "sessions_live",
        "sign_ins",
        "tls_failed",
        "tunnels_open",
        "upstream_errors",
    )

    def __init__(self) -> None:
        # All there from the start, at 0, so that a rate over them is right from the first request.
        self.requests: defaultdict[tuple[Kind, int], int] = defaultdict(int)
        self.requests.update(((kind, status), 0) for kind in Kind for status in _STATUS_CLASSES)
        self.rejected: defaultdict[Reason, int] = defaultdict(int)
        self.upstream_errors: defaultdict[Reason, int] = defaultdict(int)
        self.injections: defaultdict[tuple[str, InjectionOutcome], int] = defaultdict(int)
        self.sign_ins: defaultdict[Reason, int] = defaultdict(int)
        self.accepts_failed = 0
        self.tls_failed = 0
        self.certificate_reloads_ok = 0
        self.certificate_reloads_failed = 0
        self.certificate_expires_at = 0.0
        self.connections_open = 0
        self.tunnels_open = 0
        self.sessions_live: Callable[[], int] = _nobody
        self.addresses: Callable[[], Iterable[AddressState]] = _nowhere
        self.policy_reloads_ok = 0
        self.policy_reloads_failed = 0
        self.policy_loaded_at = 0.0
        self.policy_failed_at = 0.0
        self.policy_problems = 0
        # Two, because two threads count: one integer added to by both would lose some.
        self.access_log_behind = 0
        self.access_log_failed = 0

    def policies_loaded(self, now: float) -> None:
        """A set of policies came into force at `now`."""
        self.policy_reloads_ok += 1
        self.policy_loaded_at = now
        self.policy_problems = 0

    def policies_failed(self, now: float, problems: int) -> None:
        """A changed set of policies was refused at `now`; the last good one stays in force."""
        self.policy_reloads_failed += 1
        self.policy_failed_at = now
        self.policy_problems = problems

    def certificate_loaded(self, expires: float) -> None:
        """A certificate that is valid until `expires` came into force."""
        self.certificate_reloads_ok += 1
        self.certificate_expires_at = expires

    def certificate_failed(self) -> None:
        """A changed certificate was refused; the one before stays in force."""
        self.certificate_reloads_failed += 1

    def collect(self) -> Iterator[Metric]:
        """The families of one scrape, as prometheus_client wants them."""
        yield self._requests()
        yield _by_reason("sonar_gateway_rejected", "Requests refused, by reason", self.rejected)
        yield _by_reason(
            "sonar_gateway_upstream_errors", "Requests Sonar did not answer", self.upstream_errors
        )
        yield _by_reason(
            "sonar_gateway_sign_ins", "Sign-ins finished, refused or to be proven", self.sign_ins
        )
        yield self._injections()
        yield from self._connections()
        yield from self._addresses()
        yield from self._tls()
        yield from self._policies()
        yield self._access_log()

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "sonar_gateway_requests",
            "Requests answered, by what became of them and status class",
            labels=("kind", "status"),
        )
        for (kind, status), count in tuple(self.requests.items()):
            family.add_metric((kind, f"{status}xx"), count)
        return family

    def _injections(self) -> Metric:
        family = CounterMetricFamily(
            "sonar_gateway_injections",
            "Fragments for legacy pages, by what became of them",
            labels=("fragment", "outcome"),
        )
        for pair, count in tuple(self.injections.items()):
            family.add_metric(pair, count)
        return family

    def _connections(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "sonar_gateway_accepts_failed",
            "Times no connection could be accepted for want of file descriptors or memory",
            value=self.accepts_failed,
        )
        yield GaugeMetricFamily(
            "sonar_gateway_connections_open",
            "Browser connections open now",
            value=self.connections_open,
        )
        yield GaugeMetricFamily(
            "sonar_gateway_tunnels_open",
            "Upgraded connections (WebSocket) open now",
            value=self.tunnels_open,
        )
        yield GaugeMetricFamily(
            "sonar_gateway_sessions_live",
            "Sessions this process holds now",
            value=self.sessions_live(),
        )

    def _addresses(self) -> Iterator[Metric]:
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
        for state in self.addresses():
            down.add_metric((state.address,), not state.up)
            busy.add_metric((state.address,), state.busy)
        yield from (down, busy)

    def _tls(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "sonar_gateway_tls_failed", "TLS handshakes that failed", value=self.tls_failed
        )
        yield _reloads(
            "sonar_gateway_certificate_reloads",
            "Times the certificate was read, by outcome",
            self.certificate_reloads_ok,
            self.certificate_reloads_failed,
        )
        yield GaugeMetricFamily(
            "sonar_gateway_certificate_expires_timestamp_seconds",
            "When the certificate in force expires; 0 without TLS",
            value=self.certificate_expires_at,
        )

    def _policies(self) -> Iterator[Metric]:
        yield _reloads(
            "sonar_gateway_policy_reloads",
            "Times the policies were read, by outcome",
            self.policy_reloads_ok,
            self.policy_reloads_failed,
        )
        yield GaugeMetricFamily(
            "sonar_gateway_policy_loaded_timestamp_seconds",
            "When the policies in force were read",
            value=self.policy_loaded_at,
        )
        yield GaugeMetricFamily(
            "sonar_gateway_policy_failed_timestamp_seconds",
            "When a changed policy was last refused",
            value=self.policy_failed_at,
        )
        yield GaugeMetricFamily(
            "sonar_gateway_policy_problems",
            "Problems in the policy files as they are now; 0 when they are in force",
            value=self.policy_problems,
        )

    def _access_log(self) -> Metric:
        lost = CounterMetricFamily(
            "sonar_gateway_access_log_lost",
            "Access log lines lost: the writer was behind, or the write failed",
            labels=("cause",),
        )
        lost.add_metric(("behind",), self.access_log_behind)
        lost.add_metric(("failed",), self.access_log_failed)
        return lost


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
