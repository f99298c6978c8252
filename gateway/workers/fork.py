"""The birth of a worker: a copy of the supervisor that becomes somebody else."""

import os
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn, Protocol

import structlog

from gateway.workers import line
from gateway.workers.bell import Bell

_log = structlog.get_logger()


class Closable(Protocol):
    def close(self) -> None: ...


def fork(
    bell: Bell, mine: Iterable[Closable], become: Callable[[socket.socket], int]
) -> tuple[int, socket.socket]:
    """Start a process that closes its copies of what is `mine`, does `become(its line)` and ends
    with the code that this returns; its id, and our end of the line. `OSError` when the system has
    no room for it."""
    ours, theirs = line.pair()
    mask = bell.hush()
    try:
        pid = os.fork()
        if pid == 0:
            _live(bell, mask, (*mine, ours), lambda: become(theirs))
    except OSError:
        ours.close()
        raise
    finally:
        bell.go_on(mask)
        theirs.close()
    return pid, ours


def _live(
    bell: Bell, mask: set[int], others: Iterable[Closable], become: Callable[[], int]
) -> NoReturn:
    """All of its life. Nothing of the supervisor's own goes on here: no `finally`, no `atexit`."""
    code = 1
    try:
        bell.leave(mask)
        for one in others:
            one.close()
        code = become()
    except BaseException:
        _log.exception("worker_failed")
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
