"""The policies in force: one snapshot, swapped by one assignment when the folder changes.

The folder is watched, not its files: a Kubernetes ConfigMap changes by a symlink that moves, and an
editor by a rename, after which a watch on the file itself hears nothing any more. As news can still
be missed (network file systems, a folder that is moved away and back), the folder is also read
every few seconds; what is read is compared by content, so that reading it twice changes nothing.

A set with a problem is never in force, not even in part: the last good one stays.
"""

import asyncio
import stat
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from watchfiles import awatch

from gateway.errors import ConfigError, Problem
from gateway.policy.model import Policies
from gateway.policy.parse import parse_policies
from gateway.tasks import stopped
from gateway.yamlfile import LARGEST_FILE

log = structlog.get_logger()

# A change is in force within 1 s. After this long without news a burst of changes (an editor's
# temporary files, `git pull`, a half-written file) is over; a burst that goes on is read anyway.
_QUIET_MS = 100
_LONGEST_BURST_MS = 400
# How often to look whether it is still the same folder.
_LOOK_MS = 500
# Seconds that a change may go unnoticed where the system gives no news of it.
_READ_ANYWAY_EVERY = 3.0
_ENDINGS = frozenset({".yaml", ".yml"})

OnChange = Callable[[Policies, Policies], Awaitable[object] | None]


@dataclass(frozen=True, slots=True)
class Folder:
    """The content of each policy file by its path, and what could not be read."""

    files: Mapping[str, bytes]
    problems: tuple[Problem, ...] = ()


class Tally(Protocol):
    """Counts reloads; `gateway.operate.metrics.Counters` is one. `now` is Unix seconds."""

    def policies_loaded(self, now: float) -> None: ...
    def policies_failed(self, now: float, problems: int) -> None: ...


class PolicyStore:
    """Reads the folder at start, then keeps `current` as the folder is.

    `current` is the snapshot in force: take it once per request. `problems` are those of the
    folder as it is now, empty when it is in force.
    """

    def __init__(
        self,
        directory: Path,
        providers: Mapping[str, str] | None = None,
        tally: Tally | None = None,
    ) -> None:
        """`providers`: kind by name of those in config.yaml, `None` leaves names unchecked."""
        self.current = Policies()
        self.problems: tuple[Problem, ...] = ()
        self._directory = directory
        self._providers = providers
        self._tally = tally
        self._callbacks: list[OnChange] = []
        self._last: Folder | None = None
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._caught_up = asyncio.Event()

    def load(self) -> None:
        """Read the folder for the first time; raise ConfigError with every problem."""
        self._last = read_folder(self._directory)
        outcome = parse_folder(self._last, self._providers)
        if isinstance(outcome, tuple):
            raise ConfigError(outcome)
        self.current = outcome
        if self._tally is not None:
            self._tally.policies_loaded(time.time())

    def on_change(self, callback: OnChange) -> None:
        """Have `callback(old, new)` called after each swap, and awaited if it is a coroutine."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Begin to watch, and catch up with what changed since `load`."""
        self._task = asyncio.create_task(self._watch(), name="policies")
        await self._caught_up.wait()

    async def stop(self) -> None:
        await stopped(self._task)
        self._task = None

    async def reload(self) -> None:
        """Read the folder again; if it changed, put it in force or say what is wrong with it."""
        async with self._one_at_a_time:
            await self._reload()
        self._caught_up.set()

    async def _reload(self) -> None:
        found = await asyncio.to_thread(read_folder, self._directory)
        if found == self._last:
            return
        self._last = found
        outcome = await asyncio.to_thread(parse_folder, found, self._providers)
        if isinstance(outcome, tuple):
            self._reject(outcome)
        else:
            await self._put_in_force(outcome)

    def _reject(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        if self._tally is not None:
            self._tally.policies_failed(time.time(), len(problems))
        log.error(
            "policies_rejected",
            problems=[str(problem) for problem in problems],
            in_force="the last good set",
        )

    async def _put_in_force(self, policies: Policies) -> None:
        old, self.current = self.current, policies
        self.problems = ()
        if self._tally is not None:
            self._tally.policies_loaded(time.time())
        log.info("policies_reloaded", domains=len(policies.by_domain))
        for callback in self._callbacks:
            try:
                waiting = callback(old, policies)
                if waiting is not None:
                    await waiting
            except Exception:
                # The new set is in force whatever a listener makes of it, and watching goes on.
                log.exception("policies_listener_failed")

    async def _watch(self) -> None:
        deaf = False
        while True:
            try:
                await self._watch_folder(await asyncio.to_thread(_folder_id, self._directory))
            except (OSError, RuntimeError) as error:
                # No news to be had: the folder is missing, or the system has no watches left, for
                # which watchfiles raises a RuntimeError of its own.
                if not deaf:
                    log.warning("policies_not_watched", error=str(error))
                deaf = True
                await self.reload()
                await asyncio.sleep(_LOOK_MS / 1000)
            else:
                deaf = False

    async def _watch_folder(self, folder: tuple[int, int]) -> None:
        """Reload at each change, until another folder stands under the name."""
        # Begins once `awatch` below listens, so that no change falls between the two.
        catch_up = asyncio.create_task(self.reload())
        read = time.monotonic()
        news = awatch(
            self._directory,
            watch_filter=None,
            recursive=False,
            step=_QUIET_MS,
            debounce=_LONGEST_BURST_MS,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
        )
        try:
            async for changes in news:
                if await asyncio.to_thread(_folder_id, self._directory) != folder:
                    return
                if changes or time.monotonic() - read > _READ_ANYWAY_EVERY:
                    await self.reload()
                    read = time.monotonic()
        finally:
            await news.aclose()
            await catch_up


def _folder_id(directory: Path) -> tuple[int, int]:
    """Which folder stands under this name: tools swap whole folders by a symlink (git-sync)."""
    found = directory.stat()
    return found.st_dev, found.st_ino


def read_folder(directory: Path) -> Folder:
    """Each `*.yaml` and `*.yml` in the folder.

    Hidden names are left out: editors' temporary files, and `..data`, the folder of a ConfigMap,
    whose files come in by the symlinks beside it.
    """
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        wrong = f"cannot be read: {error.strerror}; config.yaml names it under `policies`"
        return Folder({}, (Problem(str(directory), "", None, wrong),))
    for path in paths:
        if path.suffix not in _ENDINGS or path.name.startswith("."):
            continue
        try:
            # Opening a pipe would wait for somebody to write to it.
            if not stat.S_ISREG(path.stat().st_mode):
                problems.append(Problem(str(path), "", None, "not a file"))
                continue
            with path.open("rb") as file:
                files[str(path)] = file.read(LARGEST_FILE + 1)
        except OSError as error:
            problems.append(Problem(str(path), "", None, f"cannot be read: {error.strerror}"))
    return Folder(files, tuple(problems))


def parse_folder(
    folder: Folder, providers: Mapping[str, str] | None = None
) -> Policies | tuple[Problem, ...]:
    """The policies in what was read, or every problem of every file."""
    parsed = parse_policies(folder.files, providers)
    if isinstance(parsed, tuple):
        return (*folder.problems, *parsed)
    return folder.problems or parsed


def read_policies(
    directory: Path, providers: Mapping[str, str] | None = None
) -> Policies | tuple[Problem, ...]:
    """What `PolicyStore` would put in force, for commands that only look."""
    return parse_folder(read_folder(directory), providers)
