"""Several processes' counters as one."""

import json

from gateway.operate import totals
from gateway.operate.families import families
from gateway.operate.metrics import Counters, Kind
from gateway.reasons import Reason


def value(snapshot: totals.Snapshot, name: str, **labels: str) -> float:
    (found,) = (
        sample.value
        for metric in totals.metrics(snapshot)
        for sample in metric.samples
        if sample.name == f"sonar_gateway_{name}" and sample.labels == labels
    )
    return found


def test_one_process_comes_back_as_it_was() -> None:
    counters = Counters()
    counters.requests[Kind.PORTAL, 3] += 2
    counters.tunnels_open = 5
    crossed = json.loads(json.dumps(totals.snapshot(counters)))
    back = [(m.name, m.documentation, m.type, m.samples) for m in totals.metrics(crossed)]
    assert back == [(m.name, m.documentation, m.type, m.samples) for m in families(counters)]


def test_what_is_counted_and_held_adds_up() -> None:
    one, other = Counters(), Counters()
    one.requests[Kind.PUBLIC, 2] += 2
    other.requests[Kind.PUBLIC, 2] += 3
    other.rejected[Reason.NOT_SIGNED_IN] += 1
    one.connections_open, other.connections_open = 10, 20
    total = totals.total((totals.snapshot(one), totals.snapshot(other)))
    assert value(total, "requests_total", kind="public", status="2xx") == 5
    assert value(total, "requests_total", kind="portal", status="2xx") == 0
    assert value(total, "rejected_total", reason="not_signed_in") == 1
    assert value(total, "connections_open") == 30


def test_policies_are_told_of_by_the_worst() -> None:
    """One process that goes by old policies, or sees a problem, shows."""
    one, other = Counters(), Counters()
    one.policies_loaded(100.0)
    other.policies_loaded(200.0)
    one.policies_failed(300.0, problems=2)
    total = totals.total((totals.snapshot(one), totals.snapshot(other)))
    assert value(total, "policy_loaded_timestamp_seconds") == 100
    assert value(total, "policy_failed_timestamp_seconds") == 300
    assert value(total, "policy_problems") == 2


def test_of_a_process_that_is_gone_only_counters_stay() -> None:
    counters = Counters()
    counters.requests[Kind.PUBLIC, 2] += 2
    counters.connections_open = 3
    left = totals.departed(totals.snapshot(counters))
    assert value(left, "requests_total", kind="public", status="2xx") == 2
    assert {metric.type for metric in totals.metrics(left)} == {"counter"}


def test_summing_changes_nothing_that_it_sums() -> None:
    counters = Counters()
    counters.requests[Kind.PUBLIC, 2] += 2
    one = totals.snapshot(counters)
    before = json.dumps(one)
    totals.total((one, one))
    assert json.dumps(one) == before


def test_moments_are_not_added_up() -> None:
    counters = Counters()
    counters.certificate_loaded(100.0)
    counters.policies_loaded(100.0)
    counters.policies_failed(100.0, 1)
    one = totals.snapshot(counters)
    both = {metric.name: metric for metric in totals.metrics(totals.total((one, one)))}
    moments = [name for name in both if name.endswith("_timestamp_seconds")]
    assert len(moments) == 3
    assert {both[name].samples[0].value for name in moments} == {100.0}
