"""What only sign-ins need: the directory, the links, the providers, and the portal.

Apart from service.py for what it imports: SQLAlchemy, Authlib, Jinja2 and the portal are half of
what a start takes. So service.py can be ready before it imports this; who comes to the portal
meanwhile waits a moment.
"""

import socket
import time
from contextlib import AsyncExitStack

from aiohttp import web

from gateway.account.directory import Directory, open_directory
from gateway.account.herald import Herald
from gateway.account.links import LinkStore
from gateway.account.password_reader import PasswordReaders
from gateway.account.passwords import Passwords
from gateway.account.trail import Trail
from gateway.identity.fetch import open_http
from gateway.identity.provider import Providers
from gateway.identity.sealed import Transactions
from gateway.mail.postman import Postman
from gateway.operate.audit.chain import Chain
from gateway.parts import Parts
from gateway.portal.app import SERVER, make_portal
from gateway.portal.parts import Portal
from gateway.session.cookie import CookieNames
from gateway.session.recheck import Recheck
from gateway.session.renewal import Renewals
from gateway.session.store.attempts import Throttle

# Longer than the edge keeps an idle connection to the portal, so that the edge, which can tell,
# is the side that closes it.
_KEEPALIVE = 120.0
_DRAIN = 5.0


class SignIns:
    """`await open()`, then serve until `await close()`. `GatewayError` says why it cannot.

    `herald`: there once it knows something.
    """

    herald: Herald | None = None

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._closing = AsyncExitStack()

    async def open(self, portal: socket.socket) -> None:
        """Open every part, and serve the portal on this socket. When it fails, `close`."""
        closing, parts = self._closing, self._parts
        directory, links = await self._open_accounts()
        trail = Trail(parts.config.links.database, Chain(parts.keys))
        closing.push_async_callback(trail.close)
        parts.audit.start(trail)
        closing.push_async_callback(parts.audit.close)
        await self._start_postman(links)
        await self._start_herald(directory, links)
        http = await closing.enter_async_context(open_http())
        providers = Providers(parts.config, http, parts.outages)
        await self._start_recheck(directory, links, providers)
        await self._serve(self._portal(directory, links, providers), portal)

    def _portal(self, directory: Directory, links: LinkStore, providers: Providers) -> Portal:
        parts = self._parts
        return Portal(
            config=parts.config,
            providers=providers,
            transactions=Transactions(parts.sealer, CookieNames(parts.config.server.secure)),
            sessions=parts.sessions,
            named=parts.sessions.named,
            directory=directory,
            links=links,
            policies=parts.policies_in_force,
            sealer=parts.sealer,
            jwks=parts.minter.jwks,
            counters=parts.counters,
            audit=parts.audit,
        )

    async def _serve(self, portal: Portal, at: socket.socket) -> None:
        runner = web.AppRunner(
            make_portal(portal),
            access_log=None,
            keepalive_timeout=_KEEPALIVE,
            shutdown_timeout=_DRAIN,
            **SERVER,
        )
        await runner.setup()
        self._closing.push_async_callback(runner.cleanup)
        await web.SockSite(runner, at).start()

    def _passwords(self) -> Passwords:
        """In all workers together as many at once as configured."""
        config, keys = self._parts.config, self._parts.keys
        at_once = max(1, config.passwords.concurrent // config.server.workers)
        return Passwords(at_once, keys.subkey(keys.root_id, "unknown usernames"))

    async def _open_accounts(self) -> tuple[Directory, LinkStore]:
        closing, config, outages = self._closing, self._parts.config, self._parts.outages
        passwords = self._passwords()
        closing.callback(passwords.close)
        directory = open_directory(config.directory, passwords, outages.part("directory"))
        await directory.open()
        closing.push_async_callback(directory.close)
        links = LinkStore(config.links.database, outages.part("links"))
        await links.open()
        closing.push_async_callback(links.close)
        return directory, links

    async def _start_postman(self, links: LinkStore) -> None:
        config = self._parts.config
        if config.mail is not None:
            postman = Postman(config, config.mail, links.notices)
            await postman.start()
            self._closing.push_async_callback(postman.stop)

    async def _start_herald(self, directory: Directory, links: LinkStore) -> None:
        config, sessions = self._parts.config, self._parts.sessions
        sonar = (cookie.name for cookie in config.upstream.session_cookies)
        readers = PasswordReaders(self._parts.sealer, CookieNames(config.server.secure), sonar)
        throttle = Throttle.of(config.passwords)
        herald = Herald(directory, links.notices, readers, sessions.named, throttle)
        await herald.start()
        self._closing.push_async_callback(herald.stop)
        self.herald = herald

    async def _start_recheck(
        self, directory: Directory, links: LinkStore, providers: Providers
    ) -> None:
        parts, sessions = self._parts, self._parts.sessions
        settings = parts.config.sessions
        renewals = Renewals(
            sessions.changes,
            sessions.grants,
            providers.get,
            settings.outage_grace,
            time.time,
        )
        recheck = Recheck(
            sessions,
            sessions.named,
            directory,
            links,
            parts.policies_in_force,
            parts.audit,
            every=settings.recheck,
            provider=renewals.ask,
        )
        await recheck.start()
        self._closing.push_async_callback(recheck.stop)

    async def close(self) -> None:
        """Finish what is under way, close every part."""
        await self._closing.aclose()
