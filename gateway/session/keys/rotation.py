"""Keys are made, replaced and taken away: `sonar-gateway keys`.

A new key is announced first: its id says when its use begins, `keys.overlap` from now. Until then
every process accepts and publishes it, and whoever keeps the published keys has fetched it. From
then on every process uses it, and the one before is accepted until nothing made with it is alive.
So nobody is signed out and nothing is refused; and nobody has to be told when.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from gateway.errors import ConfigError, Problem
from gateway.session.keys.model import HEARD, KINDS, SLACK, Key, Kind, Standing, new_key, standings
from gateway.session.keys.ring import Lives
from gateway.session.keys.source import Kept, KeySource, newest

# Whoever puts a key in place by hand may be late by so much: until then the one before was used.
_LATE = 86400.0

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did, by names. `announced`: keys that were on their way already, so that no
    other was made for their kind."""

    added: tuple[str, ...]
    announced: tuple[str, ...]
    removed: tuple[str, ...]


async def complete(source: KeySource, clock: Clock = time.time) -> Kept:
    """The keys of the source, with one made where a kind has none: the first start.

    Raises `ConfigError` with what is wrong with any key.
    """
    kept = await _sound(source)
    for kind in kept.missing:
        await source.add(new_key(kind, clock()), None)
    return await _sound(source) if kept.missing else kept


async def rotate(
    source: KeySource,
    *,
    overlap: float,
    lives: Lives,
    at_once: bool = False,
    revoke: Collection[str] = (),
    before_removal: Callable[[Rotation], Awaitable[None]] | None = None,
    clock: Clock = time.time,
    sleep: Sleep = asyncio.sleep,
) -> Rotation:
    """Announce a new key of each kind, and take away those that are over.

    `at_once`: its use begins as soon as all processes know it. `revoke`: names of keys to drop
    then; only their kinds get a new one. `before_removal` is told when the new ones are in use and
    the leaked still there. Raises `ConfigError` and `LinksUnavailable`.
    """
    kept = await _readable(source, revoke)
    if not revoke:
        _refuse_wrong_clock(kept, clock() + overlap)
    await source.tidy()
    kinds = [kind for kind in KINDS if not revoke or any(_of(kind, name) for name in revoke)]
    added, announced = await _announce(source, kept, kinds, overlap, at_once, clock)
    if revoke:
        await sleep(HEARD + 1)
    over = [
        each.key.name for each in standing(kept, lives, clock() - _LATE) if each.state == "over"
    ]
    done = Rotation(added, announced, tuple(sorted({*revoke, *over})))
    try:
        if before_removal is not None and (added or done.removed):
            await before_removal(done)
    finally:
        # A leaked key goes, whatever else fails.
        if done.removed:
            await source.remove(done.removed)
    return done


async def _announce(
    source: KeySource,
    kept: Kept,
    kinds: Collection[Kind],
    overlap: float,
    at_once: bool,
    clock: Clock,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the keys that were added, and of those that were on their way already."""
    added: list[str] = []
    announced: list[str] = []
    for kind in kinds:
        coming = _coming(kept, kind, clock())
        if coming is not None and not at_once:
            announced.append(coming)
            continue
        before = newest(kept.keys, kind)
        # The first of all has nobody who must hear of it.
        ahead = 0.0 if before is None else HEARD + 1 if at_once else overlap
        key = new_key(kind, clock() + ahead)
        if await source.add(key, before):
            added.append(key.name)
        else:
            # Somebody else rotates at this moment: theirs will do.
            announced.append(_coming(await source.read(), kind, clock()) or "another one")
    return tuple(added), tuple(announced)


def standing(kept: Kept, lives: Lives, now: float) -> tuple[Standing, ...]:
    """What is to be done with each key now; those of one kind together, oldest first."""
    return tuple(
        each
        for kind in KINDS
        for each in standings((k for k in kept.keys if k.kind == kind), now, lives[kind])
    )


async def copied(keys: Collection[Key], target: KeySource) -> None:
    """Put keys into another place, which must have no others."""
    for kind in KINDS:
        before = None
        for key in sorted((k for k in keys if k.kind == kind), key=lambda key: key.id):
            if not await target.add(key, before):
                wrong = "has keys already; name one that is not there yet"
                raise ConfigError((Problem(target.where, "", None, wrong),))
            before = key.name


async def _readable(source: KeySource, revoke: Collection[str]) -> Kept:
    """What the source has; a key that cannot be used does no harm when it is to be dropped."""
    kept = await source.read()
    known = {key.name for key in kept.keys} | kept.damaged
    unknown = sorted(set(revoke) - known)
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        wrong = f"no such key {source.where}; there are: {there}"
        raise ConfigError(tuple(Problem("", name, None, wrong) for name in unknown))
    if kept.problems and not kept.damaged <= set(revoke):
        raise ConfigError(kept.problems)
    return kept


async def _sound(source: KeySource) -> Kept:
    kept = await source.read()
    if kept.problems:
        raise ConfigError(kept.problems)
    return kept


def _refuse_wrong_clock(kept: Kept, begins: float) -> None:
    """A new key must be the newest, or nobody would ever use it."""
    early = sorted(key.name for key in kept.keys if key.begins > begins + SLACK)
    wrong = (
        "begins later than a key made now would: this machine's clock is behind, or that of "
        "whoever made it was ahead, or keys.overlap was longer. Set the clock; if it is right, "
        "take the key away with `keys rotate --now --revoke`"
    )
    if early:
        raise ConfigError(tuple(Problem("", name, None, wrong) for name in early))


def _coming(kept: Kept, kind: Kind, now: float) -> str | None:
    """The newest key of a kind, when its use has not begun."""
    coming = [key for key in kept.keys if key.kind == kind and key.begins > now]
    return max(coming, key=lambda key: key.id).name if coming else None


def _of(kind: Kind, name: str) -> bool:
    return name.endswith(f".{kind}")
