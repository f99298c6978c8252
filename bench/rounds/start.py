"""How long `serve` takes until it is ready: the process from outside."""

import time
from dataclasses import dataclass
from statistics import median

from bench.process import PROXY_CORE, busy_seconds
from bench.proxies import gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.rounds import Effort
from bench.stage import Stage, free_port
from bench.watch import undisturbed

_GOAL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Started:
    """`others`: the part of the core that others had meanwhile."""

    seconds: float
    others: float


def measure(stage: Stage, effort: Effort) -> Outcome:
    """With the embedded store, its database migrated and the bytecode there, as in an image."""
    port = free_port()
    folder = stage.folder / "start"
    config = gateway.prepare(folder, port, stage.pages, Variant())

    def once() -> _Started:
        busy, began = busy_seconds(PROXY_CORE), time.perf_counter()
        program = gateway.serve(stage, folder, config)
        took = time.perf_counter() - began
        others = busy_seconds(PROXY_CORE) - busy - program.cpu_seconds()
        stage.stop(program)
        return _Started(took, max(0.0, others) / took)

    # The first writes bytecode and makes keys.
    once()
    took = sorted(undisturbed(once).seconds for _ in range(2 * effort.rounds))
    return Outcome(
        title="Start to ready",
        heads=("starts", "median s", "shortest", "longest"),
        rows=((str(len(took)), f"{median(took):.2f}", f"{took[0]:.2f}", f"{took[-1]:.2f}"),),
        lines=(
            Line(
                "start to ready",
                f"under {_GOAL_SECONDS:g} s",
                f"{median(took):.2f} s ({took[0]:.2f} to {took[-1]:.2f})",
                median(took) < _GOAL_SECONDS,
            ),
        ),
    )
