"""The connections to one address of upstream, and whether it works.

Rules
    The connection used last is used next, so that the others grow old and go.
    An address that is down (health.py) is not connected to, and its idle connections are closed:
    who would have to wait for it is told at once.
"""

import asyncio
import errno
from abc import ABC, abstractmethod
from collections.abc import Callable

import structlog

from gateway.edge.connecting import Way
from gateway.edge.health import Health
from gateway.edge.health_check import answer_to, is_healthy
from gateway.edge.reply_heads import ReplyHeads
from gateway.edge.sockets import tune
from gateway.edge.upstream import Connection
from gateway.errors import GatewayFull, UpstreamTimeout, UpstreamUnavailable

_log = structlog.get_logger()

# Shorter than what servers in front of legacy applications keep (nginx 75 s), so that we close
# first. Apache closes after 5 s: see FRESH_SECONDS.
IDLE_SECONDS = 30.0
# A request that may not be sent twice takes a pooled connection only if it was used this short a
# time ago: less than any server's keep-alive, so that it does not meet one that is just closing.
FRESH_SECONDS = 1.0
# What says something of this process, not of upstream: no descriptors, memory or ports left, or
# (EAGAIN) a Unix socket whose backlog is full for the moment.
_OURS = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN)
)


class Upstream(ABC):
    """Where requests are sent: one address, or several (addresses.py)."""

    pools: tuple["Pool", ...]
    patience: float
    """How long it may take to connect, in seconds."""

    @abstractmethod
    def take(self, *, repeatable: bool) -> Connection | None:
        """An idle connection, or `None`: connect. `repeatable`: the request may be sent again if
        the connection turns out to be stale."""

    @abstractmethod
    async def connect(self, avoid: "Pool | None" = None) -> Connection:
        """A new connection. Raises `UpstreamUnavailable`, or `UpstreamTimeout` of its kind.
        `avoid`: the address that has just failed, when there is another."""

    def sweep(self) -> None:
        """Close what has been idle for too long, check what is due."""
        for pool in self.pools:
            pool.sweep()

    def close(self) -> None:
        for pool in self.pools:
            pool.close()


class Pool(Upstream):
    """One address. `timeout` in seconds; `clock`: any that only goes forward; `heads`: what this
    upstream said before; `check`: the request of a health check and the seconds between two. `open`
    counts connections, those that have become tunnels too; `neighbours` are the other addresses."""

    def __init__(
        self,
        way: Way,
        timeout: float,
        clock: Callable[[], float],
        heads: ReplyHeads,
        check: tuple[bytes, float] | None = None,
    ) -> None:
        self.name = way.name
        self.heads = heads
        self.patience = timeout
        self.pools = (self,)
        self.open = 0
        self.neighbours: tuple[Pool, ...] = ()
        self._connecting = 0
        self._connect = way.connect
        self._clock = clock
        self._idle: dict[Connection, None] = {}
        self._question, interval = check or (b"", None)
        self.health = Health(clock, self._turned, interval)
        self._checks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> int:
        """Requests under way, WebSockets among them."""
        return self.open + self._connecting - len(self._idle)

    def take(self, *, repeatable: bool) -> Connection | None:
        if not self._idle:
            return None
        connection = next(reversed(self._idle))
        idle = self._clock() - connection.idle_since
        if idle > (IDLE_SECONDS if repeatable else FRESH_SECONDS):
            return None
        del self._idle[connection]
        return connection

    async def connect(self, avoid: "Pool | None" = None) -> Connection:
        if not self.health.up:
            raise UpstreamUnavailable(f"{self.name} is down: {self.health.why}")
        try:
            return await self.dial()
        except GatewayFull:
            raise
        except UpstreamUnavailable as error:
            self.health.unreachable(str(error))
            raise

    async def dial(self) -> Connection:
        """A new connection, whatever is known of the address, and nothing learnt of it."""
        self._connecting += 1
        try:
            async with asyncio.timeout(self.patience):
                transport, connection = await self._connect(lambda: Connection(self))
        except TimeoutError as error:
            raise UpstreamTimeout(f"no connection within {self.patience:g} s") from error
        except OSError as error:
            kind = GatewayFull if error.errno in _OURS else UpstreamUnavailable
            raise kind(error.strerror or str(error)) from error
        finally:
            self._connecting -= 1
        sock = transport.get_extra_info("socket")
        if sock is not None:
            tune(sock)
        assert isinstance(connection, Connection)  # noqa: S101 - for the type checker
        return connection

    def silent(self, why: str) -> None:
        """A request was taken and not answered. The last address that works stays up: else a few
        requests that Sonar stumbles over would close it to everybody."""
        if any(pool.health.up for pool in self.neighbours):
            self.health.silent(why)

    def put(self, connection: Connection) -> None:
        if self.health.trouble:
            self.health.answered()
            if not self.health.up:
                connection.close()
                return
        connection.idle_since = self._clock()
        self._idle[connection] = None

    def forget(self, connection: Connection) -> None:
        self.open -= 1
        self._idle.pop(connection, None)

    def sweep(self) -> None:
        now = self._clock()
        for connection in tuple(self._idle):
            if now - connection.idle_since > IDLE_SECONDS:
                del self._idle[connection]
                connection.close()
        if self.health.due():
            check = asyncio.get_running_loop().create_task(self._check())
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)

    def close(self) -> None:
        for check in self._checks:
            check.cancel()
        self._close_idle()

    def _close_idle(self) -> None:
        for connection in tuple(self._idle):
            connection.close()
        self._idle.clear()

    async def _check(self) -> None:
        """Connect, and ask for the page that says whether Sonar works, if there is one."""
        why = ""
        try:
            connection = await self.dial()
            if self._question:
                heard = await answer_to(connection, self._question, self.patience)
                why = heard.wrong or ("" if is_healthy(heard.status) else f"answers {heard.status}")
            else:
                connection.release()
        except UpstreamUnavailable as error:
            if not (self.health.up and isinstance(error, GatewayFull)):
                why = str(error)
        self.health.checked(why)

    def _turned(self, health: Health, lasted: float) -> None:
        if health.up:
            _log.info("upstream_up", address=self.name, down_seconds=round(lasted, 1))
        else:
            _log.warning("upstream_down", address=self.name, why=health.why)
            self._close_idle()
