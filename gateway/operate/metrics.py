"""What is counted, as plain integers.

A request pays for one dict item and an addition; names, labels and text are made at the scrape
(families.py).

Every label comes from a closed list (a kind, a status class, a `Reason`, an address of Sonar in
config.yaml). Never label by path, email address or domain: what a visitor can type, a visitor can
multiply until the memory is gone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import NamedTuple

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


class PartState(NamedTuple):
    """One part we depend on: whether it is down, and how often it has failed."""

    name: str
    down: bool
    failures: int


def _nobody() -> int:
    return 0


def _nowhere() -> Iterable[AddressState]:
    return ()


def _nothing() -> Iterable[PartState]:
    return ()


class Counters:
    """One process's counters. The edge adds to the attributes directly.

    `requests` by kind and status class (2 for 2xx). `rejected` by why a request was refused,
    `upstream_errors` by why Sonar or the portal did not answer. `injections` by fragment name and
    outcome. `sign_ins` by reason: of those that ended in a session, and of every refusal a page of
    the portal gave. `logouts` by channel and reason: those that a provider told of, believed or
    not. `sessions_live`, `addresses`, `parts` and `audit_waiting` are asked at the scrape. Times
    are Unix seconds, 0.0 for never.
    """

    __slots__ = (
        "accepts_failed",
        "access_log_behind",
        "access_log_failed",
        "addresses",
        "audit_lost",
        "audit_waiting",
        "certificate_expires_at",
        "certificate_reloads_failed",
        "certificate_reloads_ok",
        "connections_open",
        "injections",
        "logouts",
        "parts",
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
        self.logouts: defaultdict[tuple[str, Reason], int] = defaultdict(int)
        self.accepts_failed = 0
        self.tls_failed = 0
        self.certificate_reloads_ok = 0
        self.certificate_reloads_failed = 0
        self.certificate_expires_at = 0.0
        self.connections_open = 0
        self.tunnels_open = 0
        self.sessions_live: Callable[[], int] = _nobody
        self.addresses: Callable[[], Iterable[AddressState]] = _nowhere
        self.parts: Callable[[], Iterable[PartState]] = _nothing
        self.policy_reloads_ok = 0
        self.policy_reloads_failed = 0
        self.policy_loaded_at = 0.0
        self.policy_failed_at = 0.0
        self.policy_problems = 0
        # Two, because two threads count: one integer added to by both would lose some.
        self.access_log_behind = 0
        self.access_log_failed = 0
        self.audit_lost = 0
        self.audit_waiting: Callable[[], int] = _nobody

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
