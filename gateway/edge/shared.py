"""What every connection of one process shares. Nothing in it belongs to one request."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from gateway.config import Config, Limits
from gateway.edge.admission import Admission
from gateway.edge.cookies_elsewhere import CookiesElsewhere
from gateway.edge.inject import Injection
from gateway.edge.peer import Peer
from gateway.edge.pool import Upstream
from gateway.edge.question import Questions
from gateway.edge.request_reader import RequestReader
from gateway.edge.rules import Rules
from gateway.operate.access_log import AccessLog
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies
from gateway.session.live import Sessions
from gateway.session.model import Session

if TYPE_CHECKING:
    from gateway.edge.arrival import Herald
    from gateway.edge.client import Client
    from gateway.edge.page import Spot
    from gateway.edge.tunnel import Tunnel

# How often a log needs to hear the same: that a proxy says nothing sensible, that the house is
# full, that there are no descriptors, that Sonar believes nobody.
_SAY_AGAIN_SECONDS = 60.0
# Readers kept for reuse: as many as there are requests arriving at one moment.
_SPARE_READERS = 64


SignedOut = Callable[[Session, str, str], None]
"""Told that Sonar's own sign-out ended a session: which, the client's address, the request's id."""


def nobody_hears(_session: Session, _address: str, _request_id: str) -> None:
    """Where nobody keeps a record."""


def no_herald() -> "Herald | None":
    """Where nobody knows any news."""
    return None


@dataclass(slots=True)
class Shared:
    """`policies` gives the snapshot in force; `response_timeout` is the config's, in seconds;
    `idle_seconds`: how long a connection may be idle. Two turn true once, at the end: `draining`,
    each reply says that its connection will close; `closing`, nobody new is let in. `herald`: who
    knows news for whom, once somebody does."""

    config: Config
    rules: Rules
    sessions: Sessions
    policies: Callable[[], Policies]
    sonar: Upstream
    portal: Upstream
    access_log: AccessLog
    counters: Counters
    injections: "dict[Spot, Injection]"
    response_timeout: float
    limits: Limits
    admission: Admission
    idle_seconds: float
    signed_out: SignedOut
    cookies_elsewhere: CookiesElsewhere = field(default_factory=CookiesElsewhere)
    questions: Questions = field(default_factory=Questions)
    herald: "Callable[[], Herald | None]" = no_herald
    clock: Callable[[], float] = time.monotonic
    draining: bool = False
    closing: bool = False
    clients: set["Client"] = field(default_factory=set)
    no_clients: asyncio.Event = field(default_factory=asyncio.Event)
    tunnels: set["Tunnel"] = field(default_factory=set)
    _spare_readers: tuple[list[RequestReader], list[RequestReader]] = field(
        default_factory=lambda: ([], [])
    )
    _said: dict[str, float] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _ids: "count[int]" = field(default_factory=count)
    _id_start: str = field(default_factory=lambda: os.urandom(8).hex())

    def reader(self, peer: Peer) -> RequestReader:
        """A reader for a connection on which something comes."""
        spare = self._spare_readers[peer.trusted]
        rules = self.rules
        if spare:
            return spare.pop()
        return RequestReader(rules.fields_from_trusted if peer.trusted else rules.fields)

    def put_back(self, reader: RequestReader, peer: Peer) -> None:
        """The connection is idle; its reader, between two requests, may serve another."""
        spare = self._spare_readers[peer.trusted]
        if len(spare) < _SPARE_READERS:
            spare.append(reader)
        else:
            reader.part()

    def came(self, client: "Client") -> None:
        self.clients.add(client)
        self.no_clients.clear()
        self.counters.connections_open += 1

    def went(self, client: "Client") -> None:
        self.clients.discard(client)
        self.admission.leave(client.peer)
        self.counters.connections_open -= 1
        if not self.clients:
            self.no_clients.set()

    def new_id(self) -> str:
        """A request id no other process has: its own random start, and a number."""
        return f"{self._id_start}-{next(self._ids)}"

    def is_news(self, what: str) -> bool:
        """Whether this was not said a moment ago. Only of us, of Sonar and of our proxies, who are
        few."""
        now = self.clock()
        if now - self._said.get(what, float("-inf")) < _SAY_AGAIN_SECONDS:
            return False
        self._said[what] = now
        return True

    def later(self, work: Coroutine[object, object, None]) -> None:
        """Run the part of a request that must wait for something."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
