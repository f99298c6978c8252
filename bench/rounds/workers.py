"""Two workers that share the port, beside one: CPU time per request and memory, on one core."""

from statistics import median

from bench.load import Round, drive_served
from bench.proxies import gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.rounds import Effort
from bench.stage import Stage

_WORK = "2 workers sharing the port: CPU time per request, memory"
_GOAL = "at most 1.1 x one worker's; memory at most doubled"
_TWO = Variant(server=(("workers", 2),))
_MIB = 1024 * 1024


def measure(stage: Stage, effort: Effort) -> Outcome:
    one = gateway.start(stage, stage.pages)
    two = gateway.start(stage, stage.pages, _TWO)
    found = {"1 worker": (one, list[Round]()), "2 workers": (two, list[Round]())}
    for proxy, _ in found.values():
        drive_served(stage, proxy, 1)
    for _ in range(effort.rounds):
        for proxy, done in found.values():
            done.append(drive_served(stage, proxy, effort.seconds))
    for proxy, _ in found.values():
        proxy.program.settled()
    memory = {name: proxy.program.proportional() for name, (proxy, _) in found.items()}
    cpu = {name: median(each.cpu for each in done) for name, (_, done) in found.items()}
    rate = {name: median(each.rate for each in done) for name, (_, done) in found.items()}
    for proxy, _ in found.values():
        stage.stop(proxy.program)
    costs = cpu["2 workers"] / cpu["1 worker"]
    needs = memory["2 workers"] / memory["1 worker"]
    return Outcome(
        title=f"One and two workers on one core, medians of {effort.rounds} rounds; memory once",
        heads=("", "CPU µs/request", "requests/s", "memory MiB (shared pages once)"),
        rows=tuple(
            (name, f"{cpu[name]:.1f}", f"{rate[name]:,.0f}", f"{memory[name] / _MIB:.1f}")
            for name in found
        ),
        lines=(
            Line(
                _WORK, _GOAL, f"{costs:.2f} x the CPU time, {needs:.2f} x the memory",
                costs <= 1.1 and needs <= 2.0,
            ),
        ),
    )  # fmt: skip
