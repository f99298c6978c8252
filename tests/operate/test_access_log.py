"""The access log: always JSON, never a secret, never in a request's way."""

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.operate.access_log import AccessLog, _known, access_line
from gateway.operate.metrics import Counters

PATIENCE = 5.0

# What an attacker may put into any text of a request: bytes read as latin-1 or as broken UTF-8,
# lone surrogates, quotes, line ends.
hostile = st.one_of(
    st.binary().map(lambda raw: raw.decode("latin-1")),
    st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text(st.characters()),
    st.sampled_from(['"}\n{"time":"', "\\", "\u2028", "\x00", "\x7f", "\ud800", '","status":200']),
)
seconds = st.floats(0, 1e6)


def a_line(**changed: Any) -> bytes:
    request: dict[str, Any] = {
        "now": 1_700_000_000.25,
        "request_id": "r1",
        "client": "192.0.2.7",
        "method": "GET",
        "path": "/voicemail",
        "status": 200,
        "sent": 1024,
        "duration": 0.0123,
        "upstream": 0.01,
        "kind": "identity",
    }
    return access_line(**{**request, **changed})


def test_a_line_says_who_asked_what_and_what_became_of_it() -> None:
    assert json.loads(a_line(reason="not_signed_in", account="17", session="s1")) == {
        "time": "2023-11-14T22:13:20.250Z",
        "request_id": "r1",
        "client": "192.0.2.7",
        "method": "GET",
        "path": "/voicemail",
        "status": 200,
        "bytes": 1024,
        "duration_ms": 12.3,
        "upstream_ms": 10.0,
        "kind": "identity",
        "reason": "not_signed_in",
        "account": "17",
        "session": "s1",
    }


def test_what_is_not_known_is_null() -> None:
    line = json.loads(a_line(upstream=None))
    assert [key for key, value in line.items() if value is None] == [
        "upstream_ms",
        "reason",
        "account",
        "session",
    ]


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/sso/callback/google?code=4/abc&state=xyz", "/sso/callback/google"),
        ("/calls;jsessionid=0A1B2C?x", "/calls"),
        ("/calls#access_token=abc", "/calls"),
        ("?code=abc", ""),
        ("/a%3Fb", "/a%3Fb"),
    ],
)
def test_a_path_is_logged_without_what_may_be_secret(path: str, logged: str) -> None:
    assert json.loads(a_line(path=path))["path"] == logged


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.5, 0.9994, 0.999999])
def test_the_time_never_rounds_up_into_a_second_that_is_not_there(fraction: float) -> None:
    stamp = json.loads(a_line(now=1_700_000_000 + fraction))["time"]
    assert re.fullmatch(r"2023-11-14T22:13:20\.\d{3}Z", stamp)


@given(
    texts=st.tuples(*[hostile] * 4),
    optional=st.tuples(*[st.none() | hostile] * 3),
    status=st.integers(0, 999),
    sent=st.integers(0, 2**70),
    now=st.floats(0, 4e9),
    duration=seconds,
    upstream=st.none() | seconds,
)
def test_whatever_comes_a_line_is_one_line_of_ascii_json(
    texts: tuple[str, str, str, str],
    optional: tuple[str | None, str | None, str | None],
    status: int,
    sent: int,
    now: float,
    duration: float,
    upstream: float | None,
) -> None:
    request_id, client, method, path = texts
    reason, account, session = optional
    raw = access_line(
        now=now,
        request_id=request_id,
        client=client,
        method=method,
        path=path,
        status=status,
        sent=sent,
        duration=duration,
        upstream=upstream,
        kind="refused",
        reason=reason,
        account=account,
        session=session,
    )
    assert raw.isascii()
    assert raw.count(b"\n") == 1
    assert raw.endswith(b"}\n")
    line = json.loads(raw)
    assert (line["request_id"], line["client"], line["method"]) == (request_id, client, method)
    assert (line["reason"], line["account"], line["session"]) == optional
    assert path.startswith(line["path"])
    assert (line["status"], line["bytes"]) == (status, sent)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def log(path: Path, counters: Counters) -> AccessLog:
    return AccessLog(str(path), counters)


def content(path: Path) -> bytes:
    return path.read_bytes()


def rename(path: Path, to: Path) -> Path:
    return path.rename(to)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does; `TimeoutError` when it does not."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - another thread changes it
            await asyncio.sleep(0.005)


def test_long_paths_are_not_remembered() -> None:
    """Else two thousand paths of 8 KiB would be kept for whoever asks for them."""
    a_line()
    remembered = _known.cache_info().currsize
    a_line(path="/" + "x" * 8000)
    assert _known.cache_info().currsize == remembered


async def test_a_line_is_in_the_file_within_about_a_second(log: AccessLog, path: Path) -> None:
    log.start()
    log.write(a_line())
    assert content(path) == b""
    await until(lambda: content(path) == a_line())
    log.write(a_line(status=404))
    await until(lambda: content(path) == a_line() + a_line(status=404))
    log.close()


async def test_a_full_buffer_does_not_wait_for_the_second(log: AccessLog, path: Path) -> None:
    log.start()
    line = a_line(path="/" + "x" * 1000)
    started = time.monotonic()
    for _ in range(256 * 1024 // len(line) + 1):
        log.write(line)
    await until(lambda: path.stat().st_size >= 256 * 1024)
    assert time.monotonic() - started < 0.9
    log.close()


async def test_close_writes_what_is_left_and_a_restart_appends(path: Path) -> None:
    for number in range(2):
        log = AccessLog(str(path), Counters())
        log.start()
        log.write(a_line(status=200 + number))
        log.close()
    assert content(path) == a_line(status=200) + a_line(status=201)


async def test_others_cannot_read_the_log(log: AccessLog, path: Path) -> None:
    log.start()
    log.close()
    assert os.stat(path).st_mode & 0o007 == 0


async def test_a_log_that_cannot_be_opened_is_seen_at_start(
    tmp_path: Path, counters: Counters
) -> None:
    with pytest.raises(FileNotFoundError):
        AccessLog(str(tmp_path / "no" / "access.log"), counters).start()


async def test_rotation(log: AccessLog, path: Path) -> None:
    log.start()
    log.write(a_line(path="/old"))
    await until(lambda: content(path) == a_line(path="/old"))
    rotated = rename(path, path.with_suffix(".1"))
    log.reopen()
    await until(path.exists)
    log.write(a_line(path="/new"))
    log.close()
    assert content(rotated) == a_line(path="/old")
    assert content(path) == a_line(path="/new")


async def test_a_rotation_into_nowhere_keeps_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = AccessLog(str(folder / "access.log"), Counters())
    log.start()
    moved = folder.rename(tmp_path / "moved")
    with capture_logs() as said:
        log.reopen()
        log.write(a_line())
        log.close()
    assert (moved / "access.log").read_bytes() == a_line()
    assert [entry["event"] for entry in said] == ["access_log_not_reopened"]


async def test_a_full_disk_is_counted_and_said_once(counters: Counters) -> None:
    log = AccessLog("/dev/full", counters)
    log.start()
    with capture_logs() as said:
        for lost in range(1, 4):
            log.write(a_line())
            log.flush()
            await until(lambda lost=lost: counters.access_log_failed == lost)  # type: ignore[misc]
        log.close()
    assert [entry["event"] for entry in said] == ["access_log_failing"]


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    """A named pipe and a way to open its reading end, without blocking."""
    name = str(tmp_path / "pipe")
    os.mkfifo(name)
    readers: list[int] = []

    def reader() -> int:
        readers.append(os.open(name, os.O_RDONLY | os.O_NONBLOCK))
        return readers[-1]

    yield name, reader
    for fd in readers[1:]:
        os.close(fd)


async def test_a_closed_pipe_is_survived_and_a_new_reader_gets_the_next_lines(
    pipe: tuple[str, Callable[[], int]], counters: Counters
) -> None:
    name, reader = pipe
    first = reader()
    log = AccessLog(name, counters)
    log.start()
    os.close(first)
    log.write(a_line(path="/lost"))
    log.flush()
    await until(lambda: counters.access_log_failed == 1)
    second = reader()
    log.write(a_line(path="/kept"))
    log.close()
    assert os.read(second, 65536) == a_line(path="/kept")


async def test_a_reader_that_does_not_read_holds_up_nobody(
    pipe: tuple[str, Callable[[], int]], counters: Counters
) -> None:
    name, reader = pipe
    silent = reader()
    log = AccessLog(name, counters)
    log.start()
    line = a_line(path="/" + "x" * 60_000)
    started = time.monotonic()
    for _ in range(300):
        log.write(line)
    assert time.monotonic() - started < 1.0
    assert 0 < counters.access_log_behind < 300
    os.close(silent)  # so that the thread, stuck in its write, ends
    log.close()
    # Five lines make a buffer of 256 KiB; some of the first were in the pipe by then.
    assert 295 <= counters.access_log_failed + counters.access_log_behind <= 300


FULL_IN_THE_MIDDLE = """
import asyncio, resource, sys
from gateway.operate.access_log import AccessLog
from gateway.operate.metrics import Counters

async def main():
    counters = Counters()
    log = AccessLog(sys.argv[1], counters)
    log.start()
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (15, hard))
    log.write(b"first line\\n")
    log.write(b"second line\\n")
    log.write(b"third line\\n")
    log.flush()
    while counters.access_log_failed < 2:
        await asyncio.sleep(0.005)
    log.write(b"fourth line\\n")
    log.flush()
    while counters.access_log_failed < 3:
        await asyncio.sleep(0.005)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    log.write(b"fifth line\\n")
    log.close()
    print(counters.access_log_failed)

asyncio.run(main())
"""


def test_a_disk_that_fills_in_the_middle_of_a_line_spoils_one_line(path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL_IN_THE_MIDDLE, str(path)],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == b"3"
    assert content(path) == b"first line\nseco\nfifth line\n"


def test_dash_is_standard_output() -> None:
    script = (
        "import asyncio\n"
        "from gateway.operate.access_log import AccessLog\n"
        "from gateway.operate.metrics import Counters\n"
        "async def main():\n"
        "    log = AccessLog('-', Counters())\n"
        "    log.start()\n"
        "    log.reopen()\n"
        "    log.write(b'one\\n')\n"
        "    log.close()\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30)
    assert (ran.stdout, ran.returncode) == (b"one\n", 0)


async def test_memory_stays_bounded_behind_a_stuck_reader(
    pipe: tuple[str, Callable[[], int]], counters: Counters
) -> None:
    name, reader = pipe
    silent = reader()
    log = AccessLog(name, counters)
    log.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = a_line(path="/" + "x" * 64_000)
    for _ in range(2_000):  # 125 MiB in all
        log.write(line)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 16 * 1024
    os.close(silent)
    log.close()
