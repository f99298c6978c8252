"""What several processes have counted, as one: plain data that crosses a socket.

    snapshot(counters)   of one process, now
    total(snapshots)     of several, as if one process had counted it all
    departed(snapshot)   what stays of a process that is gone: what it counted, not what it held
    metrics(snapshot)    back as Prometheus families

A counter must never go down while the gateway runs, or a rate over it shows a burst that never
was. So whoever adds up keeps what dead processes have counted.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client.core import Metric

from gateway.operate.families import families
from gateway.operate.metrics import Counters

Snapshot = list[dict[str, Any]]
"""One mapping a family: `name`, `help`, `type`, and `samples`: [name, labels, value] each."""

# Most gauges say how much there is, and add up. These say when, or how bad: the policies of all are
# those of the process that read them first, a problem that one process sees is a problem, and the
# certificate that expires first is the one to look after.
_NOT_ADDED: dict[str, Callable[[float, float], float]] = {
    "sonar_gateway_certificate_expires_timestamp_seconds": min,
    "sonar_gateway_policy_loaded_timestamp_seconds": min,
    "sonar_gateway_policy_failed_timestamp_seconds": max,
    "sonar_gateway_policy_problems": max,
}

_Key = tuple[str, tuple[tuple[str, str], ...]]


def snapshot(counters: Counters) -> Snapshot:
    return [
        {
            "name": metric.name,
            "help": metric.documentation,
            "type": metric.type,
            "samples": [[s.name, s.labels, s.value] for s in metric.samples],
        }
        for metric in families(counters)
    ]


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    by_name: dict[str, dict[str, Any]] = {}
    sums: dict[str, dict[_Key, float]] = {}
    for family in (family for one in snapshots for family in one):
        name = family["name"]
        by_name.setdefault(name, family)
        values = sums.setdefault(name, {})
        for sample, labels, value in family["samples"]:
            key = (sample, tuple(labels.items()))
            before = values.get(key)
            values[key] = value if before is None else _NOT_ADDED.get(name, _add)(before, value)
    return [
        {**family, "samples": [[key[0], dict(key[1]), v] for key, v in sums[name].items()]}
        for name, family in by_name.items()
    ]


def departed(gone: Snapshot) -> Snapshot:
    return [family for family in gone if family["type"] != "gauge"]


def metrics(of: Snapshot) -> Iterator[Metric]:
    for family in of:
        metric = Metric(family["name"], family["help"], family["type"])
        for name, labels, value in family["samples"]:
            metric.add_sample(name, labels, value)
        yield metric


def _add(one: float, other: float) -> float:
    return one + other
