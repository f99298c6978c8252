"""Latency at half of the gateway's maximum, less what upstream takes when asked without a proxy."""

import json
from dataclasses import dataclass
from statistics import median

from bench.load import drive_served
from bench.process import python, said_by
from bench.proxies import envoy, gateway
from bench.report import Line, Outcome
from bench.requests import page_request
from bench.rounds import Effort
from bench.stage import Stage

_DIRECT = "no proxy"


@dataclass(frozen=True, slots=True)
class _Latency:
    """In microseconds."""

    p50: float
    p99: float


def measure(stage: Stage, effort: Effort) -> Outcome:
    ours, envoys = gateway.start(stage, stage.pages), envoy.start_plain(stage, stage.pages)
    drive_served(stage, envoys, 1)
    rate = drive_served(stage, ours, effort.seconds).rate / 2
    targets = {
        _DIRECT: (stage.pages, page_request(stage.pages, "")),
        ours.name: (ours.port, ours.request),
        envoys.name: (envoys.port, envoys.request),
    }
    rounds: dict[str, list[_Latency]] = {name: [] for name in targets}
    for _ in range(effort.rounds):
        for name, (port, request) in targets.items():
            rounds[name].append(_round(port, request, rate, effort.seconds))
    for proxy in (ours, envoys):
        stage.stop(proxy.program)
    found = {
        name: _Latency(median(each.p50 for each in done), median(each.p99 for each in done))
        for name, done in rounds.items()
    }
    return Outcome(
        title=f"Latency at {rate:.0f} requests/s, half of the gateway's maximum, medians",
        heads=("", "p50 µs", "added", "p99 µs", "added"),
        rows=tuple(_row(name, latency, found[_DIRECT]) for name, latency in found.items()),
        lines=(_line(found, ours.name, envoys.name),),
        versions={ours.name: ours.version, envoys.name: envoys.version},
    )


def _round(port: int, request: bytes, rate: float, seconds: int) -> _Latency:
    command = python("bench.openloop", str(port), str(rate), str(seconds))
    said = json.loads(said_by(command, request))
    return _Latency(said["p50"], said["p99"])


def _row(name: str, latency: _Latency, direct: _Latency) -> tuple[str, ...]:
    return (
        name,
        f"{latency.p50:.0f}",
        f"{latency.p50 - direct.p50:.0f}",
        f"{latency.p99:.0f}",
        f"{latency.p99 - direct.p99:.0f}",
    )


def _line(found: dict[str, _Latency], our_name: str, envoys_name: str) -> Line:
    ours, envoys, direct = found[our_name], found[envoys_name], found[_DIRECT]
    return Line(
        "added latency at half load, p50 and p99",
        "at most Envoy plain's",
        f"p50 {ours.p50 - direct.p50:.0f} µs, Envoy {envoys.p50 - direct.p50:.0f}; "
        f"p99 {ours.p99 - direct.p99:.0f} µs, Envoy {envoys.p99 - direct.p99:.0f}",
        ours.p50 <= envoys.p50 and ours.p99 <= envoys.p99,
    )
