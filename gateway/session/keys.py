"""The keys of cookies, seals and assertions: made once, kept in files, each with an id.

A directory holds two kinds of key. Their ids are the UTC second they were made and four random
characters, so that names sort by age:

    261123124700a1b2.root.key    32 random bytes, hex; every cookie MAC and seal derives from it
    261123124700c3d4.es256.pem   a P-256 private key (PKCS 8); signs assertions

The newest of a kind is used for what is made now; the older ones still verify and open what was
made before, and the JWKS publishes them all. So a key is replaced by putting a newer one beside
it, and taken away when nothing made with it is alive any more.
"""

import fcntl
import hmac
import os
import re
import secrets
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import ConfigError, Problem

KEY_ID = r"[0-9a-z]{16}"
ROOT_BYTES = 32

_ROOT_SUFFIX = ".root.key"
_SIGNING_SUFFIX = ".es256.pem"
_FILE = re.compile(rf"({KEY_ID})({re.escape(_ROOT_SUFFIX)}|{re.escape(_SIGNING_SUFFIX)})")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A P-256 private key and its id, the `kid` of assertions and of the JWKS."""

    id: str
    key: ec.EllipticCurvePrivateKey


class KeyRing:
    """Every key this process knows. `roots` and `signing` by id; at least one of each."""

    def __init__(
        self, roots: Mapping[str, bytes], signing: Mapping[str, ec.EllipticCurvePrivateKey]
    ) -> None:
        self._roots = dict(roots)
        self._derived: dict[tuple[str, str], bytes] = {}
        self.root_id = max(roots)
        self.signing_keys = tuple(SigningKey(kid, signing[kid]) for kid in sorted(signing))

    def __repr__(self) -> str:
        return f"<KeyRing root={self.root_id} signing={self.signing_key.id}>"

    @property
    def signing_key(self) -> SigningKey:
        return self.signing_keys[-1]

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the keys in `directory`, making the directory and what is missing.

        Raises `ConfigError` naming each file that cannot be used: not a key, or open to others.
        """
        try:
            roots, signing = _read(directory)
            if not roots or not signing:
                roots, signing = _make(directory)
        except OSError as error:
            raise _unusable(directory, error) from error
        return cls(roots, signing)

    @classmethod
    def look(cls, directory: Path) -> Self | None:
        """What `load` would give, for commands that only look: `None` where it would make keys.

        Raises `ConfigError` as `load` does.
        """
        try:
            roots, signing = _read(directory)
        except OSError as error:
            raise _unusable(directory, error) from error
        return cls(roots, signing) if roots and signing else None

    def subkey(self, root_id: str, purpose: str) -> bytes | None:
        """The 32-byte key for one purpose (HKDF-SHA256, RFC 5869), or `None`: no such root.

        `purpose` comes from code, never from a request: each one is remembered.
        """
        known = self._derived.get((root_id, purpose))
        if known is not None:
            return known
        root = self._roots.get(root_id)
        if root is None:
            return None
        info = b"sonar-gateway " + purpose.encode()
        derived = HKDF(SHA256(), length=32, salt=None, info=info).derive(root)
        self._derived[root_id, purpose] = derived
        return derived

    def bound_key(self, root_id: str, purpose: str, bound_to: str) -> bytes | None:
        """A 32-byte key of its own for one thing (a session, a transaction), never remembered."""
        subkey = self.subkey(root_id, purpose)
        return None if subkey is None else hmac.digest(subkey, bound_to.encode(), "sha256")


def _unusable(directory: Path, error: OSError) -> ConfigError:
    wrong = f"cannot be used: {error.strerror}"
    return ConfigError((Problem(str(directory), "keys", None, wrong),))


def new_key_id(now: float) -> str:
    return time.strftime("%y%m%d%H%M%S", time.gmtime(now)) + secrets.token_hex(2)


Keys = tuple[dict[str, bytes], dict[str, ec.EllipticCurvePrivateKey]]


def _read(directory: Path) -> Keys:
    roots: dict[str, bytes] = {}
    signing: dict[str, ec.EllipticCurvePrivateKey] = {}
    problems: list[Problem] = []
    with suppress(FileNotFoundError):
        for path in sorted(directory.iterdir()):
            if (named := _FILE.fullmatch(path.name)) is None:
                continue
            try:
                content = _private_content(path)
                if named[2] == _ROOT_SUFFIX:
                    roots[named[1]] = _root(content)
                else:
                    signing[named[1]] = _signing(content)
            except _Unusable as error:
                problems.append(Problem(str(path), "", None, str(error)))
    if problems:
        raise ConfigError(tuple(problems))
    return roots, signing


class _Unusable(Exception):
    """A key file that is not one, or that others can read."""


def _private_content(path: Path) -> bytes:
    """The file's bytes, unless somebody else could have read or written them.

    A file of our own must be closed to group and others. A file that somebody else put there
    (a mounted Kubernetes Secret belongs to root and is readable through `fsGroup`) may be read
    by the group, and by nobody else.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        own = status.st_uid == os.geteuid()
        forbidden = 0o077 if own else stat.S_IWGRP | 0o007
        if status.st_mode & forbidden:
            mode = stat.S_IMODE(status.st_mode)
            raise _Unusable(f"mode {mode:04o} lets others at this key; run: chmod 600 {path.name}")
        return file.read()


def _root(content: bytes) -> bytes:
    try:
        secret = bytes.fromhex(content.decode("ascii").strip())
    except ValueError as error:
        raise _Unusable(f"not a root key: {ROOT_BYTES} bytes in hex") from error
    if len(secret) != ROOT_BYTES:
        raise _Unusable(f"not a root key: {ROOT_BYTES} bytes in hex")
    return secret


def _signing(content: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise _Unusable("not an unencrypted private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _Unusable("not a P-256 key, which ES256 needs")
    return key


def _make(directory: Path) -> Keys:
    """Make what is missing, one process at a time, and read everything again.

    Two processes that start at once agree: the second waits for the lock, then finds the keys of
    the first. The kernel drops the lock of a process that dies.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        roots, signing = _read(directory)
        kid = new_key_id(time.time())
        if not roots:
            secret = secrets.token_bytes(ROOT_BYTES)
            _write(directory / f"{kid}{_ROOT_SUFFIX}", secret.hex().encode() + b"\n")
        if not signing:
            _write(directory / f"{kid}{_SIGNING_SUFFIX}", _new_signing_key())
        os.fsync(lock)
        return _read(directory)
    finally:
        os.close(lock)


def _new_signing_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a name that a reader knows appears only with all its bytes on disk."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as writer:
            writer.write(content)
            writer.flush()
            os.fsync(writer.fileno())
        unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
