"""Starts the workers, replaces those that die, hands on signals, and stops all.

    SIGTERM, SIGINT   all workers drain; ends when the last one has
    SIGHUP            all workers open their logs anew
    SIGUSR2           config.yaml is read again, and worker after worker replaced by one that goes
                      by it: the next one only when the one before is ready

Rules
    No threads and no event loop: this process forks.
    When a worker cannot start at the first start, nobody starts: its words are ours. Later, the
    others go on, and it is tried again and again.
    Nobody here waits for a worker: not to hear from it, not to be heard, not for its end.
"""

import gc
import os
import selectors
import shutil
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from gateway.config import Config
from gateway.errors import CannotStart, ConfigError
from gateway.operate.management import OK
from gateway.workers import line
from gateway.workers.backoff import Backoff
from gateway.workers.bell import STOP, Bell
from gateway.workers.crew import Crew, Member
from gateway.workers.fork import Closable, fork
from gateway.workers.restart import Restart
from gateway.workers.sockets import Sockets

_log = structlog.get_logger()

# How often the supervisor looks for what has changed without a word.
_LOOK_SECONDS = 0.5
# A worker that said nothing for this long is stuck for good: its event loop does not turn.
_SILENT_SECONDS = 30.0
# What a worker may need after draining, to close its stores and write its logs.
_CLOSING_SECONDS = 15.0

Work = Callable[[Config, Sockets, int, socket.socket], int]
"""What a worker does: its configuration, sockets, number and line; its exit code."""


class Supervisor:
    """`read`: config.yaml as it is now; `work`: what each worker does, in its own process, with
    files of its own in `folder`, under its process id."""

    def __init__(
        self,
        config: Config,
        sockets: Sockets,
        *,
        read: Callable[[], Config],
        work: Work,
        folder: Path,
    ) -> None:
        self._restart = Restart(config)
        self._sockets = sockets
        self._read = read
        self._work = work
        self._folder = folder
        self._crew = Crew(config.server.workers)
        self._backoffs = {number: Backoff() for number in self._crew.places}
        self._started = False
        self._standing_in: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._bell = Bell()

    def run(self) -> None:
        """Until told to stop. Raises `CannotStart`, when all workers have ended, if one of them
        could not start at first."""
        crew = self._crew
        # What is here now stays, in all workers: their collector never looks at it, and so never
        # makes a page of it theirs.
        gc.collect()
        gc.freeze()
        gc.enable()
        failed = ""
        with self._bell, self._selector:
            self._selector.register(self._bell.ear, selectors.EVENT_READ, self._signalled)
            while not (crew.stopping and not crew.members):
                self._fill_places()
                for key, _ in self._selector.select(self._until_due()):
                    key.data()
                ended = self._reap()
                if ended and not self._started and not crew.stopping:
                    failed = ended[0].words or "a worker ended at its start; the log says why"
                    self._stop()
                self._look_after_all()
        if failed:
            raise CannotStart(failed)
        _log.info("stopped")

    # Signals.

    def _signalled(self) -> None:
        heard = self._bell.heard()
        if signal.SIGHUP in heard:
            for member in self._crew.members.values():
                _signal(member, signal.SIGHUP)
        if heard & STOP:
            self._stop()
        elif signal.SIGUSR2 in heard:
            self._begin_restart()

    def _stop(self) -> None:
        if self._crew.stopping:
            return
        self._crew.stopping = True
        server = self._restart.config.server
        _log.info("draining", delay=server.drain_delay, seconds=server.drain)
        for member in self._crew.members.values():
            _retire(member)
        # Ours alone would take connections that nobody accepts.
        self._sockets.close()

    def _begin_restart(self) -> None:
        """Begin to replace every worker, unless config.yaml asks for what only a start can do."""
        if self._crew.stopping:
            return
        try:
            config = self._read()
        except ConfigError as error:
            _log.error("restart_refused", problems=[str(problem) for problem in error.problems])
            return
        forbidden = self._restart.forbidden(config)
        if forbidden is not None:
            _log.error("restart_refused", problems=[f"{forbidden}: changes at a start only"])
            return
        _log.info("restarting", workers=len(self._crew.places))
        self._restart.begin(config, self._crew.places)

    # Workers.

    def _fill_places(self) -> None:
        """Start whoever is due, and the next successor."""
        crew, now = self._crew, time.monotonic()
        if crew.stopping:
            return
        for number, holder in tuple(crew.places.items()):
            if not isinstance(holder, Member) and holder <= now:
                config = self._restart.config_for(number)
                crew.places[number] = self._start(number, config) or now + _LOOK_SECONDS
        due = self._restart.due()
        if self._started and due is not None:
            number, config = due
            self._restart.tried(self._start(number, config), config)

    def _start(self, number: int, config: Config) -> Member | None:
        """Fork a worker; `None` when the system has no room for it."""
        crew = self._crew
        mine: list[Closable] = [self._selector, *(one.line for one in crew.members.values())]
        try:
            pid, end = fork(
                self._bell, mine, lambda theirs: self._work(config, self._sockets, number, theirs)
            )
        except OSError as error:
            _log.error("worker_not_started", worker=number, error=error.strerror)
            return None
        now = time.monotonic()
        member = Member(number, pid, end, now, now)
        crew.joins(member)
        self._selector.register(end, selectors.EVENT_READ, lambda: self._hear(member))
        _log.info("worker_started", worker=number, pid=pid)
        return member

    def _hear(self, member: Member) -> None:
        with suppress(BlockingIOError):
            message = line.receive(member.line)
            if message is None:
                self._selector.unregister(member.line)
                return
            now = time.monotonic()
            was = member.state
            member.hear(message, now)
            if "ask" in message:
                answer = self._crew.tell(now)
                answer["pids"]["supervisor"] = os.getpid()
                line.send(member.line, {"answer": message["ask"], **answer})
            if member.state == OK != was:
                self._is_ready(member)

    def _is_ready(self, member: Member) -> None:
        crew = self._crew
        if self._restart.takes_over(member):
            before = crew.places[member.number]
            crew.places[member.number] = member
            if isinstance(before, Member):
                _retire(before)
            if self._restart.is_over:
                _log.info("restarted", workers=len(crew.places))
        if self._standing_in:
            line.send(member.line, {"stand_in": self._standing_in})
        if not self._started and all(one.state == OK for one in crew.in_place()):
            self._started = True
            server = self._restart.config.server
            _log.info(
                "ready",
                url=server.public_url,
                management=str(server.management),
                workers=len(crew.places),
            )

    def _reap(self) -> list[Member]:
        """Whoever has ended, and what follows from it."""
        ended = []
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                member = self._crew.members.get(pid)
                # As process 1 of a container we are told of orphans, too.
                if member is not None:
                    self._has_ended(member, os.waitstatus_to_exitcode(status))
                    ended.append(member)
        return ended

    def _has_ended(self, member: Member, code: int) -> None:
        crew, now = self._crew, time.monotonic()
        # Its last words are still in the line, if it had time for any.
        with suppress(BlockingIOError):
            while (message := line.receive(member.line)) is not None:
                member.hear(message, now)
        with suppress(KeyError):
            self._selector.unregister(member.line)
        member.line.close()
        shutil.rmtree(self._folder / str(member.pid), ignore_errors=True)
        crew.leaves(member, code)
        if not crew.stopping and self._restart.gave_up(member):
            _log.error("restart_failed", worker=member.number, exit=code, why=member.words)
        elif crew.places.get(member.number) is member:
            delay = self._backoffs[member.number].after(now - member.born)
            crew.places[member.number] = now + delay
            if self._started and not crew.stopping:
                _log.error(
                    "worker_ended",
                    worker=member.number,
                    pid=member.pid,
                    exit=code,
                    why=member.words,
                    again_in=delay,
                )

    # Between events.

    def _until_due(self) -> float:
        if self._crew.stopping:
            return _LOOK_SECONDS
        due = [at for at in self._crew.places.values() if not isinstance(at, Member)]
        return max(0.0, min([_LOOK_SECONDS, *(at - time.monotonic() for at in due)]))

    def _look_after_all(self) -> None:
        crew, now = self._crew, time.monotonic()
        server = self._restart.config.server
        most = server.drain_delay + server.drain + _CLOSING_SECONDS
        for member in crew.members.values():
            if member.told is not None and now - member.told > most:
                _log.error("worker_overdue", worker=member.number, pid=member.pid)
                _signal(member, signal.SIGKILL)
            elif now - member.heard > _SILENT_SECONDS:
                _log.error("worker_silent", worker=member.number, pid=member.pid)
                _signal(member, signal.SIGKILL)
        vacant = crew.vacant(now)
        if vacant != self._standing_in:
            self._standing_in = vacant
            for member in crew.in_place():
                line.send(member.line, {"stand_in": vacant})


def _retire(member: Member) -> None:
    """Have it drain, and end."""
    if member.told is None:
        member.told = time.monotonic()
        _signal(member, signal.SIGTERM)


def _signal(member: Member, number: signal.Signals) -> None:
    # It is our child and not reaped yet, so its process id is nobody else's.
    with suppress(ProcessLookupError):
        os.kill(member.pid, number)
