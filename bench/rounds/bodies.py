"""256 MiB down and up: throughput beside Envoy, growth of memory, also with a slow reader."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench.proxies import Proxy, Start, envoy, gateway
from bench.report import Line, Outcome
from bench.rounds import Effort
from bench.stage import Stage
from bench.transfer import (
    SLOW_BYTES_PER_SECOND,
    download,
    download_slowly,
    upload,
    upload_to_slow_reader,
)
from bench.upstream.pages import DOWNLOAD_BYTES
from bench.watch import Watch, undisturbed

_GOAL_MIB = 8.0
_MIB = 1024 * 1024
# One takes a seventh of a second, in which a neighbour's moment counts for much.
_MOVES_A_ROUND = 5
_STARTS: tuple[Start, ...] = (gateway.start, envoy.start_plain)

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Moved:
    """`others`: the part of a core that others had meanwhile."""

    seconds: float
    others: float


def measure(stage: Stage, effort: Effort) -> Outcome:
    uploads = stage.module("bench.upstream.uploads")
    slow_uploads = stage.module("bench.upstream.uploads", str(SLOW_BYTES_PER_SECOND))
    # Long enough that what a proxy takes in too much would show: 10 MB pass at most.
    slow = max(3.0, effort.seconds * 2.0)
    down = _throughput(stage, stage.pages, download, effort)
    up = _throughput(stage, uploads, upload, effort)
    grown = {
        "download": _growth(stage, stage.pages, lambda proxy: download(proxy)),
        "upload": _growth(stage, uploads, lambda proxy: upload(proxy)),
        "slow download": _growth(stage, stage.pages, lambda proxy: download_slowly(proxy, slow)),
        "slow upload": _growth(
            stage, slow_uploads, lambda proxy: upload_to_slow_reader(proxy, slow)
        ),
    }
    worst = max(mib[gateway.NAME] for mib in grown.values())
    return Outcome(
        title=f"256 MiB on one connection, medians of {effort.rounds * _MOVES_A_ROUND}; growth "
        f"of a fresh process, also in {slow:.0f} s with a reader of 1 MB/s, measured once",
        heads=("", "download MB/s", "upload MB/s", *(f"{kind} grows MiB" for kind in grown)),
        rows=tuple(
            (
                name,
                f"{down[name]:,.0f}",
                f"{up[name]:,.0f}",
                *(f"{m[name]:.1f}" for m in grown.values()),
            )
            for name in (gateway.NAME, envoy.PLAIN)
        ),
        lines=(
            Line(
                "256 MiB download and upload: throughput",
                "at least Envoy's",
                f"down {down[gateway.NAME]:.0f} MB/s, Envoy {down[envoy.PLAIN]:.0f}; "
                f"up {up[gateway.NAME]:.0f} MB/s, Envoy {up[envoy.PLAIN]:.0f}",
                all(each[gateway.NAME] >= each[envoy.PLAIN] for each in (down, up)),
            ),
            Line(
                "the same, also with a reader of 1 MB/s: growth of resident memory",
                f"less than {_GOAL_MIB:g} MiB",
                f"{worst:.1f} MiB at worst",
                worst < _GOAL_MIB,
            ),
        ),
        figures={"download": down, "upload": up},
    )


def _throughput(
    stage: Stage, upstream: int, move: Callable[[Proxy], float], effort: Effort
) -> Figures:
    """MB/s, medians; both in turn."""
    proxies = [start(stage, upstream) for start in _STARTS]
    for proxy in proxies:
        move(proxy)
    moved: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
    for _ in range(effort.rounds * _MOVES_A_ROUND):
        for proxy in proxies:
            moved[proxy.name].append(_moved(stage, proxy, move).seconds)
    for proxy in proxies:
        stage.stop(proxy.program)
    return {name: DOWNLOAD_BYTES / median(took) / 1e6 for name, took in moved.items()}


def _moved(stage: Stage, proxy: Proxy, move: Callable[[Proxy], float]) -> _Moved:
    def once() -> _Moved:
        watch = Watch(proxy.program, stage.beside)
        return _Moved(move(proxy), watch.others())

    return undisturbed(once)


def _growth(stage: Stage, upstream: int, move: Callable[[Proxy], object]) -> Figures:
    """By how many MiB each one's resident memory is larger at the most, in a fresh process."""
    grown: Figures = {}
    for start in _STARTS:
        proxy = start(stage, upstream)
        before = proxy.program.settled()
        proxy.program.forget_peak()
        move(proxy)
        grown[proxy.name] = (proxy.program.peak() - before) / _MIB
        stage.stop(proxy.program)
    return grown
