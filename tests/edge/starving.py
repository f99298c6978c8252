"""A gateway in a process of its own that can be left without file descriptors.

    python -m tests.edge.starving FOLDER

Prints its port. Then obeys one order a line: `starve` takes every descriptor there is, `feed` gives
them back, `failed N` waits until accepting has failed N times; each is answered with how often that
is and how many seconds of CPU were used.
"""

import asyncio
import os
import resource
import sys
import time
from functools import partial
from pathlib import Path

import uvloop

from tests.edge.world import World
from tests.session.samples import until

_DESCRIPTORS = 256


def _failed(world: World, times: int) -> bool:
    return world.counters.accepts_failed >= times


async def _run(folder: Path) -> None:
    world = World(folder, limits={"connections": 10})
    await world.start()
    print(world.edge_port, flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    taken: list[int] = []
    while word := (await reader.readline()).strip():
        wait, _, times = word.partition(b" ")
        if wait == b"failed":
            await until(partial(_failed, world, int(times)))
        elif word == b"starve":
            try:
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                pass
        elif word == b"feed":
            for descriptor in taken:
                os.close(descriptor)
            taken.clear()
        print(world.counters.accepts_failed, time.process_time(), flush=True)
    await world.stop()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    uvloop.run(_run(Path(sys.argv[1])))
