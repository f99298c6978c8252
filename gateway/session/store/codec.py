"""A session as JSON and back. Strict on the way back: what is not exactly a session is none.

    {"version": 2, "reads": 2, "session": {…}}

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
is what they do with version 2.
"""

from dataclasses import dataclass, replace

import structlog
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from gateway.session.model import Session

_log = structlog.get_logger()

VERSION = 2
READS = 2


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


def encode(session: Session) -> bytes:
    return _RECORD.dump_json(_Record(session))


def decode(stored: Stored, key: str) -> Session | None:
    """The session, or `None` (and a log line) when the record is unreadable or another's.

    A record under the wrong key would sign one person in as another.
    """
    try:
        session = _session_in(stored.record)
    except ValidationError as error:
        # The error's own text would quote the record: somebody's name and address.
        problems = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
        _log.warning("session_record_unreadable", problems=problems[:5])
        return None
    if session is None:
        _log.warning("session_record_unreadable", problems=["version"])
        return None
    if session.key != key:
        _log.warning("session_record_unreadable", problems=["key"])
        return None
    return replace(session, seen=max(session.seen, stored.seen))


def _session_in(record: bytes) -> Session | None:
    """`None` for a version that this process must not read."""
    known = _VERSION.validate_json(record)
    if 1 <= known.version <= VERSION:
        return _RECORD.validate_json(record).session
    if 1 <= known.reads <= VERSION < known.version:
        return _RECORD.validate_json(record, extra="ignore").session
    return None
