"""Requests/s on one core and CPU time for each: everybody in turn, round after round."""

from statistics import median

from bench.load import CONNECTIONS, Round, drive_served
from bench.proxies import Proxy, apache, caddy, envoy, gateway, haproxy
from bench.report import Line, Outcome
from bench.rounds import EVERYBODY, Effort
from bench.stage import Stage

_WORK = f"authenticated 1 KB GET, browser headers, {CONNECTIONS} connections"


def measure(stage: Stage, effort: Effort) -> Outcome:
    proxies = [start(stage, stage.pages) for start in EVERYBODY]
    for proxy in proxies:
        drive_served(stage, proxy, 1)
    rounds: dict[str, list[Round]] = {proxy.name: [] for proxy in proxies}
    for _ in range(effort.rounds):
        for proxy in proxies:
            rounds[proxy.name].append(drive_served(stage, proxy, effort.seconds))
    for proxy in proxies:
        stage.stop(proxy.program)
    cpu = {name: median(each.cpu for each in done) for name, done in rounds.items()}
    rate = {name: median(each.rate for each in done) for name, done in rounds.items()}
    return Outcome(
        title=f"{_WORK}, medians of {effort.rounds} rounds of {effort.seconds} s",
        heads=("", "CPU µs/request", "gateway's / its", "requests/s", "gateway's / its",
               "p50 ms", "p99 ms", "its core busy", "others had"),
        rows=tuple(_row(proxy, cpu, rate, rounds[proxy.name]) for proxy in proxies),
        lines=(_cpu_line(cpu), _rate_line(rate)),
        figures={"cpu": cpu, "rate": rate},
        versions={proxy.name: proxy.version for proxy in proxies},
    )  # fmt: skip


def _row(
    proxy: Proxy, cpu: dict[str, float], rate: dict[str, float], done: list[Round]
) -> tuple[str, ...]:
    name = proxy.name
    return (
        name,
        f"{cpu[name]:.1f}",
        f"{cpu[gateway.NAME] / cpu[name]:.2f}",
        f"{rate[name]:,.0f}",
        f"{rate[gateway.NAME] / rate[name]:.2f}",
        f"{median(each.p50 for each in done) / 1000:.2f}",
        f"{median(each.p99 for each in done) / 1000:.2f}",
        f"{median(each.busy for each in done):.0%}",
        f"{median(each.others for each in done):.0%}",
    )


def _cpu_line(cpu: dict[str, float]) -> Line:
    ours = cpu[gateway.NAME]
    haproxys, envoys = ours / cpu[haproxy.NAME], ours / cpu[envoy.PLAIN]
    return Line(
        f"{_WORK}: CPU time per request",
        "at most 2.0 x HAProxy's, at most 0.6 x Envoy plain's",
        f"{ours:.1f} µs: {haproxys:.2f} x HAProxy's, {envoys:.2f} x Envoy's",
        haproxys <= 2.0 and envoys <= 0.6,
    )


def _rate_line(rate: dict[str, float]) -> Line:
    ours = rate[gateway.NAME]
    caddys, apaches = ours / rate[caddy.NAME], ours / rate[apache.NAME]
    return Line(
        "the same: requests/s on one core",
        "at least 3.5 x Caddy plain, 4 x mod_auth_openidc",
        f"{ours:,.0f}/s: {caddys:.2f} x Caddy, {apaches:.2f} x mod_auth_openidc",
        caddys >= 3.5 and apaches >= 4.0,
    )
