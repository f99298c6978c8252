"""The counters as Prometheus reads them."""

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.operate import scrape
from gateway.operate.families import families
from gateway.operate.metrics import Counters, InjectionOutcome, Kind, PartState
from gateway.reasons import Reason

Labels = Mapping[str, str]


@pytest.fixture
def counters() -> Counters:
    return Counters()


def scraped(counters: Counters) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of a scrape, read back from the text Prometheus gets."""
    text = scrape.text(families(counters)).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(counters: Counters, name: str, **labels: str) -> float:
    return scraped(counters)[f"sonar_gateway_{name}", frozenset(labels.items())]


def test_every_kind_and_status_class_is_there_from_the_start(counters: Counters) -> None:
    requests = [labels for name, labels in scraped(counters) if name.endswith("_requests_total")]
    assert len(requests) == len(Kind) * 5
    assert value(counters, "requests_total", kind="password", status="5xx") == 0


def test_requests(counters: Counters) -> None:
    counters.requests[Kind.IDENTITY, 200 // 100] += 2
    counters.requests[Kind.REFUSED, 431 // 100] += 1
    assert value(counters, "requests_total", kind="identity", status="2xx") == 2
    assert value(counters, "requests_total", kind="refused", status="4xx") == 1


def test_a_status_that_does_not_exist_is_counted_and_not_an_error(counters: Counters) -> None:
    counters.requests[Kind.PUBLIC, 999 // 100] += 1
    assert value(counters, "requests_total", kind="public", status="9xx") == 1


def test_certificates(counters: Counters) -> None:
    assert value(counters, "certificate_expires_timestamp_seconds") == 0
    counters.certificate_loaded(1234.0)
    counters.certificate_failed()
    counters.certificate_failed()
    assert value(counters, "certificate_expires_timestamp_seconds") == 1234
    assert value(counters, "certificate_reloads_total", outcome="ok") == 1
    assert value(counters, "certificate_reloads_total", outcome="failed") == 2


def test_logouts(counters: Counters) -> None:
    counters.logouts["backchannel", Reason.TOKEN_REPLAYED] += 2
    labels = {"channel": "backchannel", "reason": "token_replayed"}
    assert value(counters, "logouts_total", **labels) == 2


def test_connections(counters: Counters) -> None:
    counters.accepts_failed += 3
    counters.tls_failed += 2
    assert value(counters, "accepts_failed_total") == 3
    assert value(counters, "tls_failed_total") == 2


def test_by_reason(counters: Counters) -> None:
    counters.rejected[Reason.NOT_SIGNED_IN] += 3
    counters.upstream_errors[Reason.UPSTREAM_TIMEOUT] += 1
    assert value(counters, "rejected_total", reason="not_signed_in") == 3
    assert value(counters, "upstream_errors_total", reason="upstream_timeout") == 1


@pytest.mark.parametrize("outcome", list(InjectionOutcome))
def test_injections(counters: Counters, outcome: InjectionOutcome) -> None:
    counters.injections["login_buttons", outcome] += 1
    found = value(counters, "injections_total", fragment="login_buttons", outcome=outcome)
    assert found == 1


def test_gauges_are_asked_when_scraped(counters: Counters) -> None:
    live = [1, 2, 3]
    counters.sessions_live = lambda: len(live)
    counters.connections_open += 5
    counters.tunnels_open += 2
    assert value(counters, "sessions_live") == 3
    live.pop()
    assert value(counters, "sessions_live") == 2
    assert value(counters, "connections_open") == 5
    assert value(counters, "tunnels_open") == 2


def test_parts(counters: Counters) -> None:
    counters.parts = lambda: [PartState("links", True, 3), PartState("sessions", False, 0)]
    assert value(counters, "part_down", part="links") == 1
    assert value(counters, "part_down", part="sessions") == 0
    assert value(counters, "part_failures_total", part="links") == 3


def test_a_failed_reload_shows_until_a_good_one(counters: Counters) -> None:
    counters.policies_loaded(100.0)
    counters.policies_failed(200.0, problems=3)
    assert value(counters, "policy_problems") == 3
    assert value(counters, "policy_loaded_timestamp_seconds") == 100
    assert value(counters, "policy_failed_timestamp_seconds") == 200
    counters.policies_loaded(300.0)
    assert value(counters, "policy_problems") == 0
    assert value(counters, "policy_loaded_timestamp_seconds") == 300
    assert value(counters, "policy_failed_timestamp_seconds") == 200
    assert value(counters, "policy_reloads_total", outcome="ok") == 2
    assert value(counters, "policy_reloads_total", outcome="failed") == 1


def test_lost_log_lines(counters: Counters) -> None:
    counters.access_log_behind += 4
    counters.access_log_failed += 5
    assert value(counters, "access_log_lost_total", cause="behind") == 4
    assert value(counters, "access_log_lost_total", cause="failed") == 5


def test_the_labels_are_closed_lists(counters: Counters) -> None:
    """No label can be filled with what a visitor types: the number of series stays small."""
    for kind in Kind:
        for status in range(1, 10):
            counters.requests[kind, status] += 1
    for reason in Reason:
        counters.rejected[reason] += 1
        counters.upstream_errors[reason] += 1
    names = {label for _, labels in scraped(counters) for label, _ in labels}
    assert names <= {"kind", "status", "reason", "fragment", "outcome", "cause", "part"}
    assert len(scraped(counters)) < 300
