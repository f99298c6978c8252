"""Compile the hot modules of gateway/ with mypyc, from their own typed source.

    python -m tools.compile

Into gateway/_compiled/, where gateway/compiled.py finds them. Needs a C compiler and Python's
headers. Nothing is done when they are there and made from the source as it is. Without them the
gateway runs as plain Python, in all the same way but for the speed: docs/performance.md.
"""

import logging
import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Distribution, Extension

from gateway.compiled import FOLDER, PACKAGE, SOURCES, SUFFIX, digest_of

# What a usual request runs through, and one with a made-up cookie, and what these share. The
# rest of edge/ meets a few requests, or a connection once, or waits for a library. A class that is
# not compiled cannot inherit from one that is.
HOT = (
    "base64url.py",
    "edge/*.py",
    "operate/access_log.py",
    "operate/metrics.py",
    "policy/model.py",
    "session/cache.py",
    "session/cookie.py",
    "session/recognise.py",
)
NOT_HOT = frozenset(
    """
    __init__ admission arrival certificate coding connecting fragments handshake inject last_words
    listener page pem_files proxied proxy_protocol server sockets upstream_tls
    """.split()
)

_TYPES = """
[mypy]
strict = true
ignore_missing_imports = true
plugins = pydantic.mypy
"""


def hot_modules() -> list[Path]:
    return sorted(path for name in HOT for path in PACKAGE.glob(name) if path.stem not in NOT_HOT)


def main() -> int:
    """Exit code: 0 when they are there, 1 when something has to be installed first."""
    modules, digest = hot_modules(), digest_of()
    if _up_to_date(modules, digest):
        _say("up to date")
        return 0
    lacking = what_is_lacking()
    if lacking:
        _say(f"{lacking}. On Debian: sudo apt install gcc python3-dev")
        return 1
    _say(f"{len(modules)} modules, for {SUFFIX}; this takes about half a minute")
    os.chdir(PACKAGE.parent)
    with tempfile.TemporaryDirectory() as folder:
        _compile(modules, Path(folder))
        _put(Path(folder, "lib"), digest)
    _say("done")
    return 0


def _up_to_date(modules: list[Path], digest: str) -> bool:
    made_from = FOLDER / SOURCES
    if not made_from.is_file() or made_from.read_text() != digest:
        return False
    there = {path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"gateway.*{SUFFIX}")}
    return there == {_dotted(path.relative_to(PACKAGE.parent)) for path in modules}


def _dotted(path: Path) -> str:
    """gateway/edge/head.py, or what it was compiled to -> gateway.edge.head"""
    return ".".join((*path.parts[:-1], path.name.partition(".")[0]))


def what_is_lacking() -> str:
    """What must be installed before anything can be compiled; empty when all is there."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler})"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return "" if header.is_file() else f"no {header}"


def _compile(modules: list[Path], folder: Path) -> None:
    """Extension modules below `folder`/lib, in the folders of their packages."""
    types = folder / "mypy.ini"
    types.write_text(_TYPES)
    names = [str(path.relative_to(PACKAGE.parent)) for path in modules]
    extensions: list[Extension] = mypycify(
        [f"--config-file={types}", f"--cache-dir={folder / 'cache'}", *names],
        group_name="gateway",
        opt_level="3",
        target_dir=str(folder / "c"),
    )
    for extension in extensions:
        # mypyc makes every warning an error: right for its own tests, not with any compiler.
        extension.extra_compile_args = [
            option for option in extension.extra_compile_args if option != "-Werror"
        ]
    # Each step is logged as it would be typed.
    logging.disable(logging.INFO)
    build = Distribution({"name": "gateway", "ext_modules": extensions}).get_command_obj(
        "build_ext"
    )
    build.build_lib, build.build_temp = str(folder / "lib"), str(folder / "temp")
    build.ensure_finalized()
    build.run()


def _put(built: Path, digest: str) -> None:
    """Replace what was there, the digest last: half of it is never used."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for path in built.rglob(f"*{SUFFIX}"):
        shutil.copyfile(path, FOLDER / f"{_dotted(path.relative_to(built))}{SUFFIX}")
    (FOLDER / SOURCES).write_text(digest)


def _say(line: str) -> None:
    print(f"tools.compile: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
