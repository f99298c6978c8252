"""Files that nobody else may read: keys, and what keys are encrypted with."""

import os
import stat
from pathlib import Path

# A key in PEM is 300 bytes; a larger file is not a secret but the wrong file.
LARGEST = 64 * 1024


class Exposed(Exception):
    """Others can read or write the file. Says so, and what to do."""


def private_content(path: Path) -> bytes:
    """The file's bytes, unless somebody else could have read or written them.

    A file of our own must be closed to group and others. A file that somebody else put there
    (a mounted Kubernetes Secret belongs to root and is readable through `fsGroup`) may be read
    by the group, and by nobody else. Raises `Exposed` and `OSError`.
    """
    # Opening a pipe would wait for somebody to write to it.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        own = status.st_uid == os.geteuid()
        forbidden = 0o077 if own else stat.S_IWGRP | 0o007
        if status.st_mode & forbidden:
            mode = stat.S_IMODE(status.st_mode)
            raise Exposed(f"mode {mode:04o} lets others at it; run: chmod 600 {path.name}")
        if not stat.S_ISREG(status.st_mode):
            raise Exposed("not a file")
        return file.read(LARGEST)
