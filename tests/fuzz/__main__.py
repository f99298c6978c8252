"""Fuzz head, chunk, cookie and path parsing, from the seeds of seeds.py.

    python -m tests.fuzz [--seconds N] [TARGET ...]     N for each target

With atheris the bytes are guided by coverage, a process for each target. Where it has no wheel they
are mutated blindly, so that a run is never nothing; it says which of the two it was, and how many
inputs it tried. What is found stays in FILE, as the last line says: put it into
tests/fuzz/corpus/TARGET/ with its repair.
"""

import argparse
import importlib.util
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

# Fewer, and something other than the code under test took the time.
LEAST_TRIED = 500
_PIECES = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b";", b"=", b"%", b"%2e", b"/", b"..",
           b"\r\n\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"chunked", b"Content-Length: 1\r\n",
           b"Transfer-Encoding: chunked\r\n", b"Host: a\r\n", b"sonar_sso=x", b"\xff"]  # fmt: skip


class Run(NamedTuple):
    """How many inputs were `tried`, what was `found`, and how many `branches` coverage knew of: 0
    when it guided nothing."""

    tried: int
    found: str
    branches: int = 0


def guided(target: str, seconds: int) -> Run:
    """Needs atheris."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs"
        inputs.mkdir()
        for number, seed in enumerate(seeds(target)):
            (inputs / str(number)).write_bytes(seed)
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.guided", target, str(inputs),
             f"-max_total_time={seconds}", "-max_len=2048", "-verbosity=1", "-timeout=10",
             f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{target}-"],
            # Coverage of plain Python only guides it: compiled code tells nothing of its branches.
            env={**os.environ, "SONAR_GATEWAY_CODE": "pure"},
            capture_output=True, check=False, text=True, errors="replace",
        )  # fmt: skip
    tried = re.findall(r"Done (\d+) runs|#(\d+)\s", done.stderr)
    count = max((int(number) for pair in tried for number in pair if number), default=0)
    branches = max(map(int, re.findall(r" cov: (\d+) ", done.stderr)), default=0)
    # The exception is told on the one, where the input is on the other.
    found = "" if done.returncode == 0 else done.stdout[-3000:] + done.stderr[-600:]
    return Run(count, found, branches)


def blind(target: str, seconds: int, seed: int) -> Run:
    """The same without coverage: seeds cut, joined and dotted with what means something."""
    chance = random.Random(seed)  # noqa: S311 - a run that can be repeated
    known, check, tried = seeds(target), TARGETS[target], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = _mutated(chance, known)
        tried += 1
        try:
            check(data)
        except Exception as error:
            return Run(tried, f"{data!r}: {error!r}")
    return Run(tried, "")


def _mutated(chance: random.Random, known: list[bytes]) -> bytes:
    data = bytearray(chance.choice(known))
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        match chance.randint(0, 3):
            case 0:
                data[at:at] = chance.choice(_PIECES)
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at : at + 1] = bytes([chance.randint(0, 255)])
            case _:
                data[at:] = chance.choice(known)[chance.randint(0, 40) :]
    return bytes(data)


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing was found and enough was tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--blind", action="store_true")
    options = parser.parse_args(arguments)
    by_coverage = not options.blind and importlib.util.find_spec("atheris") is not None
    bad = 0
    for target in options.targets:
        if by_coverage:
            run = guided(target, options.seconds)
            how = f"guided by coverage of {run.branches} branches"
        else:
            run = blind(target, options.seconds, seed=time.time_ns())
            how = "blindly: no atheris"
        print(f"fuzz {target}: {run.tried} inputs, {how}", flush=True)
        wrong = run.found
        if not wrong and run.tried < LEAST_TRIED:
            wrong = "too few inputs"
        elif not wrong and by_coverage and not run.branches:
            wrong = "no coverage"
        if wrong:
            bad += 1
            print(f"fuzz {target}: FOUND: {wrong}", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
