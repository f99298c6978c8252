"""`python -m demo`: run it all until Ctrl-C."""

import os
import signal
import sys


def _stop(_signal: int, _frame: object) -> None:
    """Nothing runs yet. A KeyboardInterrupt could be lost: while Python imports, what is raised in
    some places is printed, or caught by who expected something else, and forgotten."""
    os.write(1, b"\nStopped.\n")
    os._exit(0)


# Importing the rest takes a moment, in which somebody may change their mind already.
signal.signal(signal.SIGINT, _stop)
from demo.command import main  # noqa: E402

try:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = main()
except KeyboardInterrupt:
    print("\nStopped.", flush=True)
    code = 0
sys.exit(code)
