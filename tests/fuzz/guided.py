"""One target under atheris: `python -m tests.fuzz.guided TARGET FOLDER [libFuzzer options]`."""

import sys

import atheris

with atheris.instrument_imports(include=["gateway.edge"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    check = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
