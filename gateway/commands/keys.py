"""`sonar-gateway keys`: which there are, and replacing them. Names and times, never a key."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.commands.auditing import auditing, operator
from gateway.config import Config
from gateway.errors import ConfigError, Problem
from gateway.operate.audit.event import Detail, Event, EventKind
from gateway.session.keys.choose import lives_in, opened_source
from gateway.session.keys.environment import EnvironmentKeys, WrittenKeys
from gateway.session.keys.files import FileKeys
from gateway.session.keys.model import Standing
from gateway.session.keys.rotation import Rotation, copied, rotate, standing
from gateway.session.keys.source import Kept, KeySource


@dataclass(frozen=True, slots=True)
class Listed:
    """Where the keys are, what is to be done with each now, what is wrong with others."""

    where: str
    keys: tuple[Standing, ...]
    problems: tuple[Problem, ...]


async def list_keys(config: Config) -> Listed:
    """Raises `ConfigError`, `SchemaOutdated` and `LinksUnavailable`."""
    async with opened_source(config) as source:
        kept = await source.read()
    return Listed(source.where, standing(kept, lives_in(config), time.time()), kept.problems)


async def rotate_keys(
    config: Config, *, at_once: bool, revoke: tuple[str, ...], write: Path | None
) -> tuple[Rotation, Listed]:
    """What was done, and what there is now. `write`: put all keys there, old and new, and leave
    the place of config.yaml as it is. Raises as `list_keys` does."""
    async with opened_source(config) as source:
        target = source if write is None else await _elsewhere(source, write)

        async def recorded(done: Rotation) -> None:
            # Under the new keys, when those of before have leaked.
            async with auditing(config) as audit:
                detail: dict[str, Detail] = {
                    "by": operator(),
                    "made": done.added,
                    "removed": done.removed,
                }
                await audit.record(Event(EventKind.KEYS_ROTATED, detail=detail))

        done = await rotate(
            target,
            overlap=config.keys.overlap,
            lives=lives_in(config),
            at_once=at_once,
            revoke=revoke,
            # What is written elsewhere is not in force yet.
            before_removal=recorded if write is None else None,
        )
        kept: Kept = await target.read()
    return done, Listed(target.where, standing(kept, lives_in(config), time.time()), kept.problems)


async def _elsewhere(source: KeySource, path: Path) -> KeySource:
    kept = await source.read()
    if kept.problems:
        raise ConfigError(kept.problems)
    match source:
        case EnvironmentKeys():
            return WrittenKeys(path, kept.keys)
        case FileKeys():
            target = FileKeys(path)
            await copied(kept.keys, target)
            return target
        case _:
            wrong = "is for keys in a folder or the environment; those in a database are shared"
            raise ConfigError((Problem("", "--write", None, wrong),))


def list_text(listed: Listed) -> tuple[str, ...]:
    """For an operator's eyes."""
    if not listed.keys:
        return (f"no keys {listed.where}; `serve` makes them at its first start",)
    width = max(len(each.key.name) for each in listed.keys)
    lines = [f"keys {listed.where}"]
    lines += [f"{each.key.name:<{width}}  {_said(each)}" for each in listed.keys]
    return tuple(lines)


def _said(each: Standing) -> str:
    begins = told(each.key.begins)
    match each.state:
        case "announced":
            return f"announced, in use from {begins}"
        case "in use":
            return f"in use since {begins}"
        case "retired":
            return f"retired, accepted until {told(each.ends or 0)}"
        case "over":
            return "over, accepted no more; the next rotation takes it away"


def rotation_text(done: Rotation, listed: Listed) -> tuple[str, ...]:
    lines = [f"announced already, so no other was made: {name}" for name in done.announced]
    lines += [f"made {name}" for name in done.added]
    lines += [f"removed {name}" for name in done.removed]
    return (*lines, *list_text(listed))


def list_json(listed: Listed) -> Mapping[str, object]:
    """For a program; times are Unix seconds, `null` where there is none yet."""
    return {
        "where": listed.where,
        "keys": [
            {
                "name": each.key.name,
                "kind": each.key.kind,
                "state": each.state,
                "begins": int(each.key.begins),
                "ends": None if each.ends is None else int(each.ends),
            }
            for each in listed.keys
        ],
        "problems": [str(problem) for problem in listed.problems],
    }


def rotation_json(done: Rotation, listed: Listed) -> Mapping[str, object]:
    changed = {"made": done.added, "announced": done.announced, "removed": done.removed}
    return {**changed, **list_json(listed)}


def told(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when))
