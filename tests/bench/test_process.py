"""What the kernel counts for a program: all of its processes, and only while they run."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.process import CannotMeasure, Program, busy_seconds, said_by, start

MIB = 1024 * 1024

# Says READY when it has done its part; 0.2 s of CPU time and 32 MiB in a child of its own.
WORK = """
import os, sys, time
if os.fork() == 0:
    block = b"x" * (32 * 1024 * 1024)
    while time.process_time() < 0.2:
        pass
    print("READY", flush=True)
time.sleep(60)
"""

Run = Callable[[str], Program]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    programs = []

    def run(code: str) -> Program:
        log = tmp_path / "log"
        program = start("it", (sys.executable, "-c", code), log, core=0)
        programs.append(program)
        program.wait_until(lambda: b"READY" in log.read_bytes())
        return program

    yield run
    for program in programs:
        program.stop()


def test_children_count(run: Run) -> None:
    program = run(WORK)
    assert len(program.pids()) == 2
    assert 0.2 <= program.cpu_seconds() < 5.0
    assert program.resident() > 32 * MIB
    # What parent and child share counts once here.
    assert 32 * MIB < program.proportional() < program.resident()


def test_the_peak_is_seen_after_it(run: Run, tmp_path: Path) -> None:
    go = tmp_path / "go"
    program = run(
        "import os, time\n"
        "print('READY', flush=True)\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "block = b'x' * (64 * 1024 * 1024)\n"
        "del block\n"
        "print('DONE', flush=True)\n"
        "time.sleep(60)\n"
    )
    before = program.resident()
    program.forget_peak()
    assert program.peak() - before < 8 * MIB
    go.touch()
    program.wait_until(lambda: b"DONE" in (tmp_path / "log").read_bytes())
    assert program.peak() - before > 60 * MIB
    assert program.resident() - before < 8 * MIB


def test_what_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = start("it", (sys.executable, "-c", "exit('no such key')"), tmp_path / "log", core=0)
    with pytest.raises(CannotMeasure, match=r"it ended by itself(.|\n)*no such key"):
        program.wait_until(lambda: False)


def test_a_command_that_fails_says_why() -> None:
    assert said_by((sys.executable, "-c", "print(input())"), b"hello\n") == "hello\n"
    with pytest.raises(CannotMeasure, match="no way"):
        said_by((sys.executable, "-c", "exit('no way')"))


def test_a_core_is_busy_while_somebody_works_on_it() -> None:
    busy, began = busy_seconds(0), time.perf_counter()
    said_by(("taskset", "-c", "0", sys.executable, "-c", WORK.split("if os")[0] + "t=time.time\n"
             "while time.process_time() < 0.3: pass"))  # fmt: skip
    took = time.perf_counter() - began
    # Ticks of 10 ms, and others may work there too, but never more than there is time.
    assert 0.2 < busy_seconds(0) - busy < took + 0.1
