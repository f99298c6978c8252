"""Puts the edge together, keeps the clock, and drains."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from gateway.config import Config
from gateway.edge.addresses import Addresses
from gateway.edge.admission import Admission
from gateway.edge.arrival import Herald
from gateway.edge.certificate import Certificates
from gateway.edge.connecting import Way, way_to_portal, ways_to_sonar
from gateway.edge.health_check import question
from gateway.edge.inject import Injection
from gateway.edge.listener import Listener
from gateway.edge.page import Spot
from gateway.edge.pool import Pool, Upstream
from gateway.edge.reply_heads import ReplyHeads
from gateway.edge.rules import Rules
from gateway.edge.shared import Shared, SignedOut, no_herald, nobody_hears
from gateway.edge.sockets import bind, room_for
from gateway.operate.access_log import AccessLog
from gateway.operate.metrics import AddressState, Counters
from gateway.policy.model import Policies
from gateway.session.live import Sessions

# One look at all connections instead of a timer for each request: a request then costs no timer,
# and a deadline is late by this at most.
_TICK_SECONDS = 0.25
# At the end, how long an idle connection may wait for a last request: one that is in use has them
# closer together, and one that rests for longer is unlikely to send one just as we close.
_LAST_CALL_SECONDS = 1.0


class EdgeServer:
    """The public listener. Every connection it accepts becomes a `Client`. `clock`, in seconds,
    says when a deadline has passed."""

    def __init__(
        self,
        config: Config,
        *,
        sessions: Sessions,
        policies: Callable[[], Policies],
        portal_socket: str,
        access_log: AccessLog,
        counters: Counters,
        signed_out: SignedOut = nobody_hears,
        herald: Callable[[], Herald | None] = no_herald,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        upstream, limits = config.upstream, config.limits
        rules = Rules.of(config)
        self._shared = Shared(
            config=config,
            rules=rules,
            sessions=sessions,
            policies=policies,
            sonar=_sonar(config, rules, clock),
            portal=_pool(way_to_portal(portal_socket), config, rules, clock, None),
            access_log=access_log,
            counters=counters,
            injections=_injections(config),
            response_timeout=upstream.response_timeout,
            signed_out=signed_out,
            herald=herald,
            limits=limits,
            idle_seconds=limits.idle_timeout,
            clock=clock,
            admission=Admission(
                room_for(limits.connections),
                limits.connections_per_address,
                loopback="connections_per_address" in limits.model_fields_set,
            ),
        )
        counters.addresses = self._addresses
        tls = config.server.tls
        self._certificates = None if tls is None else Certificates(tls, counters)
        self._listener: Listener | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on: the configured one, or the one the system picked for 0."""
        if self._listener is None:
            raise RuntimeError("not started")
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Listen, on `sockets` if there are any that listen already, else on `server.listen`:
        `OSError` when that is taken, `CannotStart` when the certificate cannot be used."""
        if self._certificates is not None:
            self._certificates.load()
        sockets = sockets or bind(self._shared.config.server.listen)
        self._listener = Listener(self._shared, sockets, self._certificates)
        self._listener.open()
        if self._certificates is not None:
            self._certificates.start()
        self._ticker = asyncio.get_running_loop().create_task(self._tick())

    def stand_in(self, others: Sequence[socket.socket]) -> None:
        """Accept from these sockets, too: those of workers that do not at present."""
        if self._listener is not None:
            self._listener.stand_in(others)

    def reload(self) -> None:
        """Read the certificate again now (SIGHUP)."""
        if self._certificates is not None:
            self._shared.later(self._certificates.reload())

    def wind_down(self) -> None:
        """From now on each reply says that its connection will close; new ones are still taken."""
        self._shared.draining = True

    async def drain(self) -> None:
        """Stop accepting, finish what is under way within `server.drain`, close everything."""
        shared = self._shared
        self.wind_down()
        shared.closing = True
        shared.idle_seconds = _LAST_CALL_SECONDS
        seconds = shared.config.server.drain
        until = shared.clock() + seconds
        if self._listener is not None:
            await self._listener.close(seconds)
        for client in tuple(shared.clients):
            client.drain()
        for tunnel in tuple(shared.tunnels):
            tunnel.take_leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(until - shared.clock()):
                while shared.clients:
                    await shared.no_clients.wait()
        for client in tuple(shared.clients):
            client.abort()
        if self._ticker is not None:
            self._ticker.cancel()
        if self._certificates is not None:
            await self._certificates.stop()
        shared.sonar.close()
        shared.portal.close()

    def _addresses(self) -> Iterator[AddressState]:
        for pool in self._shared.sonar.pools:
            yield AddressState(pool.name, pool.health.up, pool.busy)

    async def _tick(self) -> None:
        shared = self._shared
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = shared.clock()
            if self._listener is not None:
                self._listener.tick()
            for client in tuple(shared.clients):
                if client.deadline < now:
                    client.expired()
                else:
                    client.rest()
            shared.sonar.sweep()
            shared.portal.sweep()


def _injections(config: Config) -> dict[Spot, Injection]:
    login, profile = config.upstream.login_buttons, config.upstream.profile_section
    return {
        Spot.LOGIN: Injection(login.selector, login.place),
        Spot.PROFILE: Injection(profile.selector, profile.place),
    }


def _sonar(config: Config, rules: Rules, clock: Callable[[], float]) -> Upstream:
    upstream = config.upstream
    check = None
    if upstream.health is not None:
        check = question(upstream.health.path, rules.public_host), upstream.health.interval
    ways = ways_to_sonar(upstream, clock)
    pools = tuple(_pool(way, config, rules, clock, check) for way in ways)
    return pools[0] if len(pools) == 1 else Addresses(pools)


def _pool(
    way: Way,
    config: Config,
    rules: Rules,
    clock: Callable[[], float],
    check: tuple[bytes, float] | None,
) -> Pool:
    return Pool(way, config.upstream.connect_timeout, clock, ReplyHeads(rules), check)
