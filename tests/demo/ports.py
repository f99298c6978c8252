"""Ports for a demonstration of our own, beside whatever else runs on this machine."""

import os
import socket
from contextlib import ExitStack

# Below the range from which systems pick ports for outgoing connections. Each test process begins
# elsewhere in it, so that two do not find the same ones at the same time.
_RANGE = range(20000, 32000, 4)
_FIRST = os.getpid() % len(_RANGE)


def free_ports() -> int:
    """The first of four consecutive ports that nobody listens on."""
    ports: tuple[int, ...] = (*_RANGE[_FIRST:], *_RANGE[:_FIRST])
    return next(port for port in ports if are_free(port))


def are_free(first: int) -> bool:
    """Whether nobody listens on `first` and the three after it."""
    with ExitStack() as taken:
        try:
            for port in range(first, first + 4):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            return False
    return True
