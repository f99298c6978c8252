"""How long `serve` takes until it is ready: the process from outside."""

import time
from statistics import median

from bench.proxies import gateway
from bench.proxies.gateway import Variant
from bench.report import Line, Outcome
from bench.rounds import Effort
from bench.stage import Stage, free_port

_GOAL_SECONDS = 0.5


def measure(stage: Stage, effort: Effort) -> Outcome:
    """With the embedded store, its database migrated and the bytecode there, as in an image."""
    port = free_port()
    folder = stage.folder / "start"
    config = gateway.prepare(folder, port, stage.pages, Variant())
    took = []
    for _ in range(2 * effort.rounds + 1):
        began = time.perf_counter()
        program = gateway.serve(stage, folder, config)
        took.append(time.perf_counter() - began)
        stage.stop(program)
    # The first writes bytecode and makes keys.
    took = sorted(took[1:])
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
