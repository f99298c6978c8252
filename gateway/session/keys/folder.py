"""The files of a folder, one key each, as nobody but their owner may read them.

    261123124700a1b2.root.key    32 bytes in hex
    261123124700c3d4.es256.pem   PKCS 8 in PEM

A name that a reader knows appears only with all its bytes on disk; the folder's lock lets one
process write at a time, and the kernel drops the lock of one that dies.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from gateway.errors import ConfigError, Problem
from gateway.private import Exposed, private_content
from gateway.session.keys.model import (
    KEY_ID,
    Key,
    Kind,
    UnusableKey,
    root_key,
    signing_key,
)
from gateway.session.keys.source import Kept, newest
from gateway.whole import sync_folder, write_whole

_SUFFIXES: Mapping[Kind, str] = {"root": ".root.key", "es256": ".es256.pem"}
_KINDS: Mapping[str, Kind] = {suffix: kind for kind, suffix in _SUFFIXES.items()}
_FILE = re.compile(rf"({KEY_ID})({'|'.join(map(re.escape, _KINDS))})")
_UNFINISHED = re.compile(rf"\.{_FILE.pattern}\.[0-9a-f]{{8}}")

T = TypeVar("T")


class Folder:
    """The keys in a folder. Every method may raise `ConfigError`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Kept:
        try:
            return _read(self._path)
        except OSError as error:
            raise _unusable(self._path, error) from error

    def add(self, key: Key, after: str | None) -> bool:
        return self._alone(lambda: self._add(key, after))

    def remove(self, names: frozenset[str]) -> None:
        self._alone(lambda: self._remove(names))

    def tidy(self) -> None:
        """Away with what a crash left half-written: nobody else writes now."""
        self._alone(self._tidy)

    def _alone(self, work: Callable[[], T]) -> T:
        try:
            with _alone(self._path):
                return work()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _add(self, key: Key, after: str | None) -> bool:
        if newest(_read(self._path).keys, key.kind) != after:
            return False
        _write(self._path, key)
        return True

    def _remove(self, names: frozenset[str]) -> None:
        for key_id, suffix in _listed(self._path):
            if f"{key_id}.{_KINDS[suffix]}" in names:
                (self._path / f"{key_id}{suffix}").unlink(missing_ok=True)
        sync_folder(self._path)

    def _tidy(self) -> None:
        for path in self._path.iterdir():
            if _UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)


def _read(folder: Path) -> Kept:
    keys: list[Key] = []
    problems: list[Problem] = []
    damaged: list[str] = []
    for key_id, suffix in _listed(folder):
        path = folder / f"{key_id}{suffix}"
        try:
            keys.append(_key(key_id, _KINDS[suffix], private_content(path)))
        except FileNotFoundError:
            # Taken away since the folder was listed.
            continue
        except UnusableKey as error:
            wrong = f"{error}; copy it here again, whole, or take it away"
        except Exposed as error:
            wrong = str(error)
        except OSError as error:
            wrong = f"cannot be read: {error.strerror}; it must be the gateway's user's"
        else:
            continue
        problems.append(Problem(str(path), "", None, wrong))
        damaged.append(f"{key_id}.{_KINDS[suffix]}")
    return Kept(frozenset(keys), tuple(problems), frozenset(damaged))


def _listed(folder: Path) -> list[tuple[str, str]]:
    """The id and suffix of each key file, sorted."""
    with suppress(FileNotFoundError):
        found = (_FILE.fullmatch(name) for name in os.listdir(folder))
        return sorted((name[1], name[2]) for name in found if name is not None)
    return []


def _key(key_id: str, kind: Kind, content: bytes) -> Key:
    if kind == "es256":
        return signing_key(key_id, content)
    try:
        material = bytes.fromhex(content.decode("ascii").strip())
    except ValueError:
        # The error itself has what stood there among its arguments.
        material = b""
    return root_key(key_id, material)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(folder: Path, key: Key) -> None:
    """Whole or not at all."""
    path = folder / f"{key.id}{_SUFFIXES[key.kind]}"
    content = key.material.hex().encode() + b"\n" if key.kind == "root" else key.pem
    write_whole(path, content)


def _unusable(folder: Path, error: OSError) -> ConfigError:
    wrong = f"cannot be used: {error.strerror}"
    return ConfigError((Problem(str(folder), "keys", None, wrong),))


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    wrong = (
        f"cannot be written: {error.strerror}; be the gateway's user where it may be, or have all "
        "keys put into another folder with --write and replace this one by it"
    )
    return ConfigError((Problem(str(folder), "keys", None, wrong),))
