"""Programs under measurement: started on one core, and what they use, as the kernel counts it."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).parent.parent

# The proxy under measurement has a core for itself; upstream and the load share the other.
PROXY_CORE, OTHER_CORE = 0, 1

_NANOSECONDS = 1e9
_KIB = 1024
_LAST_WORDS = 2000
_STOP_WITHIN = 5.0
_SETTLED_AFTER, _SETTLED_WITHIN = 1.5, 15.0
# prctl(2). Loaded before a child is made: between fork and exec little is safe to do.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class CannotMeasure(Exception):
    """A measurement cannot be made; the text says why and what to do."""


class Program:
    """A running program with all of its processes."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    def pids(self) -> tuple[int, ...]:
        """It and its children, theirs too."""
        return tuple(_tree(self._process.pid))

    def cpu_seconds(self) -> float:
        """CPU time of all threads of all processes so far, user and system, in seconds."""
        return (
            sum(
                int(schedstat.split()[0])
                for pid in self.pids()
                for schedstat in _read_each(Path(f"/proc/{pid}/task"), "schedstat")
            )
            / _NANOSECONDS
        )

    def resident(self) -> int:
        """Resident memory of all processes in bytes; what two of them share counts twice."""
        return sum(_status(pid, "VmRSS") for pid in self.pids())

    def settled(self) -> int:
        """Resident memory once it stays as it is: what a program still does after it is ready, or
        puts away a moment after its work, is over."""
        deadline = time.monotonic() + _SETTLED_WITHIN
        before, now = -1, self.resident()
        while before != now and time.monotonic() < deadline:
            time.sleep(_SETTLED_AFTER)
            before, now = now, self.resident()
        return now

    def proportional(self) -> int:
        """Memory of all processes in bytes; what several share counts once."""
        return sum(_field(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in self.pids())

    def forget_peak(self) -> None:
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The most resident memory since `forget_peak`, in bytes."""
        return sum(_status(pid, "VmHWM") for pid in self.pids())

    def said(self) -> str:
        """What it has written to its standard output and error."""
        return self._log.read_text(errors="replace")

    def check(self) -> None:
        """`CannotMeasure` with its last words when it has ended by itself."""
        if self._process.poll() is not None:
            last = self.said()[-_LAST_WORDS:]
            raise CannotMeasure(f"{self.name} ended by itself. It said:\n{last}")

    def wait_until(self, ready: Callable[[], bool], seconds: float = 20.0) -> None:
        """Until `ready()`; `CannotMeasure` when it ends before that, or never gets there."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                last = self.said()[-_LAST_WORDS:]
                raise CannotMeasure(f"{self.name} did not get ready. It said:\n{last}")
            time.sleep(0.002)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self._process.wait()


def start(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    core: int = PROXY_CORE,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Program:
    """Run `command` on `core`, its output in `log`. If we are killed, so is it (Linux only)."""

    def before_exec() -> None:
        os.sched_setaffinity(0, {core})
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(_ROOT), **(environment or {})},
            preexec_fn=before_exec,
        )
    return Program(name, process, log)


def busy_seconds(core: int) -> float:
    """How long `core` has worked for anybody, other guests of the host among them, in seconds."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            busy = user + nice + system + irq + softirq + steal
            return busy / os.sysconf("SC_CLK_TCK")
    raise CannotMeasure(f"this machine has no core {core}: two are needed")


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs `module` with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def said_by(command: Sequence[str], given: bytes | None = None) -> str:
    """Run `command` beside us until it ends; what it printed. `CannotMeasure` if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(command, input=given, capture_output=True, env=environment, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace")
        raise CannotMeasure(f"{command[0]} failed: {said[-_LAST_WORDS:]}")
    return done.stdout.decode()


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in _read_each(Path(f"/proc/{pid}/task"), "children"):
        for child in children.split():
            yield from _tree(int(child))


def _read_each(folder: Path, name: str) -> Iterator[str]:
    """The file `name` of each thread below `folder`; threads that end meanwhile are left out."""
    for thread in folder.iterdir():
        try:
            yield (thread / name).read_text()
        except OSError:
            continue


def _status(pid: int, name: str) -> int:
    return _field(Path(f"/proc/{pid}/status"), name)


def _field(file: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", file.read_text(), re.MULTILINE)
    if found is None:
        raise CannotMeasure(f"{file} says nothing of {name}")
    return int(found[1]) * _KIB
