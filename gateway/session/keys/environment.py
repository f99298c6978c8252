"""Keys in one environment variable: for where secrets come that way, and nothing can be written.

    261123124700a1b2.root=<base64url> 261123124700c3d4.es256=<base64url of PKCS 8 DER> …

A process cannot change what its environment was at its start, so a rotation writes the next value
of the variable into a file, which an operator puts where the first came from.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.base64url import encode
from gateway.errors import ConfigError, Problem
from gateway.session.keys.model import KEY_ID, KINDS, Key, Kind, UnusableKey, key_of
from gateway.session.keys.source import Kept, newest
from gateway.whole import write_whole

_ENTRY = re.compile(rf"({KEY_ID})\.({'|'.join(KINDS)})=([A-Za-z0-9_-]+)", re.ASCII)


class EnvironmentKeys:
    """The keys in the variable `name`; see `KeySource`."""

    late_after_restart = True

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self._name = name
        self._environ = environ
        self.where = f"in the environment variable {name}"

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> Kept:
        return keys_in(self._environ.get(self._name, ""), self.where)

    async def add(self, key: Key, after: str | None) -> bool:
        raise self._unwritable()

    async def remove(self, names: Iterable[str]) -> None:
        raise self._unwritable()

    async def tidy(self) -> None: ...

    def _unwritable(self) -> ConfigError:
        wrong = (
            f"the environment variable {self._name} cannot be changed from here: have its next "
            "value written with `sonar-gateway keys rotate --write FILE`, put it in place, restart"
        )
        return ConfigError((Problem("", "keys", None, wrong),))


class WrittenKeys:
    """The next value of the variable, in a file that only its owner reads; see `KeySource`."""

    late_after_restart = True

    def __init__(self, path: Path, keys: Iterable[Key]) -> None:
        self._path = path
        self._keys = frozenset(keys)
        self.where = f"in {path}"

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def read(self) -> Kept:
        return Kept(self._keys)

    async def add(self, key: Key, after: str | None) -> bool:
        if newest(self._keys, key.kind) != after:
            return False
        self._put(self._keys | {key})
        return True

    async def remove(self, names: Iterable[str]) -> None:
        doomed = frozenset(names)
        self._put(frozenset(key for key in self._keys if key.name not in doomed))

    async def tidy(self) -> None:
        self._put(self._keys)

    def _put(self, keys: frozenset[Key]) -> None:
        try:
            write_whole(self._path, f"{spelled(keys)}\n".encode())
        except OSError as error:
            wrong = f"cannot be written: {error.strerror}; name another file with --write"
            raise ConfigError((Problem(str(self._path), "", None, wrong),)) from error
        self._keys = keys


def spelled(keys: Iterable[Key]) -> str:
    """The value of the variable, oldest first: this text is the keys themselves."""
    ordered = sorted(keys, key=lambda key: key.name)
    return " ".join(f"{key.name}={encode(key.material)}" for key in ordered)


def keys_in(text: str, where: str) -> Kept:
    """The keys in such a text, and what is wrong with the rest, told by its place alone."""
    keys: list[Key] = []
    problems: list[Problem] = []
    for place, entry in enumerate(text.split(), 1):
        found = _ENTRY.fullmatch(entry)
        if found is None:
            wrong = "is not ID.root=KEY or ID.es256=KEY, as `keys rotate --write` writes it"
            problems.append(Problem(f"keys {where}", f"entry {place}", None, wrong))
            continue
        kind: Kind = "root" if found[2] == "root" else "es256"
        try:
            keys.append(key_of(kind, found[1], _decode(found[3])))
        except UnusableKey as error:
            wrong = f"{error}; put it there again, whole, or take it away"
            problems.append(Problem(f"keys {where}", f"entry {place}", None, wrong))
    return Kept(frozenset(keys), tuple(problems))


def _decode(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
