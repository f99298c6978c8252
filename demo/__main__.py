"""`python -m demo`: run it all until Ctrl-C."""

import sys

# Importing the rest takes a moment, in which somebody may change their mind already.
try:
    from demo.command import main

    code = main()
except KeyboardInterrupt:
    print("\nStopped.", flush=True)
    code = 0
sys.exit(code)
