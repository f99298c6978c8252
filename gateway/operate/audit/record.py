"""An event as it is written down: a line in the log, and a record."""

import json

import structlog

from gateway.operate.audit.chain import Head, Record
from gateway.operate.audit.event import Event
from gateway.operate.log import AUDIT_LOGGER

# A name of its own: these lines go to standard output (log.py).
_line = structlog.get_logger(AUDIT_LOGGER)

_LONGEST_TEXT = 1000


def write_line(event: Event) -> None:
    told = {name: value for name, value in event.facts().items() if value is not None}
    detail = {name: value for name, value in event.detail.items() if value is not None}
    _line.info(event.kind, **told, **({"detail": detail} if detail else {}))


def write_head(head: Head) -> None:
    """Write how far the chain goes: who keeps the log elsewhere can prove by it how long the chain
    once was."""
    _line.info("audit_head", number=head.number, hash=head.hash)


def record_of(event: Event, now: float) -> Record:
    """Its record; `now` in Unix seconds."""
    facts = {name: None if fact is None else _text(fact) for name, fact in event.facts().items()}
    detail = {
        name: _text(value) if isinstance(value, str) else value
        for name, value in event.detail.items()
        if value is not None
    }
    told = json.dumps(detail) if detail else None
    return Record(round(now, 3), event.kind.value, **facts, detail=told)


def _text(value: str) -> str:
    """What every database can hold: providers' and browsers' text is not ours to trust."""
    clean = value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= _LONGEST_TEXT else clean[:_LONGEST_TEXT] + "…"
