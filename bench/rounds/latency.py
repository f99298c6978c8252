"""Latency at half load, less what upstream takes when asked without a proxy.

The rate is the same for both: half of what the slower of them can do at the most, because half of
what the gateway can do may be more than Envoy can.
"""

import json
from dataclasses import dataclass
from statistics import median

from bench.load import drive_served
from bench.process import Program, python, said_by
from bench.proxies import envoy, gateway
from bench.report import Line, Outcome
from bench.requests import page_request
from bench.rounds import Effort
from bench.stage import Stage
from bench.watch import Watch, undisturbed

_DIRECT = "no proxy"


@dataclass(frozen=True, slots=True)
class _Latency:
    """In microseconds. `busy`: the part of its core that the proxy had meanwhile, `others`: the
    part of a core that others had."""

    p50: float
    p99: float
    busy: float
    others: float


@dataclass(frozen=True, slots=True)
class _Target:
    """`proxy`: whose core is watched."""

    port: int
    request: bytes
    proxy: Program


def measure(stage: Stage, effort: Effort) -> Outcome:
    ours, envoys = gateway.start(stage, stage.pages), envoy.start_plain(stage, stage.pages)
    most = [drive_served(stage, proxy, effort.seconds).rate for proxy in (ours, envoys)]
    rate = min(most) / 2
    # Nothing passes the gateway while upstream is asked without it.
    targets = {
        _DIRECT: _Target(stage.pages, page_request(stage.pages, ""), ours.program),
        ours.name: _Target(ours.port, ours.request, ours.program),
        envoys.name: _Target(envoys.port, envoys.request, envoys.program),
    }
    rounds: dict[str, list[_Latency]] = {name: [] for name in targets}
    for _ in range(effort.rounds):
        for name, target in targets.items():
            rounds[name].append(_round(stage, target, rate, effort.seconds))
    for proxy in (ours, envoys):
        stage.stop(proxy.program)
    found = {name: _medians(done) for name, done in rounds.items()}
    return Outcome(
        title=f"Latency at {rate:,.0f} requests/s, half of what the slower can do, medians of "
        f"{effort.rounds} rounds",
        heads=("", "p50 µs", "added", "p99 µs", "added", "its core busy", "others had"),
        rows=tuple(_row(name, latency, found[_DIRECT]) for name, latency in found.items()),
        lines=(_line(found, ours.name, envoys.name),),
        versions={ours.name: ours.version, envoys.name: envoys.version},
    )


def _round(stage: Stage, target: _Target, rate: float, seconds: int) -> _Latency:
    command = python("bench.openloop", str(target.port), str(rate), str(seconds))

    def once() -> _Latency:
        watch = Watch(target.proxy, stage.beside)
        said = json.loads(said_by(command, target.request))
        busy = watch.cpu_seconds() / watch.seconds()
        return _Latency(said["p50"], said["p99"], busy, watch.others())

    return undisturbed(once)


def _medians(done: list[_Latency]) -> _Latency:
    return _Latency(
        median(each.p50 for each in done),
        median(each.p99 for each in done),
        median(each.busy for each in done),
        median(each.others for each in done),
    )


def _row(name: str, latency: _Latency, direct: _Latency) -> tuple[str, ...]:
    return (
        name,
        f"{latency.p50:.0f}",
        f"{latency.p50 - direct.p50:.0f}",
        f"{latency.p99:.0f}",
        f"{latency.p99 - direct.p99:.0f}",
        f"{latency.busy:.0%}",
        f"{latency.others:.0%}",
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
