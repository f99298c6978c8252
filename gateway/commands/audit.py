"""`sonar-gateway audit`: who was let in or refused, and is the record of it whole?"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from gateway.account.trail import Trail, Wanted
from gateway.commands.lines import plain, shown
from gateway.config import Config
from gateway.operate.audit.chain import Chain, Entry
from gateway.operate.audit.verify import Verdict, verify
from gateway.session.keys.choose import ring_for

# A table of millions is looked through for a value that no index has.
_PATIENCE = 120.0
_AT_ONCE = 1000


async def listed(config: Config, wanted: Wanted, most: int) -> AsyncIterator[Entry]:
    """The newest `most` of the wanted records (0: all), oldest first. Raises `LinksUnavailable`."""
    async with _trail(config) as (trail, _):
        # From the newest backwards, to find where to begin; numbers only, so that all may be many.
        numbers: list[int] = []
        before = None
        while not most or len(numbers) < most:
            at_once = min(_AT_ONCE, most - len(numbers)) if most else _AT_ONCE
            found = await trail.find(wanted, before, at_once)
            if not found:
                break
            numbers += [entry.number for entry in found]
            before = numbers[-1]
        for begin in range(len(numbers), 0, -_AT_ONCE):
            part = numbers[max(0, begin - _AT_ONCE) : begin]
            for entry in reversed(await trail.find(wanted, part[0] + 1, len(part))):
                yield entry


async def verified(config: Config, after: int, told: Mapping[int, str]) -> Verdict:
    """Raises `LinksUnavailable`, and `ConfigError` when there are no keys to verify with."""
    async with _trail(config) as (trail, chain):
        return await verify(trail, chain, after=after, told=told)


@asynccontextmanager
async def _trail(config: Config) -> AsyncIterator[tuple[Trail, Chain]]:
    chain = Chain(await ring_for(config))
    trail = Trail(config.links.database, chain, timeout=_PATIENCE)
    try:
        yield trail, chain
    finally:
        await trail.close()


def as_json(entry: Entry) -> dict[str, Any]:
    """The record, less what is not known, with its number and hash."""
    record = asdict(entry.record)
    record |= {"time": _stamp(entry), "detail": json.loads(record["detail"] or "null")}
    known = {name: value for name, value in record.items() if value is not None}
    return {"number": entry.number, **known, "hash": entry.hash}


def as_text(entry: Entry) -> str:
    """One line: time, event and reason, then who and what, as far as that is known. The steps of a
    decision follow, each on a line of its own, as `explain` has them."""
    known = as_json(entry)
    for name in ("number", "time", "event", "reason", "hash", "issuer", "subject"):
        known.pop(name, None)
    detail = known.pop("detail", {})
    steps = detail.pop("trail", ())
    words = [f"{name}={shown(value)}" for name, value in (known | detail).items()]
    record = entry.record
    line = "  ".join((_stamp(entry), record.event, record.reason or "-", *words))
    return "\n  ".join((line, *(plain(step) for step in steps)))


def verdict(found: Verdict) -> str:
    """One line: whether all is well, or the first row that does not fit."""
    if found.misfit is not None:
        return f"row {found.misfit.number} {found.misfit.wrong}"
    if not found.records:
        return "no records"
    first = found.number - found.records + 1
    rows = f"row {first}" if first == found.number else f"rows {first} to {found.number}"
    return f"{rows}: as they were written; the last has hash {found.hash}"


def _stamp(entry: Entry) -> str:
    moment = datetime.fromtimestamp(entry.record.time, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
