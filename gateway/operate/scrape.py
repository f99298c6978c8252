"""The text of /metrics, and what is measured of processes from outside."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_LATEST


def text(metrics: Iterable[Metric]) -> bytes:
    """These families as Prometheus reads them, each name once."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(metrics))
    return generate_latest(registry)


def this_process() -> Iterator[Metric]:
    """Memory, CPU time, descriptors and the collector of this process."""
    quiet = CollectorRegistry(auto_describe=False)
    for kind in (ProcessCollector, PlatformCollector, GCCollector):
        yield from kind(registry=quiet).collect()


def processes(pids: Mapping[str, int]) -> Iterator[Metric]:
    """Memory, CPU time and descriptors of each process, by name in the label `process`."""
    for name, pid in pids.items():
        quiet = CollectorRegistry(auto_describe=False)
        for family in ProcessCollector(pid=_always(pid), registry=quiet).collect():
            labelled = Metric(family.name, family.documentation, family.type)
            for sample in family.samples:
                labelled.add_sample(sample.name, {"process": name}, sample.value)
            yield labelled


class _Collected(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._families: dict[str, Metric] = {}
        for metric in metrics:
            known = self._families.setdefault(metric.name, metric)
            if known is not metric:
                known.samples.extend(metric.samples)

    def collect(self) -> Iterable[Metric]:
        return self._families.values()


def _always(pid: int) -> Callable[[], int]:
    return lambda: pid
