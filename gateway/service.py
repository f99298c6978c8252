"""One process, built from a Config, started, and drained. The only module that knows every part.

Parts are opened in the order in which they are needed and closed in the opposite order. What is
wrong with our own things (configuration, policies, keys, the schema, the session store, a port in
use) stops the start with words that say so. What is wrong with the neighbours (Sonar, its
directory, a provider) does not: password users must be served when a neighbour is down.
"""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from gateway.account.directory import open_directory
from gateway.account.links import LinkStore
from gateway.account.passwords import Passwords
from gateway.config import Config, ListenAddress
from gateway.edge.server import EdgeServer
from gateway.errors import CannotStart
from gateway.identity.fetch import open_http
from gateway.identity.provider import Providers
from gateway.identity.transaction import Transactions
from gateway.operate.access_log import AccessLog
from gateway.operate.management import OK, Readiness, make_management
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies
from gateway.policy.store import PolicyStore
from gateway.portal.app import SERVER, make_portal
from gateway.portal.parts import Portal
from gateway.session.assertion import AssertionMinter
from gateway.session.cache import Cache
from gateway.session.cookie import CookieNames
from gateway.session.identity_headers import IdentityLines
from gateway.session.keys import KeyRing
from gateway.session.live import Sessions
from gateway.session.recheck import Recheck
from gateway.session.seal import Sealer
from gateway.session.store.choose import store_for

_log = structlog.get_logger()

# Longer than the edge keeps an idle connection to the portal, so that the edge, which can tell,
# is the side that closes it.
_PORTAL_KEEPALIVE = 120.0
_PORTAL_DRAIN = 5.0


class Service:
    """`await start()`, then serve until `await stop()`. `GatewayError` says why it cannot."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._closing = AsyncExitStack()
        self._state = "starting"
        keys = KeyRing.load(config.keys)
        minter = AssertionMinter(
            keys,
            issuer=config.server.public_url,
            audience=config.assertion.audience,
            lifetime=config.assertion.lifetime,
        )
        self._jwks = minter.jwks
        self._sealer = Sealer(keys)
        self._transactions = Transactions(self._sealer, CookieNames(config.server.secure))
        self._counters = Counters()
        self._access_log = AccessLog(config.log.access, self._counters)
        self._policies = PolicyStore(config.policies, config.kinds, self._counters)
        self._store = store_for(config.sessions)
        lines = IdentityLines(config.headers, minter)
        cache = Cache()
        self._counters.sessions_live = lambda: len(cache)
        self._sessions = Sessions(self._store, keys, lines, config.sessions, cache=cache)
        self._passwords = Passwords(config.passwords.concurrent)
        self._directory = open_directory(config.directory, self._passwords)
        self._links = LinkStore(config.links.database)
        self._edge: EdgeServer | None = None

    async def start(self) -> None:
        """Open every part and listen; what was opened is closed again when one fails."""
        try:
            await self._open()
            await self._listen()
        except BaseException:
            await self._closing.aclose()
            raise
        self._state = OK
        _log.info(
            "ready",
            url=self._config.server.public_url,
            management=str(self._config.server.management),
            domains=len(self._policies.current.by_domain),
        )

    async def stop(self) -> None:
        """Fail readiness; when `server.drain_delay` has passed, stop listening, finish what is
        under way within `server.drain`, close every part."""
        server = self._config.server
        self._state = "stopping, as told"
        _log.info("draining", delay=server.drain_delay, seconds=server.drain)
        if self._edge is not None:
            self._edge.wind_down()
            await asyncio.sleep(server.drain_delay)
        await self._closing.aclose()
        _log.info("stopped")

    def reopen_logs(self) -> None:
        """After log rotation moved the access log away."""
        self._access_log.reopen()

    async def _open(self) -> None:
        closing = self._closing
        self._policies.load()
        _start_access_log(self._access_log, self._config.log.access)
        closing.callback(self._access_log.close)
        closing.callback(self._passwords.close)
        await self._directory.open()
        closing.push_async_callback(self._directory.close)
        await self._links.open()
        closing.push_async_callback(self._links.close)
        await self._sessions.start()
        closing.push_async_callback(self._sessions.stop)
        self._policies.on_change(self._end_disallowed)
        await self._policies.start()
        closing.push_async_callback(self._policies.stop)
        recheck = Recheck(
            self._sessions, self._directory, self._links, lambda: self._policies.current
        )
        await recheck.start()
        closing.push_async_callback(recheck.stop)

    async def _listen(self) -> None:
        closing, server = self._closing, self._config.server
        http = await closing.enter_async_context(open_http())
        portal_socket = await self._listen_portal(http)
        await self._listen_management(server.management)
        edge = EdgeServer(
            self._config,
            sessions=self._sessions,
            policies=lambda: self._policies.current,
            portal_socket=portal_socket,
            access_log=self._access_log,
            counters=self._counters,
        )
        try:
            await edge.start()
        except OSError as error:
            raise _cannot_listen("server.listen", server.listen, error) from error
        closing.push_async_callback(edge.drain)
        self._edge = edge

    async def _listen_portal(self, http: aiohttp.ClientSession) -> str:
        """Serve the portal on a socket that nobody else can reach; its path."""
        folder = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="sonar-gateway-"))
        portal = Portal(
            config=self._config,
            providers=Providers(self._config, http),
            transactions=self._transactions,
            sessions=self._sessions,
            store=self._store,
            directory=self._directory,
            links=self._links,
            policies=lambda: self._policies.current,
            sealer=self._sealer,
            jwks=self._jwks,
            counters=self._counters,
        )
        runner = await self._run(make_portal(portal), **SERVER)
        path = str(Path(folder) / "portal.sock")
        await web.UnixSite(runner, path).start()
        return path

    async def _listen_management(self, address: ListenAddress) -> None:
        runner = await self._run(make_management(self._counters, self._readiness))
        try:
            await web.TCPSite(runner, address.host, address.port).start()
        except OSError as error:
            raise _cannot_listen("server.management", address, error) from error

    async def _run(self, app: web.Application, **options: Any) -> web.AppRunner:
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=_PORTAL_KEEPALIVE,
            shutdown_timeout=_PORTAL_DRAIN,
            **options,
        )
        await runner.setup()
        self._closing.push_async_callback(runner.cleanup)
        return runner

    async def _readiness(self) -> Readiness:
        """Whether this process should get requests. A neighbour that is down is no reason not to:
        every process would leave the balancer at once, password users with it."""
        return {"process": self._state}

    async def _end_disallowed(self, _old: Policies, new: Policies) -> None:
        ended = await self._sessions.sweep(new)
        if ended:
            _log.info("sessions_ended_by_policy", count=ended)


def _start_access_log(access_log: AccessLog, target: str) -> None:
    try:
        access_log.start()
    except OSError as error:
        raise CannotStart(f"log.access: {target} cannot be opened: {error.strerror}") from error


def _cannot_listen(key: str, address: ListenAddress, error: OSError) -> CannotStart:
    return CannotStart(
        f"{key}: cannot listen on {address}: {error.strerror or error}. "
        f"Is another program using the port? Change {key} in config.yaml."
    )
