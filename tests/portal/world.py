"""The portal with everything behind it real: providers, SQL accounts, links, sessions."""

import asyncio
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import bcrypt
from aiohttp import web

from demo.people import PEOPLE
from demo.providers.app import make_app
from demo.providers.standin import Client, StandIn, make_stand_in
from demo.sonar.seed import ACCOUNTS
from gateway.account.directory import Directory, open_directory
from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.account.passwords import Passwords
from gateway.account.trail import Trail
from gateway.config import Config, config_from
from gateway.identity.provider import Providers
from gateway.identity.sealed import Transactions
from gateway.operate.audit import Audit
from gateway.operate.audit.chain import Chain, Record
from gateway.operate.metrics import Counters
from gateway.policy.model import Policies
from gateway.policy.store import PolicyStore
from gateway.portal.app import SERVER, make_portal
from gateway.portal.misses import Misses
from gateway.portal.parts import MISSES_WINDOW, MOST_MISSES, Portal
from gateway.session.assertion import AssertionMinter
from gateway.session.cookie import CookieNames
from gateway.session.identity_headers import IdentityLines
from gateway.session.live import Sessions
from gateway.session.model import Session
from gateway.session.seal import Sealer
from gateway.session.store.embedded import EmbeddedStore
from tests.journeys.browser import Browser, Page
from tests.session.samples import ring_in

POLICIES = Path(__file__).parents[2] / "policies"
PASSWORDS = {account.username: account.password for account in ACCOUNTS}


@dataclass
class Clock:
    """The time, and how far a test has moved it on. `stands`: when it was stopped."""

    ahead: float = 0.0
    stands: float | None = None

    def __call__(self) -> float:
        return (time.time() if self.stands is None else self.stands) + self.ahead

    def stop(self) -> None:
        """Go on by `ahead` alone, for who counts to the second."""
        self.stands = time.time()


async def _change(file: Path, statement: str, values: tuple[object, ...] = ()) -> None:
    """Not on the loop: the gateway may have to go on before it lets the file go."""

    def change() -> None:
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(statement, values)

    await asyncio.to_thread(change)


@dataclass
class World:
    """What a test may look at and change. `policies` is the snapshot in force;
    `another_process` what one would have on the same store."""

    origin: str
    config: Config
    standin: StandIn
    directory: Directory
    links: LinkStore
    store: EmbeddedStore
    sessions: Sessions
    policies: Policies
    sonar: Path
    providers: Providers
    another_process: Callable[[], Sessions]
    trail: Trail
    clock: Clock = field(default_factory=Clock)
    counters: Counters = field(default_factory=Counters)
    app: web.Application = field(default_factory=web.Application)
    misses: Misses = field(default_factory=lambda: Misses(MOST_MISSES, MISSES_WINDOW))

    async def change_sonar(self, statement: str, *values: object) -> None:
        """Change Sonar's own database, as its administrator would."""
        await _change(self.sonar, statement, values)

    async def change_own(self, file: str, statement: str) -> None:
        """Break one of the gateway's own databases (`links.db`, `sessions.db`), or mend it."""
        await _change(self.sonar.parent / file, statement)

    async def forget_attempts(self, prefix: str) -> None:
        """As after long enough."""
        statement = "DELETE FROM attempts WHERE name GLOB ?"
        await _change(self.sonar.parent / "sessions.db", statement, (f"{prefix}*",))

    def forget_documents(self) -> None:
        """What the providers say of themselves has to be asked for again, as after a restart."""
        for provider in self.providers:
            provider._published._document._value = None

    async def records(self, number: int = 0) -> list[Record]:
        """What the audit has kept, when these are so many."""
        for _ in range(1000):
            entries = await self.trail.entries(0, 1000)
            if len(entries) >= number:
                return [entry.record for entry in entries]
            await asyncio.sleep(0.01)
        raise AssertionError("waited in vain")

    async def pick(self, browser: Browser, page: Page, person_id: str) -> Page:
        """Be `person_id` on the provider's page."""
        person = next(person for person in PEOPLE if person.id == person_id)
        return await browser.press(page, person.name)

    async def arrive(
        self, browser: Browser, provider: str, person_id: str, next_path: str = "/"
    ) -> Page:
        """Sign in from the sign-in page, as far as it goes by itself."""
        page = await browser.open(f"/sso/login?next={next_path}&switch=1")
        page = await browser.click(page, f"Sign in with {provider.capitalize()}")
        return await self.pick(browser, page, person_id)

    async def live(self) -> dict[str, Session]:
        """Live sessions by account id; the newest where there are several."""
        return {session.account.id: session for session in reversed(await self.store.all())}


@asynccontextmanager
async def a_world(
    folder: Path,
    more: Callable[[str], Mapping[str, object]] = lambda _: {},
    *,
    audited: bool = False,
    audit_required: bool = False,
) -> AsyncIterator[World]:
    """`more`: providers beside the stand-ins, as config.yaml names them, for this origin. Unless it
    is `audited`, events are lines of the log and nothing more."""
    async with AsyncExitStack() as closing:
        portal_socket, provider_socket = _listening(), _listening()
        origin, provider_base = _address(portal_socket), _address(provider_socket)
        sections = _config(origin, provider_base, folder, more(origin))
        config = config_from({**sections, "audit": {"required": audit_required}}, folder)
        standin = _standin(provider_base, origin)
        await _serve(closing, make_app(standin), provider_socket)

        sonar = folder / "sonar.db"
        _fill(sonar)
        await migrate(config.links.database)
        passwords = Passwords(config.passwords.concurrent)
        closing.callback(passwords.close)
        directory = open_directory(config.directory, passwords)
        await directory.open()
        closing.push_async_callback(directory.close)
        links = LinkStore(config.links.database)
        await links.open()
        closing.push_async_callback(links.close)
        keys = ring_in(config.keys.folder)
        trail = Trail(config.links.database, Chain(keys), timeout=1.0)
        closing.push_async_callback(trail.close)
        audit = Audit(config.audit)
        if audited:
            audit.start(trail)
            closing.push_async_callback(audit.close)
        minter = AssertionMinter(keys, issuer=origin, audience="sonar", lifetime=300)
        clock = Clock()
        store = EmbeddedStore(config.sessions.path, clock)

        def begin(store: EmbeddedStore) -> Sessions:
            lines = IdentityLines(config.headers, minter)
            return Sessions(store, keys, lines, config.sessions, clock=clock)

        sessions = begin(store)
        await sessions.start()
        closing.push_async_callback(sessions.stop)
        policies = PolicyStore(POLICIES)
        policies.load()
        http = await closing.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        )
        providers = Providers(config, http)
        world = World(
            origin,
            config,
            standin,
            directory,
            links,
            store,
            sessions,
            policies.current,
            sonar,
            providers,
            lambda: begin(EmbeddedStore(config.sessions.path, clock)),
            trail,
            clock,
        )
        sealer = Sealer(keys)
        app = make_portal(
            Portal(
                config=config,
                providers=providers,
                transactions=Transactions(sealer, CookieNames(secure=False)),
                sessions=sessions,
                named=store.named,
                directory=directory,
                links=links,
                policies=lambda: world.policies,
                sealer=sealer,
                jwks=minter.jwks,
                counters=world.counters,
                audit=audit,
                clock=clock,
                misses=world.misses,
            )
        )
        world.app = app
        app.router.add_get("/{page:(?!sso/).*}", _sonar)
        await _serve(closing, app, portal_socket)
        yield world


async def _sonar(request: web.Request) -> web.Response:
    """Where a sign-in leads; what stands there is not the portal's business."""
    return web.Response(text=f"Sonar {request.path_qs}")


def _listening() -> socket.socket:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return listening


def _address(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


async def _serve(closing: AsyncExitStack, app: web.Application, at: socket.socket) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, **SERVER)
    await runner.setup()
    closing.push_async_callback(runner.cleanup)
    await web.SockSite(runner, at).start()


def _config(
    origin: str, providers: str, folder: Path, more: Mapping[str, object]
) -> dict[str, object]:
    return {
        "server": {"public_url": origin, "listen": "127.0.0.1:8080"},
        "upstream": {"url": "http://127.0.0.1:8081"},
        "providers": {
            "google": {
                "client_id": "google-client",
                "client_secret": "google-secret",
                "discovery_url": f"{providers}/google/.well-known/openid-configuration",
            },
            "microsoft": {
                "client_id": "microsoft-client",
                "client_secret": "microsoft-secret",
                "tenant": "common",
                "discovery_url": (
                    f"{providers}/microsoft/common/v2.0/.well-known/openid-configuration"
                ),
            },
            **more,
        },
        "directory": {"kind": "sql", "url": f"sqlite:///{folder}/sonar.db"},
        "links": {"database": f"sqlite:///{folder}/links.db"},
        # Nobody listens there: who links an account does not notice.
        "mail": {
            "host": "127.0.0.1",
            "port": 1,
            "security": "none",
            "sender": "sonar@acme.example",
        },
        "sessions": {"path": str(folder / "sessions.db")},
        "passwords": {"attempts": 3, "window": "15m"},
        "keys": str(folder / "keys"),
        "policies": str(POLICIES),
    }


def _standin(base: str, origin: str) -> StandIn:
    def client(name: str) -> Client:
        uris = (f"{origin}/sso/callback/{name}", f"{origin}/sso/logout")
        front = f"{origin}/sso/logout/frontchannel/{name}"
        return Client(f"{name}-client", f"{name}-secret", uris, front)

    return make_stand_in(base, client("google"), client("microsoft"))


def _fill(path: Path) -> None:
    """Sonar's accounts of the demonstration, with hashes that cost next to nothing."""
    with sqlite3.connect(path) as database:
        database.executescript(
            """
            CREATE TABLE accounts (
                id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE COLLATE NOCASE,
                display_name TEXT NOT NULL, organisation TEXT NOT NULL, active INTEGER NOT NULL,
                password_hash TEXT NOT NULL
            );
            CREATE TABLE addresses (account_id INTEGER, email TEXT, purpose TEXT);
            """
        )
        for account in ACCOUNTS:
            hashed = bcrypt.hashpw(account.password.encode(), bcrypt.gensalt(4)).decode()
            row = (account.id, account.username, account.display_name, account.organisation)
            database.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", (*row, account.active, hashed)
            )
            database.executemany(
                "INSERT INTO addresses VALUES (?, ?, ?)",
                [(account.id, email, purpose) for email, purpose in account.addresses],
            )
    database.close()
