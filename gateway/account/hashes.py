"""Password hashes of every scheme Sonar has had: is this password the one behind this hash?

Stands alone: no import of ours, because passwords.py also runs this file as a program, for the
schemes that would hold the interpreter's lock. As a program it reads one JSON object
`{"password": …, "stored": …}` from standard input and prints the verdict's word.

A stored hash is data from somebody else's table. It is read by a strict pattern first, which also
bounds its cost: a hash that claims a billion rounds is a typing error or an attack, and would hold
a worker for hours.
"""

import json
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# bcrypt looks at 72 bytes and no more. PHP, crypt(3) and older libraries cut a longer password
# off silently; bcrypt 5 raises instead, and people with long passwords could not sign in.
_BCRYPT_BYTES = 72

# Nobody types more, and hashing one must not become a burden.
LONGEST_PASSWORD = 16 * 1024
# In bytes: passlib refuses longer ones.
_LONGEST_OF_PASSLIB = 4096

_H64 = "[./0-9A-Za-z]"


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Kind:
    """A scheme. `pattern` matches the whole of a stored hash; its groups multiply to the cost,
    which may be at most `most`. `holds_lock`: computed in Python or in C that keeps the GIL."""

    name: str
    pattern: re.Pattern[str]
    most: int
    holds_lock: bool
    check: Callable[[bytes, str], bool]

    def cost(self, stored: str) -> int | None:
        """Its cost in the scheme's own unit; `None` when it is not of this kind, or too dear."""
        found = self.pattern.fullmatch(stored)
        if found is None:
            return None
        cost = 1
        for factor in found.groups():
            cost *= int(factor or 1)
        return cost if cost <= self.most else None


def verify(password: str, stored: str) -> Verdict:
    """Compare; takes as long as the scheme takes. Never raises for what people or tables hold."""
    kind = kind_of(stored)
    if kind is None:
        return Verdict.UNREADABLE
    secret = encode(password)
    if secret is None:
        return Verdict.WRONG
    try:
        with warnings.catch_warnings():
            # passlib warns of padding bits that some old writer set; it reads them all the same.
            warnings.simplefilter("ignore")
            return Verdict.RIGHT if kind.check(secret, stored) else Verdict.WRONG
    except (ValueError, TypeError):
        return Verdict.UNREADABLE


def encode(password: str) -> bytes | None:
    """The bytes that are hashed: UTF-8 as typed, no normalisation, as Sonar's form posts it.

    `None` for what can be nobody's password. NUL among them: crypt(3) stops there, so that
    `right\\0anything` would be right.
    """
    if not password or len(password) > LONGEST_PASSWORD or "\0" in password:
        return None
    try:
        return password.encode()
    except UnicodeEncodeError:
        return None


def kind_of(stored: str) -> Kind | None:
    return next((kind for kind in KINDS if kind.cost(stored) is not None), None)


def _bcrypt(secret: bytes, stored: str) -> bool:
    import bcrypt

    return bcrypt.checkpw(secret[:_BCRYPT_BYTES], stored.encode("ascii"))


def _argon2(secret: bytes, stored: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

    try:
        return PasswordHasher().verify(stored, secret)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError) as error:
        raise ValueError("not an argon2 hash") from error


def _passlib(handler: str) -> Callable[[bytes, str], bool]:
    def check(secret: bytes, stored: str) -> bool:
        import passlib.hash

        if len(secret) > _LONGEST_OF_PASSLIB:
            return False
        scheme: Any = getattr(passlib.hash, handler)
        return bool(scheme.verify(secret, stored))

    return check


# The limits are about two seconds on a slow core, ten times what these schemes recommend.
KINDS = (
    Kind("bcrypt", re.compile(rf"\$2[aby]\$(0[4-9]|1[0-5])\${_H64}{{53}}"), 15, False, _bcrypt),
    Kind(
        "argon2",
        re.compile(
            r"\$argon2(?:id|i|d)\$(?:v=\d+\$)?m=(\d{1,7}),t=(\d{1,3}),p=\d{1,2}\$[^$]+\$[^$]+"
        ),
        4 * 1024 * 1024,  # KiB of memory × passes
        False,
        _argon2,
    ),
    Kind(
        "pbkdf2_sha1",
        re.compile(r"\$pbkdf2\$(\d{1,8})\$[^$]*\$[^$]+"),
        5_000_000,
        False,
        _passlib("pbkdf2_sha1"),
    ),
    Kind(
        "pbkdf2_sha256",
        re.compile(r"\$pbkdf2-sha256\$(\d{1,8})\$[^$]*\$[^$]+"),
        5_000_000,
        False,
        _passlib("pbkdf2_sha256"),
    ),
    Kind(
        "pbkdf2_sha512",
        re.compile(r"\$pbkdf2-sha512\$(\d{1,8})\$[^$]*\$[^$]+"),
        5_000_000,
        False,
        _passlib("pbkdf2_sha512"),
    ),
    Kind(
        "django_pbkdf2_sha1",
        re.compile(r"pbkdf2_sha1\$(\d{1,8})\$[^$]+\$[^$]+"),
        5_000_000,
        False,
        _passlib("django_pbkdf2_sha1"),
    ),
    Kind(
        "django_pbkdf2_sha256",
        re.compile(r"pbkdf2_sha256\$(\d{1,8})\$[^$]+\$[^$]+"),
        5_000_000,
        False,
        _passlib("django_pbkdf2_sha256"),
    ),
    # The fourth letter is the logarithm of the rounds: J is 2^21.
    Kind("phpass", re.compile(rf"\$[PH]\$[0-9A-J]{_H64}{{30}}"), 1, True, _passlib("phpass")),
    Kind(
        "sha512_crypt",
        re.compile(rf"\$6\$(?:rounds=(\d{{1,8}})\$)?{_H64}{{0,16}}\${_H64}{{86}}"),
        5_000_000,
        True,
        _passlib("sha512_crypt"),
    ),
    Kind(
        "sha256_crypt",
        re.compile(rf"\$5\$(?:rounds=(\d{{1,8}})\$)?{_H64}{{0,16}}\${_H64}{{43}}"),
        5_000_000,
        True,
        _passlib("sha256_crypt"),
    ),
    Kind(
        "md5_crypt",
        re.compile(rf"\$1\${_H64}{{0,8}}\${_H64}{{22}}"),
        1,
        True,
        _passlib("md5_crypt"),
    ),
    Kind(
        "apr_md5_crypt",
        re.compile(rf"\$apr1\${_H64}{{0,8}}\${_H64}{{22}}"),
        1,
        True,
        _passlib("apr_md5_crypt"),
    ),
)


if __name__ == "__main__":
    question = json.load(sys.stdin)
    print(verify(question["password"], question["stored"]))
