"""Where the time of a request goes: py-spy looks at the gateway while it serves the usual request.

As plain Python, because it cannot see into compiled functions. It stops the process to look: the
shares count, not the rate.
"""

import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from bench.load import drive_served
from bench.process import CannotMeasure, said_by
from bench.programs import PY_SPY, find, version
from bench.proxies import gateway
from bench.proxies.gateway import Variant
from bench.report import Outcome
from bench.rounds import Effort
from bench.stage import Stage

_A_SECOND = 200
_SHOWN = 25
# What the event loop has called, other threads aside.
_LOOP = "Runner.run (runners.py)"
# A frame of py-spy: its function, file and line.
_FRAME = re.compile(r"(.+) \((.+?)(?::[0-9]+)?\)")


def measure(stage: Stage, effort: Effort) -> Outcome:
    seconds = 5 * effort.seconds
    proxy = gateway.start(stage, stage.pages, Variant(code="pure"))
    drive_served(stage, proxy, 1)
    # What it does right after its start is over.
    proxy.program.settled()
    stacks = stage.folder / "stacks"
    command = (
        find(PY_SPY), "record", "--pid", str(proxy.program.pids()[0]), "--format", "raw",
        "--function", "--rate", str(_A_SECOND), "--duration", str(seconds), "-o", str(stacks),
    )  # fmt: skip
    with ThreadPoolExecutor(1) as beside:
        load = beside.submit(drive_served, stage, proxy, seconds + 1)
        said_by(command)
        load.result()
    stage.stop(proxy.program)
    looks, own, within = counted(stacks.read_text().splitlines())
    if not looks:
        raise CannotMeasure("py-spy saw nothing")
    return Outcome(
        title=f"Where a request's time goes as plain Python: {looks:,} looks in {seconds} s",
        heads=("function", "itself, and what it calls in C", "with all it calls"),
        rows=tuple(
            (f"`{name}`", f"{own[name] / looks:.1%}", f"{within[name] / looks:.0%}")
            for name, _ in own.most_common(_SHOWN)
        ),
        versions={PY_SPY.command: version(PY_SPY)},
    )


def counted(lines: Iterable[str]) -> tuple[int, Counter[str], Counter[str]]:
    """Of the looks in py-spy's raw form, `frame;frame;frame COUNT`: how many saw the event loop,
    how many of these each function at work, and how many it or something that it had called."""
    looks, own, within = 0, Counter[str](), Counter[str]()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        names = [_named(frame) for frame in stack.split(";")]
        if _LOOP not in names:
            continue
        names = names[names.index(_LOOP) :]
        looks += int(count)
        own[names[-1]] += int(count)
        for name in set(names):
            within[name] += int(count)
    return looks, own, within


def _named(frame: str) -> str:
    """`function (module.py)`, with the folders of our own."""
    found = _FRAME.fullmatch(frame)
    if found is None:
        return frame
    _, ours, below = found[2].rpartition("gateway/")
    file = f"{ours}{below}" if ours else found[2].rpartition("/")[2]
    return f"{found[1]} ({file})"
