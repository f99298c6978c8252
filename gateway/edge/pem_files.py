"""PEM files, which are renewed while the gateway runs: have they changed, can they be read?

Asked of the paths, and not of a watch: a Kubernetes secret changes by a symlink somewhere above the
file, which a watch on the file never hears of, and asking costs one system call for each.
"""

from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[tuple[int, int, int, int] | None, ...]


def stamp_of(files: Iterable[Path]) -> Stamp:
    """What changes when one of them is replaced or written, wherever its path leads by now."""
    return tuple(map(_stamp, files))


def _stamp(file: Path) -> tuple[int, int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def must_be_readable(files: Iterable[Path]) -> None:
    """Raises the `OSError` of the first that cannot be opened; OpenSSL would not say which."""
    for file in files:
        file.open("rb").close()
