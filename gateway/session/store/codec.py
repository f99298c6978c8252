"""A session as JSON and back. Strict on the way back: what is not exactly a session is none.

    {"session": {…}, "version": 3, "reads": 2, "mac": "<key id>.<base64url of HMAC-SHA256>"}

The MAC is over all that stands before it, as it stands there, under a key that derives from the
gateway's root key: whoever may write to the store, but has no key, can put no account into a
record, not even into that of a session of their own. It always comes last, whatever else a later
version adds, so that a process can tell whether it is right of what it does not know.

The rule for versions, so that an upgrade that replaces one process after the other signs nobody
out who need not be:

1. A release that changes the shape of `Session` raises `VERSION`. It goes on reading every version
   before, with what is right for whoever was signed in before there was such a thing.
2. `READS` is the oldest version whose processes may read what is written now. Such a process takes
   what it knows and leaves the rest aside. Who adds what must not be left aside (a session that
   may do less, say) raises `READS` as well.
3. A process to which a record does not say that it may read it takes it for no session: the person
   signs in again there. It leaves the record alone, for the processes that know it.

Version 1 had no `reads`, and no `sid` in the identity; its processes know no rule 2, so that rule 3
is what they do with version 2. Neither it nor version 2 had a MAC: nobody is let in by them any
more, or anybody could write one. Processes of version 2 read version 3, and leave its MAC aside.
"""

import hmac
import re
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from gateway import base64url
from gateway.session.keys import KEY_ID
from gateway.session.model import Session

_log = structlog.get_logger()

VERSION = 3
READS = 2

_PURPOSE = "session record"
_MAC = re.compile(rf',"mac":"({KEY_ID})\.([A-Za-z0-9_-]{{43}})"}}'.encode())
_MAC_LENGTH = len(',"mac":"."}') + 16 + 43


class Keys(Protocol):
    """`gateway.session.keys.KeyRing` is one."""

    @property
    def root_id(self) -> str: ...
    def subkey(self, root_id: str, purpose: str, /) -> bytes | None: ...


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class _Record:
    """What is stored."""

    session: Session
    version: int = VERSION
    reads: int = READS


@checked_dataclass(frozen=True, config=ConfigDict(extra="ignore", strict=True))
class _Version:
    """What is read first."""

    version: int
    reads: int = 1


_RECORD = TypeAdapter(_Record)
_VERSION = TypeAdapter(_Version)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record and the last activity, which is written far more often than the rest."""

    record: bytes
    seen: float


def encode(session: Session, keys: Keys | None = None) -> bytes:
    """`keys`: those it is vouched for with; without, it lets nobody in."""
    content = _RECORD.dump_json(_Record(session))
    if keys is None:
        return content
    root_id = keys.root_id
    mac = _mac(keys, root_id, content[:-1])
    if mac is None:
        raise LookupError("the current root key is not in its own ring")
    return b'%b,"mac":"%b.%b"}' % (content[:-1], root_id.encode(), mac)


def decode(stored: Stored, key: str, keys: Keys | None = None) -> Session | None:
    """The session, or `None` (and a log line) when the record is unreadable or another's; with
    `keys`, also when it is not vouched for with one of them.

    A record under the wrong key would sign one person in as another.
    """
    found = _found(stored.record, key, keys)
    if isinstance(found, Session):
        return replace(found, seen=max(found.seen, stored.seen))
    _log.warning("session_record_unreadable", problems=found)
    return None


def _found(record: bytes, key: str, keys: Keys | None) -> Session | list[str]:
    """The session, or what is wrong with the record."""
    content = _vouched(record, keys)
    if content is None:
        return ["mac"]
    try:
        session = _session_in(content)
    except ValidationError as error:
        # The error's own text would quote the record: somebody's name and address.
        problems = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
        return problems[:5]
    if session is None:
        return ["version"]
    return session if session.key == key else ["key"]


def _vouched(record: bytes, keys: Keys | None) -> bytes | None:
    """The record without its MAC; `None` when that is not one of `keys`."""
    found = _MAC.fullmatch(record[-_MAC_LENGTH:])
    content = record if found is None else record[:-_MAC_LENGTH]
    if keys is not None:
        expected = None if found is None else _mac(keys, found[1].decode(), content)
        if found is None or expected is None or not hmac.compare_digest(expected, found[2]):
            return None
    return content if found is None else content + b"}"


def _mac(keys: Keys, root_id: str, content: bytes) -> bytes | None:
    key = keys.subkey(root_id, _PURPOSE)
    if key is None:
        return None
    return base64url.encode(hmac.digest(key, content, "sha256")).encode()


def _session_in(record: bytes) -> Session | None:
    """`None` for a version that this process must not read."""
    known = _VERSION.validate_json(record)
    if 1 <= known.version <= VERSION:
        return _RECORD.validate_json(record).session
    if 1 <= known.reads <= VERSION < known.version:
        return _RECORD.validate_json(record, extra="ignore").session
    return None
