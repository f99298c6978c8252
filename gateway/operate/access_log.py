"""The access log: one line of JSON a request, without the request ever waiting for it.

`access_line` renders, `AccessLog` writes. Lines gather in memory and go to a thread of their own
when 256 KiB are there or a second has passed, because a write to a full pipe blocks, and one slow
log reader must not hold up every browser. What cannot be written is counted and dropped; a request
never learns of it.

A line says who asked for what and what became of it, and nothing that would let its reader in:
no query (codes, tokens), no path parameters (`;jsessionid=`), no cookie; of a session only the
public id.
"""

import asyncio
import os
import queue
import re
import threading
import time
from contextlib import suppress
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from pathlib import Path

import structlog

from gateway.operate.metrics import Counters

_log = structlog.get_logger()

_STDOUT = 1
_NEWLINE = ord("\n")

# Some 800 lines. Waking the thread takes the interpreter from everybody else for a moment: with
# 64 KiB it cost each request about 2 µs under full load, with 256 next to nothing.
_FLUSH_BYTES = 256 * 1024
_FLUSH_SECONDS = 1.0
# How many full buffers may wait for a slow disk: 4 MiB, about 12,000 requests.
_WAITING_BUFFERS = 16
# At stop, how long a stuck reader may keep us.
_CLOSE_SECONDS = 2.0

# What is longer is not remembered: two thousand of them would be memory for whoever asks.
_LONGEST_REMEMBERED = 512

_PATH_ENDS = re.compile(r"[?#;]")


# At full load some twenty requests have the same.
@lru_cache(maxsize=4)
def _stamp(milliseconds: int) -> str:
    second, rest = divmod(milliseconds, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{rest:03d}Z"


def _in_milliseconds(seconds: float) -> str:
    """With one digit behind the point. By hand: a format specification costs ten times as much."""
    tenths = int(seconds * 10_000 + 0.5)
    return f"{tenths // 10}.{tenths % 10}"


def access_line(
    *,
    now: float,
    request_id: str,
    client: str,
    method: str,
    path: str,
    status: int,
    sent: int,
    duration: float,
    upstream: float | None,
    kind: str,
    reason: str | None = None,
    account: str | None = None,
    session: str | None = None,
) -> bytes:
    """One request as a line of JSON, newline included, ASCII only.

    `now` is Unix seconds, `duration` and `upstream` (until Sonar's head was there, `None` when it
    was not asked) are seconds and logged in milliseconds; `sent` is bytes of body. `path` is cut
    at the first `?`, `#` or `;`. Any text is safe: control characters, quotes and what was not
    UTF-8 are escaped, so that nobody writes a second line into the log.
    """
    return (
        f'{{"time":"{_stamp(int(now * 1000))}","request_id":{_quoted(request_id)}'
        f'{_asked(client, method, path)},"status":{status},"bytes":{sent}'
        f',"duration_ms":{_in_milliseconds(duration)}'
        f',"upstream_ms":{"null" if upstream is None else _in_milliseconds(upstream)}'
        f"{_became(kind, reason, account, session)}}}\n"
    ).encode("ascii")


def _asked(client: str, method: str, path: str) -> str:
    usual = len(path) <= _LONGEST_REMEMBERED
    return _known(client, method, path) if usual else _made(client, method, path)


def _made(client: str, method: str, path: str) -> str:
    if cut := _PATH_ENDS.search(path):
        path = path[: cut.start()]
    return f',"client":{_quoted(client)},"method":{_quoted(method)},"path":{_quoted(path)}'


# The same people ask for the same things again and again.
_known = lru_cache(maxsize=2048)(_made)


@lru_cache(maxsize=2048)
def _became(kind: str, reason: str | None, account: str | None, session: str | None) -> str:
    return (
        f',"kind":"{kind}","reason":{"null" if reason is None else _quoted(reason)}'
        f',"account":{"null" if account is None else _quoted(account)}'
        f',"session":{"null" if session is None else _quoted(session)}'
    )


class AccessLog:
    """Where the lines go: a file, appended to, or `-` for standard output.

    `start()` and `close()` on the event loop's thread, `write()` there too. `OSError` from
    `start()` when the file cannot be opened: a log that never worked is seen at once.
    """

    def __init__(self, target: str, counters: Counters) -> None:
        self._path = None if target == "-" else Path(target)
        self._counters = counters
        self._lines: list[bytes] = []
        self._size = 0
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_WAITING_BUFFERS)
        self._fd = -1
        self._failing = False
        self._moved = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._writer = threading.Thread(target=self._drain, name="access-log", daemon=True)

    def start(self) -> None:
        self._fd = self._open()
        self._writer.start()
        self._tick()

    def write(self, line: bytes) -> None:
        """Keep one line for the next flush. Never blocks, never raises."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what has gathered to the writing thread, or drop and count it if that is behind."""
        if not self._lines:
            return
        lines, self._lines, self._size = self._lines, [], 0
        try:
            self._waiting.put_nowait(b"".join(lines))
        except queue.Full:
            self._counters.access_log_behind += len(lines)

    def reopen(self) -> None:
        """Open the file anew, after log rotation moved it away (SIGHUP)."""
        self.flush()
        self._moved.set()
        with suppress(queue.Full):
            self._waiting.put_nowait(b"")

    def close(self) -> None:
        """Write what is left and stop; gives up on a reader that does not read."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        try:
            self._waiting.put(None, timeout=_CLOSE_SECONDS)
        except queue.Full:
            return
        self._writer.join(_CLOSE_SECONDS)

    def _tick(self) -> None:
        self.flush()
        self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._tick)

    def _open(self) -> int:
        if self._path is None:
            return os.dup(_STDOUT)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _drain(self) -> None:
        """The writing thread: one buffer after the other until `close()`."""
        torn = False
        while (text := self._waiting.get()) is not None:
            if self._moved.is_set():
                self._follow()
            # Half a line that a full disk has left behind ends here, so that it spoils one line of
            # the log and not two.
            buffer = b"\n" + text if torn else text
            written = self._write(buffer)
            lost = buffer.count(b"\n", written)
            self._counters.access_log_failed += min(lost, text.count(b"\n"))
            torn = buffer[written - 1] != _NEWLINE if written else torn
        os.close(self._fd)

    def _write(self, buffer: bytes) -> int:
        """Write as much as can be written; how many bytes. The next buffer tries again."""
        rest = memoryview(buffer)
        try:
            while rest:
                written = os.write(self._fd, rest)
                rest = rest[written:]
            self._failing = False
        except OSError as error:
            # Once, not for each buffer of a disk that stays full for hours.
            if not self._failing:
                _log.error("access_log_failing", error=error.strerror)
            self._failing = True
        return len(buffer) - len(rest)

    def _follow(self) -> None:
        """Open the path again. The old file is better than none; the next SIGHUP tries again."""
        self._moved.clear()
        try:
            fresh = self._open()
        except OSError as error:
            _log.error("access_log_not_reopened", error=error.strerror)
            return
        os.close(self._fd)
        self._fd = fresh
