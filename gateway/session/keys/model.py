"""A key, and what is to be done with it at a given time. Pure.

A key's id begins with the UTC second in which its use begins, so that ids sort by age and every
process that knows the same keys uses the same one, whoever made it and when:

    261123124700a1b2.root     32 random bytes; every cookie MAC and seal derives from it
    261123124700c3d4.es256    a P-256 private key; signs assertions

    announced   its time has not come: accepted and published already, makes nothing yet
    in use      what is made now is made with it
    retired     a newer one is in use; accepted until nothing made with it can still be alive
    over        accepted by nobody any more

No exception that leaves this module holds a key or a part of one, not even in its arguments.
"""

import calendar
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

Kind = Literal["root", "es256"]
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["announced", "in use", "retired", "over"]
Seen = Mapping[str, float]
_NOTHING: Seen = {}

KEY_ID = r"[0-9a-z]{16}"
ROOT_BYTES = 32

# What machines' clocks may differ by, with the second or so until all processes know of a change.
SLACK = 300.0
# Within this many seconds every process that runs knows of a change: they look once a second.
HEARD = 3.0

_BEGINS = "%y%m%d%H%M%S"
_BEGINS_LENGTH = 12


class UnusableKey(Exception):
    """What should be a key and is none. Says what is wrong, never what stood there."""


class Key:
    """A key that is never printed. `kind` and `id` may be; `material` is the 32 bytes of a root
    key, or the PKCS 8 DER of a signing key, whose `private` half can sign."""

    __slots__ = ("_material", "_private", "id", "kind")

    def __init__(
        self, kind: Kind, key_id: str, material: bytes, private: ec.EllipticCurvePrivateKey | None
    ) -> None:
        self.kind: Kind = kind
        self.id = key_id
        self._material = material
        self._private = private

    @property
    def name(self) -> str:
        """How files, commands and logs call it."""
        return f"{self.id}.{self.kind}"

    @property
    def begins(self) -> float:
        """From when on it is used, Unix seconds; 0 for an id that does not say."""
        return begin_of(self.id)

    @property
    def material(self) -> bytes:
        return self._material

    @property
    def private(self) -> ec.EllipticCurvePrivateKey:
        assert self._private is not None  # noqa: S101 - only asked of signing keys
        return self._private

    @property
    def pem(self) -> bytes:
        """A signing key as a file holds it."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def __repr__(self) -> str:
        return f"<Key {self.name}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return self.name == other.name and secrets.compare_digest(self._material, other._material)

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Key is not pickled")


def begin_of(key_id: str) -> float:
    """From when on a key with this id is used, Unix seconds; 0 when the id does not say."""
    try:
        return float(calendar.timegm(time.strptime(key_id[:_BEGINS_LENGTH], _BEGINS)))
    except ValueError:
        return 0.0


def new_key_id(begins: float) -> str:
    """An id for a key whose use begins then (Unix seconds)."""
    return time.strftime(_BEGINS, time.gmtime(begins)) + secrets.token_hex(2)


def new_key(kind: Kind, begins: float) -> Key:
    """A key that nobody had before."""
    key_id = new_key_id(begins)
    if kind == "root":
        return root_key(key_id, secrets.token_bytes(ROOT_BYTES))
    return _signing(key_id, ec.generate_private_key(ec.SECP256R1()))


def root_key(key_id: str, material: bytes) -> Key:
    """Raises `UnusableKey` for a wrong size."""
    if len(material) != ROOT_BYTES:
        raise UnusableKey(f"not a root key: {ROOT_BYTES} bytes in hex")
    return Key("root", key_id, material, None)


def signing_key(key_id: str, encoded: bytes) -> Key:
    """From PEM or DER, PKCS 8 or SEC 1, without a password. Raises `UnusableKey`."""
    private = _loaded(encoded)
    if private is None:
        raise UnusableKey("not an unencrypted private key in PEM")
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(
        private.curve, ec.SECP256R1
    ):
        raise UnusableKey("not a P-256 key, which ES256 needs")
    return _signing(key_id, private)


def key_of(kind: Kind, key_id: str, material: bytes) -> Key:
    """The key that `material` was of. Raises `UnusableKey`."""
    return root_key(key_id, material) if kind == "root" else signing_key(key_id, material)


def _loaded(encoded: bytes) -> object | None:
    load = serialization.load_der_private_key
    if encoded.lstrip().startswith(b"-----"):
        load = serialization.load_pem_private_key
    try:
        return load(encoded, password=None)
    except (ValueError, TypeError):
        return None


def _signing(key_id: str, private: ec.EllipticCurvePrivateKey) -> Key:
    material = private.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Key("es256", key_id, material, private)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be done with a key now. `stopped`: when the one after it came into use, `ends`:
    until when it is accepted; Unix seconds, `None` when that is not known yet."""

    key: Key
    state: State
    stopped: float | None = None
    ends: float | None = None


def standings(
    keys: Iterable[Key], now: float, lives: float, *, used: str = "", seen: Seen = _NOTHING
) -> tuple[Standing, ...]:
    """The standing of each key of one kind, oldest first.

    `lives`: how long what is made with one may live, seconds. `used`: the id in use until now; an
    older one is not gone back to when the clock is. `seen`: by name, from when on a key could be
    used here that came later than its use was to begin: the one before it was used until then.
    """
    ordered = sorted(keys, key=lambda key: key.id)
    if not ordered:
        return ()
    begins = {key.id: max(key.begins, seen.get(key.name, 0.0)) for key in ordered}
    due = [key for key in ordered if begins[key.id] <= now]
    in_use = due[-1] if due else ordered[0]
    in_use = next((key for key in ordered if key.id == used and key.id > in_use.id), in_use)
    found = []
    for place, key in enumerate(ordered):
        if key is in_use:
            found.append(Standing(key, "in use"))
        elif key.id > in_use.id:
            found.append(Standing(key, "announced"))
        else:
            # The first of those after it that was used took its place.
            stopped = min(begins[after.id] for after in ordered[place + 1 :])
            ends = stopped + lives + SLACK
            found.append(Standing(key, "over" if now >= ends else "retired", stopped, ends))
    return tuple(found)
