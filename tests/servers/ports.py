"""Ports for servers that a test stops and starts again.

Not one that the system gives away: while nobody listens there, any other connection of this machine
may come to have it, and even one to itself.
"""

import random
import socket

# Below every system's range for outgoing connections.
_LOWEST, _HIGHEST = 10_000, 32_000


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    while True:
        # Of the system, so that processes that began alike do not choose alike.
        port = random.SystemRandom().randrange(_LOWEST, _HIGHEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
