"""The records as a chain: what each is bound to, and what does not fit. Pure.

    hash   SHA-256 over the record, its number and the hash of the one before: whoever changes,
           removes, moves or puts in a record changes every hash after it
    mac    HMAC-SHA256 of the hash, under a key derived from the gateway's root key: whoever may
           write the table, but has no key, cannot make the hashes fit again
    head   how many there are, the last one's hash, and how far the oldest were trimmed, under a
           MAC of its own: a tail that was cut off is missed

Hashes need no key, so that a record whose key is long gone is still bound to the ones after it,
and through them to a key that is there: a key may be taken away whenever a newer one is in use.
"""

import hmac
import json
import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from hashlib import sha256
from typing import Protocol

_PURPOSE = "audit chain"
_FORMAT = "sonar-gateway audit 1"

# What the first record follows.
NOTHING = "0" * 64


class Keys(Protocol):
    """`gateway.session.keys.KeyRing` is one."""

    @property
    def root_id(self) -> str: ...
    def subkey(self, root_id: str, purpose: str, lives: float, /) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Record:
    """One event as it is kept. `time` in Unix seconds, to the millisecond; `detail` is JSON."""

    time: float
    event: str
    reason: str | None = None
    provider: str | None = None
    issuer: str | None = None
    subject: str | None = None
    email: str | None = None
    domain: str | None = None
    account: str | None = None
    address: str | None = None
    request_id: str | None = None
    session: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in its place, from 1 on. `key_id`: the root key its `mac` comes from."""

    number: int
    record: Record
    hash: str
    key_id: str
    mac: str


@dataclass(frozen=True, slots=True)
class Head:
    """How far the chain goes, and from where: `trimmed` is the last record that was taken away for
    its age, 0 when none was."""

    number: int
    hash: str
    trimmed: int
    trimmed_hash: str
    key_id: str
    mac: str


@dataclass(frozen=True, slots=True)
class Misfit:
    """The first record that does not fit, and what is wrong there."""

    number: int
    wrong: str


class Chain:
    """Makes records follow one another, and says whether they do."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def follow(self, number: int, previous: str, records: Iterable[Record]) -> tuple[Entry, ...]:
        """The entries of `records` after the one with this number and hash."""
        key_id, entries = self._keys.root_id, []
        for record in records:
            number += 1
            previous = digest(number, previous, record)
            entries.append(Entry(number, record, previous, key_id, self._mac(key_id, previous)))
        return tuple(entries)

    def head(self, number: int, last: str, trimmed: int = 0, trimmed_hash: str = NOTHING) -> Head:
        key_id = self._keys.root_id
        mac = self._mac(key_id, _head_text(number, last, trimmed, trimmed_hash))
        return Head(number, last, trimmed, trimmed_hash, key_id, mac)

    def is_ours(self, head: Head) -> bool:
        """Whether this gateway made the head, and still has the key it did it with."""
        text = _head_text(head.number, head.hash, head.trimmed, head.trimmed_hash)
        return self._vouches(head.key_id, text, head.mac) is True

    def misfit(self, number: int, previous: str, entry: Entry) -> Misfit | None:
        """What is wrong with `entry` after the one with this number and hash; `None`: it fits."""
        if entry.number != number + 1:
            return Misfit(number + 1, f"is missing: {entry.number} comes after {number}")
        if not hmac.compare_digest(entry.hash, digest(entry.number, previous, entry.record)):
            wrong = "is not what was written there: it was changed, moved or put in"
            return Misfit(entry.number, wrong)
        if self._vouches(entry.key_id, entry.hash, entry.mac) is False:
            return Misfit(entry.number, "was written by somebody who does not have the key")
        return None

    def _mac(self, key_id: str, text: str) -> str:
        key = self._keys.subkey(key_id, _PURPOSE, math.inf)
        if key is None:
            raise LookupError("the current root key is not in its own ring")
        return hmac.digest(key, text.encode(), "sha256").hex()

    def _vouches(self, key_id: str, text: str, mac: str) -> bool | None:
        """`None`: nobody here knows the key any more."""
        # A record is older than any cookie: every key that is there counts.
        key = self._keys.subkey(key_id, _PURPOSE, math.inf)
        if key is None:
            return None
        return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), mac)


def digest(number: int, previous: str, record: Record) -> str:
    """The hash of a record in its place."""
    return sha256(_text(number, previous, *astuple(record)).encode("ascii")).hexdigest()


def _head_text(number: int, last: str, trimmed: int, trimmed_hash: str) -> str:
    return _text("head", number, last, trimmed, trimmed_hash)


def _text(*values: str | float | None) -> str:
    """One text for one list of values, and for no other."""
    return json.dumps([_FORMAT, *values], separators=(",", ":"))
