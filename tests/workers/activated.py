"""`python -m gateway serve`, with sockets handed over as systemd does it.

    python -m tests.workers.activated FD…

The last descriptor is the management listener's.
"""

import fcntl
import os
import sys

FIRST = 3


def main(fds: list[int]) -> None:
    if fds:
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
        for number, fd in enumerate(high):
            os.dup2(fd, FIRST + number, inheritable=True)
            os.close(fd)
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(fds))
        os.environ["LISTEN_FDNAMES"] = ":".join(["browsers"] * (len(fds) - 1) + ["management"])
    os.execv(sys.executable, [sys.executable, "-m", "gateway", "serve"])


if __name__ == "__main__":
    main([int(fd) for fd in sys.argv[1:]])
