"""Is the chain whole? Every record is looked at, from the oldest to the head."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from gateway.operate.audit.chain import NOTHING, Chain, Entry, Head, Misfit
from gateway.operate.audit.event import EventKind

_AT_ONCE = 1000
_NONE: Mapping[int, str] = MappingProxyType({})

Place = tuple[int, str]
"""A record's number and hash."""


class Reader(Protocol):
    """Where records are read; `gateway.account.trail.Trail` is one. May raise `Unavailable`."""

    async def head(self) -> tuple[Head | None, int]: ...
    async def entries(self, after: int, most: int) -> tuple[Entry, ...]: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """`records` fit, the last of them `number` with this `hash`; `misfit`: the first that does not.
    `trimmed`: the last that was taken away for its age."""

    records: int
    number: int
    hash: str
    trimmed: int
    misfit: Misfit | None


async def verify(
    reader: Reader, chain: Chain, *, after: int = 0, told: Mapping[int, str] = _NONE
) -> Verdict:
    """Look at every record but those up to the one numbered `after`, which are believed.

    `told`: hashes by number as they were once told elsewhere. The table alone cannot show that
    somebody put back an older state of it, whole.
    """
    head, last = await reader.head()
    if head is None:
        gone = Misfit(last, "has no head after it: somebody took it away") if last else None
        return Verdict(0, 0, NOTHING, 0, gone or _untold((0, NOTHING), told))
    place: Place = (head.trimmed, head.trimmed_hash)
    misfit = None
    if after > head.trimmed:
        believed = await reader.entries(after - 1, 1)
        if not believed or believed[0].number != after:
            return Verdict(0, *place, head.trimmed, Misfit(after, "is not there"))
        place = (after, believed[0].hash)
    begin = place[0]
    while misfit is None and place[0] < head.number:
        entries = await reader.entries(place[0], _AT_ONCE)
        if not entries:
            wrong = f"is missing, and all after it: {head.number} were written"
            misfit = Misfit(place[0] + 1, wrong)
        for entry in entries:
            if entry.number > head.number:
                break
            misfit = _misfit(chain, place, entry, told)
            if misfit is not None:
                # Its age, not an attacker: the oldest were trimmed meanwhile.
                now, _ = await reader.head()
                if now is not None and now.trimmed > place[0] and chain.is_ours(now):
                    place, misfit = (now.trimmed, now.trimmed_hash), None
                break
            place = (entry.number, entry.hash)
    if misfit is None:
        misfit = await _at_the_end(reader, chain, head, place) or _untold(place, told)
    return Verdict(max(0, place[0] - begin), *place, head.trimmed, misfit)


def _misfit(chain: Chain, place: Place, entry: Entry, told: Mapping[int, str]) -> Misfit | None:
    misfit = chain.misfit(*place, entry)
    if misfit is None and told.get(entry.number, entry.hash) != entry.hash:
        return Misfit(entry.number, "is another one than was told elsewhere")
    if misfit is None and entry.record.event == EventKind.AUDIT_BROKEN:
        return Misfit(entry.number, f"says that the chain was broken: {entry.record.detail}")
    return misfit


async def _at_the_end(reader: Reader, chain: Chain, head: Head, place: Place) -> Misfit | None:
    """Every record fits the one before it; does the head fit them, and is there nothing else?"""
    if not chain.is_ours(head):
        return Misfit(head.number, "is not vouched for: the head was made with no key that is here")
    if place[0] == head.number and place[1] != head.hash:
        return Misfit(head.number, "is another one than was written")
    now, last = await reader.head()
    if now is None or last > max(now.number, now.trimmed):
        return Misfit(last, "was put in after the last one that was written")
    return None


def _untold(place: Place, told: Mapping[int, str]) -> Misfit | None:
    """A record that was told of elsewhere, and that the chain does not reach."""
    beyond = [number for number in told if number > place[0]]
    wrong = f"is missing: {max(beyond, default=0)} were told of elsewhere"
    return Misfit(place[0] + 1, wrong) if beyond else None
