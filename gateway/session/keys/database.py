"""Keys in the gateway's own database (`links.database`), encrypted: for several machines that
should share them without anybody copying files.

Encrypted because more people read a database than read its machine: whoever has a backup, a
replica or a reporting account would else have what makes up a sign-in of anybody. So what it holds
is worth nothing without `keys.secret`, which comes from the environment or a file of each machine
and never meets the database: AES-256-GCM under a key derived from it (HKDF-SHA256, RFC 5869), the
key's own name as associated data, so that no row can stand in for another.

Two rotations at once, on two machines: the row says after which key it came, and that is unique.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import delete, select, update

from gateway.account.own_database import OwnDatabase
from gateway.account.tables import keys as table
from gateway.errors import Problem
from gateway.secret import Secret
from gateway.session.aead import decrypt, encrypt
from gateway.session.keys.model import KINDS, Key, UnusableKey, key_of
from gateway.session.keys.source import Kept


class DatabaseKeys:
    """The keys in a database, sealed with `secret`; those sealed with `old` are read too, and
    sealed anew by `tidy`. See `KeySource`."""

    late_after_restart = False
    where = "in links.database"

    def __init__(self, url: Secret, secret: Secret, old: Secret | None) -> None:
        self._seal = _Seal(secret)
        self._old = None if old is None else _Seal(old)
        self._database = OwnDatabase(url)

    async def open(self) -> None:
        await self._database.open()

    async def close(self) -> None:
        await self._database.close()

    async def read(self) -> Kept:
        keys: list[Key] = []
        problems: list[Problem] = []
        damaged: list[str] = []
        for name, sealed in await self._rows():
            key = self._opened(name, sealed)
            if isinstance(key, Key):
                keys.append(key)
            else:
                problems.append(Problem(f"keys {self.where}", name, None, key))
                damaged.append(name)
        return Kept(frozenset(keys), tuple(problems), frozenset(damaged))

    async def add(self, key: Key, after: str | None) -> bool:
        row = {
            "name": key.name,
            "kind": key.kind,
            "after": after or "",
            "sealed": self._seal.close(key.name, key.material),
        }
        async with self._database.working() as connection:
            done = await connection.execute(
                self._database.insert(table).values(row).on_conflict_do_nothing()
            )
            await connection.commit()
        return done.rowcount > 0

    async def remove(self, names: Iterable[str]) -> None:
        async with self._database.working() as connection:
            await connection.execute(delete(table).where(table.c.name.in_(list(names))))
            await connection.commit()

    async def tidy(self) -> None:
        for name, sealed in await self._rows():
            material = None if self._old is None else self._old.open(name, sealed)
            if material is None:
                continue
            async with self._database.working() as connection:
                await connection.execute(
                    update(table)
                    .where(table.c.name == name, table.c.sealed == sealed)
                    .values(sealed=self._seal.close(name, material))
                )
                await connection.commit()

    async def _rows(self) -> list[tuple[str, str]]:
        query = select(table.c.name, table.c.sealed).order_by(table.c.name)
        async with self._database.working() as connection:
            rows = (await connection.execute(query)).all()
        return [(row.name, row.sealed) for row in rows]

    def _opened(self, name: str, sealed: str) -> Key | str:
        """The key of a row, or what is wrong with it."""
        material = self._seal.open(name, sealed)
        if material is None and self._old is not None:
            material = self._old.open(name, sealed)
        if material is None:
            return (
                "cannot be opened: it was put there with another keys.secret (name that one as "
                "keys.old_secret), or was changed (keys rotate --now --revoke takes it away)"
            )
        key_id, _, kind = name.partition(".")
        for known in KINDS:
            if kind == known:
                try:
                    return key_of(known, key_id, material)
                except UnusableKey as error:
                    return str(error)
        return "is of a kind that this version does not know; upgrade, or take it away"


class _Seal:
    """What stands in a row: base64 of what aead.py makes."""

    def __init__(self, secret: Secret) -> None:
        info = b"sonar-gateway keys in the database"
        derived = HKDF(SHA256(), length=32, salt=None, info=info)
        self._cipher = AESGCM(derived.derive(secret.reveal().encode()))

    def close(self, name: str, material: bytes) -> str:
        return b64encode(encrypt(self._cipher, material, name.encode())).decode("ascii")

    def open(self, name: str, sealed: str) -> bytes | None:
        try:
            content = b64decode(sealed, validate=True)
        except ValueError:
            return None
        return decrypt(self._cipher, content, name.encode())
