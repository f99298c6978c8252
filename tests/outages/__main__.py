"""Redis gone under load for as long as one likes: what everybody sees of it, in figures.

    python -m tests.outages [--seconds 60]      (`make outage`)

The first row of docs/failures.md within `outage_grace`, as long as that is by default, or longer
than somebody waits for a test. It fails when anybody is answered as anybody else or not as before,
or when not everything works again within two seconds.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.report import table
from tests.journeys.world import World, a_world
from tests.outages.stage import HANK, JO, PAT, a_stage
from tests.servers.between import between_ports
from tests.servers.node import running_oidc_provider
from tests.servers.ports import free_port
from tests.servers.valkey import Valkey

# Each of three people.
_AT_ONCE = 8
_BEFORE = 10.0

Took = Mapping[str, Sequence[float]]


async def measured(seconds: float, valkey: Valkey) -> tuple[Took, Took, str, int]:
    """How long answers took before and meanwhile, seconds; how long the gateway says that Redis was
    gone; and how many connections to it there were from the beginning to the end."""
    port = free_port()
    sessions = {"store": f"redis://127.0.0.1:{port}/0"}
    with running_oidc_provider() as provider, tempfile.TemporaryDirectory() as place:
        async with (
            between_ports(port, valkey.port) as way,
            a_world(Path(place), provider, sessions=sessions) as world,
            a_stage(world) as stage,
        ):
            async with stage.under_load(each=_AT_ONCE) as load:
                await passes(_BEFORE, world)
                before = load.looked_at()
                await way.cut()
                await passes(seconds, world)
                meanwhile = load.looked_at()
                await way.open()
                await stage.recovers()
            return before, meanwhile, stage.told()[-1]["down_seconds"], way.opened


async def passes(seconds: float, world: World) -> None:
    """So much time. Sonar, in this process, forgets who asked: to collect the garbage of more and
    more that is no garbage would be measured as well."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        world.asked.clear()
        await asyncio.sleep(0.5)


def told(seconds: Sequence[float]) -> str:
    """p50, p99 and the longest, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return ", ".join(f"{1000 * one:.0f}" for one in (cuts[49], cuts[98], max(seconds))) + " ms"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.outages", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    valkey = Valkey()
    valkey.start()
    try:
        before, meanwhile, down, opened = asyncio.run(measured(seconds, valkey))
    finally:
        valkey.stop()
    rows = [
        (
            who,
            told([one for name in names for one in before[name]]),
            told([one for name in names for one in meanwhile[name]]),
            f"{sum(len(meanwhile[name]) for name in names):,}",
        )
        for who, names in (("password user", (PAT,)), ("two people signed in", (JO, HANK)))
    ]
    heads = ("", "before: p50, p99, longest", "meanwhile: p50, p99, longest", "requests meanwhile")
    print(table(heads, rows))
    print(f"All were answered as before. `part_up` said {down} s; {opened} connections in all.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
