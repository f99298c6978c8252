"""What the supervisor knows of its workers, and what it tells of all. No processes, no clocks."""

import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.operate import totals
from gateway.operate.management import OK
from gateway.operate.totals import Snapshot
from gateway.workers.line import Message

# A worker that said nothing for this long may be stuck: others accept in its place.
_QUIET_SECONDS = 3.0


@dataclass(slots=True, eq=False)
class Member:
    """A worker as the supervisor sees it. `number`: its place, from 1; `state`: as it said last;
    `told`: when it was told to stop; `words`: why it could not start. Times are of one clock."""

    number: int
    pid: int
    line: socket.socket
    born: float
    heard: float
    state: str = "starting"
    told: float | None = None
    words: str = ""
    counted: Snapshot = field(default_factory=list)

    def hear(self, message: Message, now: float) -> None:
        self.heard = now
        if "state" in message:
            self.state = message["state"]
        elif "counted" in message:
            self.counted = message["counted"]
        elif "failed" in message:
            self.words = message["failed"]

    def serves(self, now: float) -> bool:
        """Whether it takes connections, as far as one can know."""
        return self.state == OK and now - self.heard < _QUIET_SECONDS


class Crew:
    """`members` by process id, also those on their way out; `places`: who fills each place now,
    or when somebody will again."""

    def __init__(self, size: int) -> None:
        self.members: dict[int, Member] = {}
        self.places: dict[int, Member | float] = dict.fromkeys(range(1, size + 1), 0.0)
        self.stopping = False
        self._departed: Snapshot = []

    def joins(self, member: Member) -> None:
        self.members[member.pid] = member

    def leaves(self, member: Member, code: int) -> None:
        """It has ended, with this exit code, negative by a signal: what it counted stays."""
        if code < 0:
            member.words = member.words or f"killed by {_name(-code)}"
        del self.members[member.pid]
        self._departed = totals.total((self._departed, totals.departed(member.counted)))

    def in_place(self) -> Iterator[Member]:
        for holder in self.places.values():
            if isinstance(holder, Member):
                yield holder

    def vacant(self, now: float) -> list[int]:
        """The places where nobody accepts connections."""
        return [
            number
            for number, holder in self.places.items()
            if not isinstance(holder, Member) or not holder.serves(now)
        ]

    def tell(self, now: float) -> Message:
        """The answer to a worker's question."""
        return {
            "ready": not self.stopping and any(one.serves(now) for one in self.in_place()),
            "parts": self._parts(now),
            "counted": totals.total(
                (*(one.counted for one in self.members.values()), self._departed)
            ),
            "pids": {f"worker {one.number}": one.pid for one in self.in_place()},
        }

    def _parts(self, now: float) -> dict[str, str]:
        if self.stopping:
            return {"gateway": "stopping, as told"}
        return {f"worker {number}": _told(at, now) for number, at in self.places.items()}


def _told(holder: Member | float, now: float) -> str:
    if not isinstance(holder, Member):
        return f"ended; another one in {max(0.0, holder - now):.0f} s"
    if holder.state == OK and not holder.serves(now):
        return f"silent for {now - holder.heard:.0f} s"
    return holder.state


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        # Of those for real-time use only the first and the last have a name.
        return f"signal {number}"
