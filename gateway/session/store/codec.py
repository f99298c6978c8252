"""A session as JSON and back. Strict on the way back: what is not exactly a session is none."""

from dataclasses import dataclass, replace
from typing import Literal

import structlog
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from gateway.session.model import Session

_log = structlog.get_logger()


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class _Record:
    """What is stored. Raise `version` with the shape of `Session`: a process that does not know
    a version takes the record for no session, and the person signs in again."""

    session: Session
    version: Literal[1] = 1


_RECORD = TypeAdapter(_Record)


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
        session = _RECORD.validate_json(stored.record).session
    except ValidationError as error:
        # The error's own text would quote the record: somebody's name and address.
        problems = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
        _log.warning("session_record_unreadable", problems=problems[:5])
        return None
    if session.key != key:
        _log.warning("session_record_unreadable", problems=["key"])
        return None
    return replace(session, seen=max(session.seen, stored.seen))
