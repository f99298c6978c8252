"""Sonar's password hashes: five schemes side by side, each at a real but cheap cost.

Cheap because the stand-in makes them all at its first start; the formats are the ones that real
tables hold, so the gateway verifies exactly what it would verify in production.
"""

import asyncio
from enum import StrEnum

from passlib.context import CryptContext
from passlib.hash import argon2, bcrypt, pbkdf2_sha256, phpass, sha512_crypt

# bcrypt reads 72 bytes; old applications cut longer passwords there, today's library raises.
_BCRYPT_BYTES = 72


class Scheme(StrEnum):
    BCRYPT = "bcrypt"
    ARGON2 = "argon2"
    PHPASS = "phpass"
    PBKDF2 = "pbkdf2_sha256"
    SHA512_CRYPT = "sha512_crypt"


_HASHERS = {
    Scheme.BCRYPT: bcrypt.using(rounds=5),
    Scheme.ARGON2: argon2.using(type="ID", time_cost=1, memory_cost=1024, parallelism=1),
    Scheme.PHPASS: phpass.using(rounds=8),
    Scheme.PBKDF2: pbkdf2_sha256.using(rounds=2000),
    Scheme.SHA512_CRYPT: sha512_crypt.using(rounds=1000),
}
_ANY = CryptContext(schemes=[scheme.value for scheme in Scheme])


def hash_password(password: str, scheme: Scheme) -> str:
    return str(_HASHERS[scheme].hash(_fitted(password, scheme)))


def scheme_of(stored: str) -> Scheme:
    """Which scheme `stored` is in; raises `ValueError` when it is none of ours."""
    return Scheme(str(_ANY.identify(stored)))


async def verify_password(password: str, stored: str) -> bool:
    """Whether `password` gives `stored`; in a thread, because that is what hashes are slow for."""
    fitted = _fitted(password, scheme_of(stored))
    return bool(await asyncio.to_thread(_ANY.verify, fitted, stored))


def _fitted(password: str, scheme: Scheme) -> bytes:
    encoded = password.encode()
    return encoded[:_BCRYPT_BYTES] if scheme is Scheme.BCRYPT else encoded
