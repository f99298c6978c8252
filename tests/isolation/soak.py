"""One run: a gateway process, an upstream, a crowd; whose replies they were, and the memory.

python -m tests.isolation.soak [--identities N] [--requests N]      (both stores; `make soak`)
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.isolation.browsers import Crowd, Person, ask_all
from tests.isolation.sonar import Sonar
from tests.servers.valkey import Valkey

_CONNECTIONS = 64
_LONGEST_LINE = 4 * 1024 * 1024
_MIB = 1024 * 1024
# How much more memory the gateway may have at the end than after a tenth of the requests: what the
# allocator has not given back. A leak of 10 bytes a request would be more in a million.
MOST_GROWTH = 8 * _MIB


@dataclass(frozen=True)
class Result:
    """What came of a run; memory in bytes, early and at the end. `code`: as what the hot modules
    ran, `compiled` or `python`."""

    code: str
    crowd: Crowd
    odd: list[str]
    seconds: float
    early: int
    late: int

    def __str__(self) -> str:
        crowd = self.crowd
        return (
            f"{self.code}: "
            f"{crowd.checked} replies for {len(crowd.people)} identities in {self.seconds:.0f} s "
            f"({crowd.checked / self.seconds:.0f}/s): {len(crowd.wrong) + len(self.odd)} wrong, "
            f"{len(crowd.unanswered)} not answered; "
            f"{crowd.hung_up} hung up, {crowd.lost} replies lost by that, {crowd.stolen} cookies "
            f"of others tried; memory {self.early / _MIB:.1f} MiB after {crowd.early} replies, "
            f"{self.late / _MIB:.1f} MiB at the end"
        )


async def run(store: str, folder: Path, people: int, total: int, early: int, seed: int) -> Result:
    """`people` get `total` replies; the memory is looked at after `early` of them and at the end.
    `store`: as gateway.py has it."""
    sonar = Sonar()
    port = await sonar.start()
    words = ["-m", "tests.isolation.gateway", store, str(folder), str(port), str(people)]
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=subprocess.PIPE, limit=_LONGEST_LINE
    )
    try:
        assert gateway.stdout is not None
        told = json.loads(await gateway.stdout.readline())
        sonar.know(told["jwks"])
        crew = [Person(account.encode(), cookie.encode()) for account, cookie in told["people"]]
        chance = random.Random(seed)  # noqa: S311 - a run that can be repeated
        crowd = Crowd(crew, told["port"], total, early, chance)
        began = time.perf_counter()
        asking = asyncio.create_task(ask_all(crowd, _CONNECTIONS))
        await crowd.warm.wait()
        early = memory(gateway.pid)
        await asking
        took = time.perf_counter() - began
        return Result(told["hot_modules"], crowd, sonar.odd, took, early, memory(gateway.pid))
    finally:
        if gateway.returncode is None:
            gateway.kill()
            await gateway.wait()
        sonar.stop()


def memory(pid: int) -> int:
    """Resident memory of a process, in bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def problems(result: Result, most_growth: int) -> list[str]:
    """What a run must not show, and why; `most_growth` in bytes."""
    found = [f"wrong: {each}" for each in (*result.crowd.wrong, *result.odd)]
    found += [f"not answered: {each}" for each in result.crowd.unanswered]
    if result.late - result.early > most_growth:
        found.append(f"memory grew: {result}")
    if result.crowd.checked < result.crowd.total and not found:
        found.append(f"not everything was answered: {result}")
    return found


def main() -> int:
    """0 when every request was answered, each reply was its owner's, and the memory flat, on both
    stores."""
    parser = argparse.ArgumentParser(prog="python -m tests.isolation.soak", description=__doc__)
    parser.add_argument("--identities", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    valkey = Valkey()
    valkey.start()
    bad = 0
    try:
        for name, store in (("embedded", "embedded"), ("valkey", valkey.url.reveal())):
            total = options.identities * options.requests
            with tempfile.TemporaryDirectory() as folder:
                work = run(store, Path(folder), options.identities, total, total // 10, seed=bad)
                result = uvloop.run(work)
            print(f"{name}: {result}", flush=True)
            for problem in problems(result, MOST_GROWTH):
                bad += 1
                print(f"{name}: {problem[:2000]}", flush=True)
    finally:
        valkey.stop()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
