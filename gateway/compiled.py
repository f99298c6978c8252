"""The hot modules as machine code, made from the same source by `python -m tools.compile`.

Strategy
    gateway/_compiled/ has a folder for each kind of interpreter: an extension module for each
    module that was compiled, under its dotted name, and the file `sources`, a digest of every
    source file of gateway/ as it was then. A finder in front of all others gives them out.

Rules
    What was compiled from other source than is here now is never used: the source is.
    SONAR_GATEWAY_CODE=pure uses none, =compiled is an error without; else whatever is there.
"""

import os
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

PACKAGE = Path(__file__).parent
# The first suffix is the most exact: interpreter, its version, and the machine.
SUFFIX = EXTENSION_SUFFIXES[0]
FOLDER = PACKAGE / "_compiled" / SUFFIX.strip(".").partition(".")[0]
SOURCES = "sources"

_WANTED = "SONAR_GATEWAY_CODE"


def digest_of(package: Path = PACKAGE) -> str:
    """What `sources` says of these sources: compiled code knows the layout of its neighbours, so
    one changed file makes all of it old."""
    digest = sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


class _Finder(MetaPathFinder):
    """Knows the modules that were compiled, and what they share."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        file = str(FOLDER / f"{fullname}{SUFFIX}")
        if not os.path.exists(file):
            return None
        return spec_from_file_location(fullname, file, loader=ExtensionFileLoader(fullname, file))


def in_use() -> bool:
    """Whether the compiled modules are those that are imported."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def use() -> None:
    """Have the compiled modules imported, when they are there and may be used. `ImportError` when
    they must be used and cannot."""
    wanted = os.environ.get(_WANTED, "")
    if wanted == "pure" or in_use():
        return
    if _fits():
        sys.meta_path.insert(0, _Finder())
    elif wanted == "compiled":
        raise ImportError(
            f"{_WANTED}=compiled, and {FOLDER} has nothing compiled from this source: "
            "run `make compile`"
        )


def _fits() -> bool:
    try:
        made_from = (FOLDER / SOURCES).read_text()
    except OSError:
        return False
    return made_from == digest_of()
