"""Verify passwords of every scheme Sonar has had, off the event loop, a few at a time.

bcrypt, argon2 and PBKDF2 run in a thread: their C code lets go of the interpreter's lock. The crypt
schemes and phpass keep it, so they run in a process of their own that ends with its one answer: no
answer can reach the wrong person, and one that takes too long is killed. Measured with one client
asking the event loop something every 2 ms while hashes are checked (round trip, milliseconds):

                   in a thread            in a process
                   median  99 of 100      median  99 of 100
    bcrypt, argon2,
    PBKDF2           0.03   0.1–3.7         0.04   1.9–9.8
    phpass 2^19      5.20      17.9         0.04       0.1
    sha512-crypt     5.19      17.9         0.04       3.5

The interpreter's switch interval is 5 ms, and an idle event loop waits it out at every wake-up: in
a thread, one sha512-crypt at a time makes every request of everybody 5 ms slower. A process costs
80 ms to start, once in a person's life with the gateway.
"""

import asyncio
import hmac
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import log

import structlog

from gateway.account import hashes
from gateway.account.hashes import Kind, Verdict
from gateway.errors import DirectoryUnavailable
from gateway.secret import Secret

_log = structlog.get_logger()

# The dearest hash that hashes.py accepts takes two seconds; this is for a machine out of breath.
_PATIENCE = 10.0

# Beyond this many waiting for each one that runs, the last would wait for minutes: say so instead.
_MOST_WAITING = 32

# Among the kinds of hashes, one that nothing here reads, or none at all.
UNREADABLE = "unreadable"

# What an unknown username is compared with until a real hash has been seen: bcrypt of nothing in
# particular, at the cost PHP writes today.
_DECOY = "$2y$12$" + "abcdefghijklmnopqrstuu" + "abcdefghijklmnopqrstuvwxyz01234"


# In the place of a password that would take no time to refuse.
_SOME = Secret("not empty")
# Whatever a person can type becomes bytes.
_ANY = ("utf-8", "surrogatepass")


class Passwords:
    """Verifies at most `concurrent` passwords at once in this process. `seed`: a secret that all
    processes share, for what unknown usernames are compared with; without it each has its own."""

    def __init__(self, concurrent: int, seed: bytes | None = None) -> None:
        self._seed = os.urandom(32) if seed is None else seed
        self._slots = asyncio.Semaphore(concurrent)
        self._places = concurrent * (1 + _MOST_WAITING)
        self._threads = ThreadPoolExecutor(concurrent, thread_name_prefix="password")
        self._seen: Counter[str] = Counter()
        self._decoys: dict[str, str] = {}

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def verify(self, password: Secret, stored_hash: str) -> bool:
        """Whether this is the password behind the hash; an unreadable hash is nobody's.

        Raises `DirectoryUnavailable` when too many people are waiting.
        """
        kind = hashes.kind_of(stored_hash)
        if kind is None:
            _log.warning("password_hash_unreadable", length=len(stored_hash))
            await self.burn(password, stored_hash)
            return False
        if _takes_no_time(password):
            await self._ask(kind, _SOME, stored_hash)
            return False
        if not self._seen:
            self.expect((stored_hash,))
        verdict = await self._ask(kind, password, stored_hash)
        if verdict is Verdict.UNREADABLE:
            _log.warning("password_hash_unreadable", kind=kind.name)
        return verdict is Verdict.RIGHT

    async def burn(self, password: Secret, name: str) -> None:
        """Take as long as `verify` for a username that nobody has.

        As long as for some account of this table: which one, `name` decides, as if by chance, and
        the same each time. So the time that a name takes is as likely for one that nobody has as
        for one that somebody has, however many schemes the table has seen.
        """
        stored = self._decoy_for(name)
        kind = hashes.kind_of(stored)
        if kind is not None:
            await self._ask(kind, _SOME if _takes_no_time(password) else password, stored)

    def _decoy_for(self, name: str) -> str:
        """A hash of the kinds in the table, each as likely as it is frequent there (rendezvous
        hashing with weights: when the table changes a little, few names change theirs)."""

        def distance(sort: str) -> float:
            drawn = hmac.digest(self._seed, f"{sort} {name.casefold()}".encode(*_ANY), "sha256")
            # Between 0 and 1, never 0.
            return -log((int.from_bytes(drawn[:7]) + 1) / 2**56) / self._seen[sort]

        return self._decoys[min(self._seen, key=distance)] if self._seen else _DECOY

    def expect(self, stored_hashes: Iterable[str]) -> None:
        """Learn from these hashes which kind and cost is the most frequent one."""
        for stored in stored_hashes:
            kind = hashes.kind_of(stored)
            if kind is not None:
                sort = f"{kind.name} {kind.cost(stored)}"
                self._seen[sort] += 1
                self._decoys[sort] = stored

    def kinds(self, stored_hashes: Iterable[str]) -> tuple[str, ...]:
        """The schemes among these hashes, the most frequent first; `UNREADABLE` for the rest."""
        found: Counter[str] = Counter()
        for stored in stored_hashes:
            kind = hashes.kind_of(stored)
            found[UNREADABLE if kind is None else kind.name] += 1
        return tuple(name for name, _count in found.most_common())

    async def _ask(self, kind: Kind, password: Secret, stored: str) -> Verdict:
        if self._places == 0:
            raise DirectoryUnavailable("too many passwords are waiting to be verified")
        self._places -= 1
        try:
            async with self._slots:
                if kind.holds_lock:
                    return await _ask_process(password, stored)
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(
                    self._threads, hashes.verify, password.reveal(), stored
                )
        finally:
            self._places += 1


def _takes_no_time(password: Secret) -> bool:
    """Whether it is refused before it is hashed: empty, too long, or with a NUL."""
    return hashes.encode(password.reveal()) is None


async def _ask_process(password: Secret, stored: str) -> Verdict:
    """Run hashes.py as a program. What it is asked goes through a pipe, never the command line,
    which every user of the machine can read."""
    process = await asyncio.create_subprocess_exec(
        # -I: neither the environment nor the working directory decides what is imported.
        sys.executable,
        "-I",
        hashes.__file__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    question = json.dumps({"password": password.reveal(), "stored": stored}).encode()
    try:
        async with asyncio.timeout(_PATIENCE):
            answer, _nothing = await process.communicate(question)
        return Verdict(answer.decode("ascii").strip())
    except (TimeoutError, ValueError, OSError) as error:
        _log.error("password_check_failed", error=type(error).__name__)
        raise DirectoryUnavailable("a password could not be verified") from error
    finally:
        # Also when whoever asked has gone away.
        with suppress(ProcessLookupError):
            process.kill()
