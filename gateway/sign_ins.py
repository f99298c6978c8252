"""What only sign-ins need: the directory, the links, the providers, and the portal.

Apart from service.py for what it imports: SQLAlchemy, Authlib, Jinja2 and the portal are half of
what a start takes. So service.py can be ready before it imports this; who comes to the portal
meanwhile waits a moment.
"""

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from aiohttp import web

from gateway.account.directory import Directory, open_directory
from gateway.account.herald import Herald
from gateway.account.links import LinkStore
from gateway.account.password_reader import PasswordReaders
from gateway.account.passwords import Passwords
from gateway.account.trail import Trail
from gateway.config import Config
from gateway.identity.fetch import open_http
from gateway.identity.provider import Providers
from gateway.identity.transaction import Transactions
from gateway.mail.postman import Postman
from gateway.operate.audit import Audit
from gateway.operate.audit.chain import Chain
from gateway.operate.metrics import Counters
from gateway.operate.outage import Outages
from gateway.policy.model import Policies
from gateway.portal.app import SERVER, make_portal
from gateway.portal.parts import Portal
from gateway.session.cookie import CookieNames
from gateway.session.keys import KeyRing
from gateway.session.live import Sessions
from gateway.session.recheck import Recheck
from gateway.session.renewal import Renewals
from gateway.session.seal import Sealer
from gateway.session.store import SessionStore

# Longer than the edge keeps an idle connection to the portal, so that the edge, which can tell,
# is the side that closes it.
_KEEPALIVE = 120.0
_DRAIN = 5.0


class SignIns:
    """`await open()`, then serve until `await close()`. `GatewayError` says why it cannot.

    `herald`: there once it knows something.
    """

    herald: Herald | None = None

    def __init__(
        self,
        config: Config,
        *,
        sessions: Sessions,
        store: SessionStore,
        policies: Callable[[], Policies],
        sealer: Sealer,
        jwks: Callable[[], Mapping[str, Any]],
        counters: Counters,
        audit: Audit,
        keys: KeyRing,
        outages: Outages,
    ) -> None:
        self._config = config
        self._sessions = sessions
        self._store = store
        self._policies = policies
        self._sealer = sealer
        self._jwks = jwks
        self._counters = counters
        self._audit = audit
        self._keys = keys
        self._outages = outages
        self._closing = AsyncExitStack()

    async def open(self, portal: socket.socket) -> None:
        """Open every part, and serve the portal on this socket. When it fails, `close`."""
        closing, config = self._closing, self._config
        directory, links = await self._open_accounts()
        trail = Trail(config.links.database, Chain(self._keys))
        closing.push_async_callback(trail.close)
        self._audit.start(trail)
        closing.push_async_callback(self._audit.close)
        await self._start_postman(links)
        await self._start_herald(directory, links)
        http = await closing.enter_async_context(open_http())
        providers = Providers(config, http, self._outages)
        await self._start_recheck(directory, links, providers)
        parts = Portal(
            config=config,
            providers=providers,
            transactions=Transactions(self._sealer, CookieNames(config.server.secure)),
            sessions=self._sessions,
            store=self._store,
            directory=directory,
            links=links,
            policies=self._policies,
            sealer=self._sealer,
            jwks=self._jwks,
            counters=self._counters,
            audit=self._audit,
        )
        runner = web.AppRunner(
            make_portal(parts),
            access_log=None,
            keepalive_timeout=_KEEPALIVE,
            shutdown_timeout=_DRAIN,
            **SERVER,
        )
        await runner.setup()
        closing.push_async_callback(runner.cleanup)
        await web.SockSite(runner, portal).start()

    def _passwords(self) -> Passwords:
        """In all workers together as many at once as configured."""
        config, keys = self._config, self._keys
        at_once = max(1, config.passwords.concurrent // config.server.workers)
        return Passwords(at_once, keys.subkey(keys.root_id, "unknown usernames"))

    async def _open_accounts(self) -> tuple[Directory, LinkStore]:
        closing, config = self._closing, self._config
        passwords = self._passwords()
        closing.callback(passwords.close)
        directory = open_directory(config.directory, passwords, self._outages.part("directory"))
        await directory.open()
        closing.push_async_callback(directory.close)
        links = LinkStore(config.links.database, self._outages.part("links"))
        await links.open()
        closing.push_async_callback(links.close)
        return directory, links

    async def _start_postman(self, links: LinkStore) -> None:
        mail = self._config.mail
        if mail is not None:
            postman = Postman(self._config, mail, links.notices)
            await postman.start()
            self._closing.push_async_callback(postman.stop)

    async def _start_herald(self, directory: Directory, links: LinkStore) -> None:
        readers = PasswordReaders(self._sealer, CookieNames(self._config.server.secure))
        herald = Herald(directory, links.notices, readers)
        await herald.start()
        self._closing.push_async_callback(herald.stop)
        self.herald = herald

    async def _start_recheck(
        self, directory: Directory, links: LinkStore, providers: Providers
    ) -> None:
        sessions, settings = self._sessions, self._config.sessions
        renewals = Renewals(
            self._store,
            sessions.changes,
            sessions.grants,
            providers.get,
            settings.outage_grace,
            time.time,
        )
        recheck = Recheck(
            sessions,
            self._store,
            directory,
            links,
            self._policies,
            self._audit,
            every=settings.recheck,
            provider=renewals.ask,
        )
        await recheck.start()
        self._closing.push_async_callback(recheck.stop)

    async def close(self) -> None:
        """Finish what is under way, close every part."""
        await self._closing.aclose()
