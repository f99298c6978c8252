"""Measure the gateway beside what one would pick instead.

    python -m bench [--only NAME]... [--quick] [--rounds N] [--results FILE] [--page PAGE]

Prints a table for each measurement as it comes, and at the end which lines of the goal are met.
What was measured is kept in FILE, so that pieces measured one by one come together; with --page it
is written into PAGE, with the day, the versions and the chart.
"""

import argparse
import os
import platform
import re
import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import page, results
from bench.process import OTHER_CORE, CannotMeasure
from bench.programs import APACHE, CADDY, ENVOY, HAPROXY, NGINX, PY_SPY, WRK, provide
from bench.report import Run, show, verdicts
from bench.rounds import (
    Effort,
    Measure,
    bodies,
    compiled,
    connections,
    forward_auth,
    latency,
    profile,
    rejected,
    requests,
    start,
    websockets,
    workers,
)
from bench.stage import staged

MEASUREMENTS: dict[str, Measure] = {
    "requests": requests.measure,
    "latency": latency.measure,
    "connections": connections.measure,
    "websockets": websockets.measure,
    "bodies": bodies.measure,
    "forward-auth": forward_auth.measure,
    "workers": workers.measure,
    "start": start.measure,
    "rejected": rejected.measure,
    "compiled": compiled.measure,
    "profile": profile.measure,
}
_USUAL, _QUICK = Effort(rounds=5, seconds=2), Effort(rounds=2, seconds=1)
# 5,000 connections, and as many again for who must hold both sides.
_OPEN_FILES = 12_000


def main() -> int:
    """0: every line is met; 1: some are not, or could not be measured; 2: wrong use."""
    options = _parser().parse_args()
    usual = _QUICK if options.quick else _USUAL
    effort = Effort(options.rounds or usual.rounds, usual.seconds)
    try:
        _prepare()
        run = Run(f"{datetime.now(UTC):%Y-%m-%d %H:%M}", _machine())
        found = results.load(options.results)
        for name in options.only or MEASUREMENTS:
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                # The workers of servers started by root are others, and read their files here.
                Path(folder).chmod(0o755)
                with staged(Path(folder)) as stage:
                    found[name] = replace(MEASUREMENTS[name](stage, effort), run=run)
            print(show(found[name]), f"\n\n({name}: {time.monotonic() - began:.0f} s)", flush=True)
            results.save(options.results, found)
        found = {name: found[name] for name in MEASUREMENTS if name in found}
        if options.page is not None:
            page.write(options.page, found)
    except CannotMeasure as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    lines = [line for outcome in found.values() for line in outcome.lines]
    told = "\n".join(page.runs(found))
    print(f"\n### What must be reached\n\n{verdicts(lines)}\n\n{page.versions(found)}\n{told}")
    return 1 if any(line.met is False for line in lines) else 0


def _prepare() -> None:
    """`CannotMeasure` where this machine cannot do it."""
    if len(os.sched_getaffinity(0)) <= OTHER_CORE:
        raise CannotMeasure("two cores are needed: one for the proxy, one for everything else")
    provide((WRK, HAPROXY, NGINX, APACHE, ENVOY, CADDY, PY_SPY))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _OPEN_FILES:
        raise CannotMeasure(f"{_OPEN_FILES} open files are needed: raise the limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # What we start is beside us unless it is the proxy under measurement.
    os.sched_setaffinity(0, {OTHER_CORE})


def _machine() -> str:
    """What can be said of it to anybody."""
    named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return (
        f"{os.cpu_count()} cores of {named[1] if named else platform.machine()}, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _parser() -> argparse.ArgumentParser:
    about, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(prog="python -m bench", description=about, epilog=more)
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="only this one")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--rounds", type=int, help="how many rounds; the median counts")
    parser.add_argument(
        "--results", type=Path, default=results.USUAL, help=f"default: {results.USUAL}"
    )
    parser.add_argument("--page", type=Path, help="write into it what FILE has, with the chart")
    return parser


if __name__ == "__main__":
    sys.exit(main())
