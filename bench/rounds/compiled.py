"""The hot modules compiled beside the same as plain Python: is a second way to run worth it?"""

from statistics import median

from bench.load import Round, drive_served
from bench.proxies import gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.rounds import Effort
from bench.stage import Stage

_COMPILED, _PYTHON = "compiled", "plain Python"
_CODE = {_COMPILED: "compiled", _PYTHON: "pure"}
_GOAL = 0.15


def measure(stage: Stage, effort: Effort) -> Outcome:
    """Both serve the usual request in turn, each in a process of its own."""
    proxies = {
        name: gateway.start(stage, stage.pages, Variant(code=code)) for name, code in _CODE.items()
    }
    for proxy in proxies.values():
        drive_served(stage, proxy, 1)
    rounds: dict[str, list[Round]] = {name: [] for name in proxies}
    for _ in range(effort.rounds):
        for name, proxy in proxies.items():
            rounds[name].append(drive_served(stage, proxy, effort.seconds))
    for proxy in proxies.values():
        stage.stop(proxy.program)
    cpu = {name: median(each.cpu for each in done) for name, done in rounds.items()}
    rate = {name: median(each.rate for each in done) for name, done in rounds.items()}
    saved = 1 - cpu[_COMPILED] / cpu[_PYTHON]
    more = rate[_COMPILED] / rate[_PYTHON] - 1
    return Outcome(
        title=f"Hot modules compiled and as plain Python, medians of {effort.rounds} rounds",
        heads=("", "CPU µs/request", "requests/s", "others had"),
        rows=tuple(
            (
                name,
                f"{cpu[name]:.1f}",
                f"{rate[name]:,.0f}",
                f"{median(each.others for each in rounds[name]):.0%}",
            )
            for name in proxies
        ),
        lines=(
            Line(
                "hot modules compiled: CPU time per request",
                f"at least {_GOAL:.0%} less than as plain Python",
                f"{cpu[_COMPILED]:.1f} µs instead of {cpu[_PYTHON]:.1f}: {saved:.0%} less; "
                f"{more:.0%} more requests/s",
                saved >= _GOAL,
            ),
        ),
    )
