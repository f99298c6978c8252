"""Files that are there with all their bytes, or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes, *, like: os.stat_result | None = None) -> None:
    """Replace a file, on disk when this returns. Only its owner may read it; with `like`, whoever
    could read that one. Until it is whole its name begins with a dot. Raises `OSError`.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "wb") as writer:
            writer.write(content)
            if like is not None:
                with suppress(PermissionError):
                    os.fchown(writer.fileno(), like.st_uid, like.st_gid)
                os.fchmod(writer.fileno(), like.st_mode & 0o777)
            writer.flush()
            os.fsync(writer.fileno())
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have on disk which files are there. Raises `OSError`."""
    opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
