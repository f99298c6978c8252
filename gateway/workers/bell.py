"""Signals, for a process without an event loop: they ring, and nothing happens inside a handler."""

import signal
import socket
from types import FrameType
from typing import Self

STOP = frozenset((signal.SIGTERM, signal.SIGINT))
_SIGNALS = (*STOP, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)


class Bell:
    """While it is entered, `ear` becomes readable when a signal has come."""

    def __init__(self) -> None:
        self.ear, self._bell = socket.socketpair()
        for end in (self.ear, self._bell):
            end.setblocking(False)

    def __enter__(self) -> Self:
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _rung) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.ear.close()
        self._bell.close()

    def heard(self) -> set[int]:
        """The numbers of the signals that have come."""
        return set(self.ear.recv(4096))

    def hush(self) -> set[int]:
        """Let signals wait, over a fork: one that comes between it and the new process's own
        handlers would be heard by the wrong process. What to give to `go_on`."""
        return set(signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS))

    def go_on(self, mask: set[int]) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def leave(self, mask: set[int]) -> None:
        """In a new process: signals do to it what they do by default."""
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self.ear.close()
        self._bell.close()
        self.go_on(mask)


def _rung(_number: int, _frame: FrameType | None) -> None:
    """The bell has rung already."""
