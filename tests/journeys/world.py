"""A whole system for one journey: a gateway process, a stand-in Sonar, npm's oidc-provider.

Everything talks over real sockets, and the gateway is the process that production runs. Google is
played by oidc-provider, which nobody here wrote; Microsoft by our stand-in, because no other
provider has a templated issuer. Sonar's accounts and the policies are the demonstration's.
"""

import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from aiohttp.typedefs import Handler

from demo.people import PEOPLE
from demo.providers.app import make_app
from demo.providers.standin import Client, StandIn, make_stand_in
from demo.sonar.app import SonarConfig, make_sonar
from demo.sonar.assertion import GatewayTrust
from gateway.account.links import LinkStore
from gateway.account.migrations import migrate
from gateway.secret import Secret
from gateway.session.store.embedded import EmbeddedStore
from tests.journeys.browser import Browser, Page
from tests.servers.node import OidcClient, OidcProvider
from tests.servers.ports import free_port
from tests.stopwatch import Stopwatch

ROOT = Path(__file__).parent.parent.parent
# A busy machine takes a second to start the gateway; this only bounds one that hangs.
PATIENCE = 30.0


@dataclass
class World:
    """`origin` is what browsers type. `folder` has config.yaml, policies/ and var/. `asked` are the
    requests that Sonar got, `sonar_port` is where; `port` is the gateway's own, `config` its file,
    `before` what its command begins with; `client` is what Google knows it as.
    """

    origin: str
    management: str
    folder: Path
    standin: StandIn
    links: LinkStore
    sonar: web.AppRunner
    sonar_port: int
    port: int
    asked: list[web.Request]
    environment: Mapping[str, str]
    client: OidcClient | None = None
    process: asyncio.subprocess.Process | None = None
    before: tuple[str, ...] = ()
    heard: list[str] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    config: str = "config.yaml"

    def twin(self, config: str) -> "World":
        """Another gateway on the same folder, stores and Sonar, with ports of its own; `config`:
        what its file is to be called. Not started yet."""
        port, management = free_port(), free_port()
        content = yaml.safe_load((self.folder / self.config).read_text())
        listening = {"listen": f"127.0.0.1:{port}", "management": f"127.0.0.1:{management}"}
        content["server"] |= listening
        (self.folder / config).write_text(yaml.safe_dump(content))
        return replace(
            self,
            management=f"http://127.0.0.1:{management}",
            port=port,
            config=config,
            process=None,
        )

    def browser(self) -> Browser:
        return Browser(self.origin, self.tls)

    async def google(self, browser: Browser, person_id: str, next_path: str = "/") -> Page:
        """Sign in with Google as `person_id`, as far as it goes by itself."""
        page = await browser.open(f"/sso/login?switch=1&next={next_path}")
        page = await browser.click(page, "Google")
        return await self.pick(browser, page, person_id)

    async def microsoft(self, browser: Browser, person_id: str, next_path: str = "/") -> Page:
        page = await browser.open(f"/sso/login?switch=1&next={next_path}")
        page = await browser.click(page, "Microsoft")
        return await self.pick(browser, page, person_id)

    async def pick(self, browser: Browser, page: Page, person_id: str) -> Page:
        """Be `person_id` on a provider's page, unless the provider knows already who it is; and on
        that of consent, if it has one."""
        person = next(person for person in PEOPLE if person.id == person_id)
        if page.url.startswith(self.origin):
            return page
        page = await browser.press(page, person.name)
        if page.url.startswith(self.origin) or not page.offers(person.name):
            return page
        return await browser.press(page, person.name)

    async def password(self, browser: Browser, username: str, password: str) -> Page:
        """Sign in the old way, on Sonar's own page."""
        page = await browser.open("/login")
        return await browser.press(page, "Sign in", username=username, password=password)

    async def start(self) -> None:
        log = (self.folder / "gateway.log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *self.before,
            sys.executable,
            "-m",
            "gateway",
            "serve",
            "--config",
            self.config,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
            stdout=log,
            stderr=log,
        )
        log.close()
        await until(self.is_ready, self.said)

    async def stop(self) -> int:
        """SIGTERM, as Kubernetes does; the exit code."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"the gateway did not stop:\n{self.said()}") from None

    async def end_sessions(self) -> None:
        """Every session is over; browsers do not know it yet. The gateway hears of it by itself."""
        store = EmbeddedStore(self.folder / "var" / "sessions.db")
        await store.open()
        ended = [session.key for session in await store.all()]
        for key in ended:
            await store.end(key)
        await store.close()

        async def heard() -> bool:
            return "sonar_gateway_sessions_live 0" in await self.metrics()

        await until(heard, self.said)

    def stopwatch(self) -> Stopwatch:
        """Of what the gateway has to do."""
        return Stopwatch() if self.process is None else Stopwatch(self.process.pid)

    async def is_ready(self) -> bool:
        if self.process is not None and self.process.returncode is not None:
            raise AssertionError(f"the gateway ended:\n{self.said()}")
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{self.management}/readyz") as reply,
            ):
                return reply.status == 200
        except aiohttp.ClientError:
            return False

    async def metrics(self) -> str:
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{self.management}/metrics") as reply,
        ):
            return await reply.text()

    def said(self) -> str:
        """Everything the gateway logged."""
        return (self.folder / "gateway.log").read_text(errors="replace")

    def policy(self, name: str, **changes: object) -> None:
        """Change keys of one policy file, as an operator would, in one step."""
        path = self.folder / "policies" / f"{name}.yaml"
        content = yaml.safe_load(path.read_text()) if path.exists() else {}
        # `sso: on` is a word in a policy and a boolean to this YAML reader.
        content["sso"] = {True: "on", False: "off"}.get(content["sso"], content["sso"])
        unfinished = path.with_suffix(".new")
        unfinished.write_text(yaml.safe_dump({**content, **changes}))
        unfinished.rename(path)


async def until(
    condition: Callable[[], Awaitable[bool]],
    why: Callable[[], str] = lambda: "",
    seconds: float = PATIENCE,
) -> None:
    """Wait until `condition` holds; fail with `why()` when it does not within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - it is another process that changes
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s\n{why()}") from None


@asynccontextmanager
async def a_world(
    folder: Path,
    google: OidcProvider | None,
    *,
    origin: str | None = None,
    server: Mapping[str, object] | None = None,
    refresh: str | None = None,
    pages: Iterable[web.RouteDef] = (),
    **changes: object,
) -> AsyncIterator[World]:
    """Start everything in `folder`; `changes` are sections of config.yaml to replace, without
    `google` among them all the providers. `origin`: what browsers type, where a proxy is in front;
    `server`: keys of that section on top; `refresh`: how often Google is asked by refresh token;
    `pages`: what Sonar has besides."""
    async with AsyncExitStack() as closing:
        gateway_port, management_port = free_port(), free_port()
        gateway = f"http://localhost:{gateway_port}"
        origin = origin or gateway
        standin_base = await _standin_site(closing, origin)
        standin = standin_base[1]
        asked: list[web.Request] = []
        sonar, sonar_port = await _sonar(closing, folder, origin, gateway, asked, pages)
        config = _config(origin, gateway_port, management_port, sonar_port, folder)
        config["server"] |= server or {}
        environment, client = dict[str, str](), None
        if google is not None:
            config["providers"], client = _providers(origin, google, standin_base[0], refresh)
            environment = {"GOOGLE_CLIENT_SECRET": client.client_secret}
        config |= changes
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "policies").mkdir()
        for policy in (ROOT / "policies").glob("*.yaml"):
            (folder / "policies" / policy.name).write_bytes(policy.read_bytes())
        database = Secret(config["links"]["database"])
        await migrate(database)
        links = LinkStore(database)
        await links.open()
        closing.push_async_callback(links.close)
        world = World(
            origin,
            f"http://127.0.0.1:{management_port}",
            folder,
            standin,
            links,
            sonar,
            sonar_port,
            gateway_port,
            asked,
            environment,
            client,
        )
        closing.push_async_callback(world.stop)
        await world.start()
        yield world


def _providers(
    origin: str, google: OidcProvider, standin: str, refresh: str | None
) -> tuple[dict[str, Any], OidcClient]:
    """Their section, and as what Google knows the gateway."""
    grants = ["authorization_code", *(["refresh_token"] if refresh else [])]
    client = google.register(
        f"{origin}/sso/callback/google",
        post_logout_redirect_uris=[f"{origin}/sso/logout"],
        grant_types=grants,
    )
    section = {
        "google": {
            "client_id": client.client_id,
            "client_secret": "env:GOOGLE_CLIENT_SECRET",
            "discovery_url": google.discovery_url,
            **({"refresh": refresh} if refresh else {}),
        },
        "microsoft": {
            "client_id": "microsoft-client",
            "client_secret": "microsoft-secret",
            "discovery_url": f"{standin}/microsoft/organizations/v2.0"
            "/.well-known/openid-configuration",
        },
    }
    return section, client


def _config(origin: str, port: int, management: int, sonar: int, folder: Path) -> dict[str, Any]:
    return {
        "server": {
            "public_url": origin,
            "listen": f"127.0.0.1:{port}",
            "management": f"127.0.0.1:{management}",
            "drain": "3s",
        },
        "upstream": {
            "url": f"http://127.0.0.1:{sonar}",
            "public_paths": ["/static/**", "/favicon.ico"],
            "login_buttons": {"selector": "form", "place": "after"},
            "profile_section": {"selector": "#change-account-security", "place": "append"},
        },
        "directory": {"kind": "sql", "url": f"sqlite:///{folder}/var/sonar.db"},
        "links": {"database": f"sqlite:///{folder}/var/gateway.db"},
        "passwords": {"attempts": 5, "window": "15m"},
        "log": {"format": "json", "access": str(folder / "access.log")},
    }


async def _standin_site(closing: AsyncExitStack, origin: str) -> tuple[str, StandIn]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    base = f"http://localhost:{listening.getsockname()[1]}"
    microsoft = Client(
        "microsoft-client",
        "microsoft-secret",
        (f"{origin}/sso/callback/microsoft", f"{origin}/sso/logout"),
        f"{origin}/sso/logout/frontchannel/microsoft",
    )
    standin = make_stand_in(base, Client("", "", ()), microsoft)
    await serve_at(closing, make_app(standin), listening)
    return base, standin


async def _sonar(
    closing: AsyncExitStack,
    folder: Path,
    origin: str,
    gateway: str,
    asked: list[web.Request],
    pages: Iterable[web.RouteDef],
) -> tuple[web.AppRunner, int]:
    @web.middleware
    async def remember(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked.append(request)
        return await handler(request)

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    trust = GatewayTrust(issuer=origin, audience="sonar", jwks_url=f"{gateway}/sso/jwks.json")
    app = make_sonar(
        SonarConfig(
            folder / "var" / "sonar.db", folder / "var" / "recordings", trust, calls_every=0.05
        )
    )
    app.middlewares.insert(0, remember)
    app.add_routes(pages)
    runner = await serve_at(closing, app, listening)
    return runner, listening.getsockname()[1]


async def serve_at(
    closing: AsyncExitStack, app: web.Application, listening: socket.socket
) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    closing.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listening).start()
    return runner
