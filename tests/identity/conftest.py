"""The stand-in providers on a real socket, and a gateway's clients for them."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web
from joserfc.jwk import RSAKey
from multidict import MultiDict, MultiMapping

from demo.providers.app import make_app
from demo.providers.standin import Client, StandIn, make_stand_in, new_key
from gateway.config import Provider as Settings
from gateway.identity.fetch import open_http
from gateway.identity.model import Identity, Refused
from gateway.identity.provider import ProviderClient
from gateway.identity.transaction import Transaction
from gateway.secret import Secret

PUBLIC_URL = "https://sonar.example"

# Signs that mean something in a URL or in `user:password`.
SECRET = "s3cret:with/every+thing &=%20~é"


@dataclass(slots=True)
class Clock:
    """Monotonic seconds that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def identify(
    client: ProviderClient, transaction: Transaction, params: MultiMapping[str], now: float
) -> Identity | Refused:
    """Who came back, for who does not ask for the refresh token."""
    arrival = await client.arrive(transaction, params, now)
    return arrival if isinstance(arrival, Refused) else arrival.identity


@dataclass(slots=True)
class Stage:
    """The stand-ins, running, and the means to sign in at them as a browser would."""

    base_url: str
    stand_in: StandIn
    http: aiohttp.ClientSession
    browser: aiohttp.ClientSession
    clock: Clock = field(default_factory=Clock)

    def client(
        self,
        name: str,
        *,
        tenant: str = "organizations",
        kind: str | None = None,
        algorithms: tuple[str, ...] = ("RS256",),
        client_secret: str = SECRET,
        clock_skew: str = "60s",
        discovery_url: str | None = None,
    ) -> ProviderClient:
        own = "google" if name == "google" else f"microsoft/{tenant}/v2.0"
        settings = Settings(
            kind=kind or name,
            client_id="the client",
            client_secret=Secret(client_secret),
            label=name.title(),
            discovery_url=discovery_url
            or f"{self.base_url}/{own}/.well-known/openid-configuration",
            scopes=("openid", "email", "profile"),
            algorithms=algorithms,
            clock_skew=clock_skew,
        )
        return ProviderClient(name, settings, PUBLIC_URL, self.http, self.clock)

    async def pick(self, url: str, person: str) -> MultiDict[str]:
        """Open the picker at `url`, pick somebody, and return the callback's query."""
        async with self.browser.get(url, allow_redirects=False) as page:
            assert page.status == 200, await page.text()
        async with self.browser.post(url, data={"person": person}, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            location = answer.headers["Location"]
        return MultiDict(parse_qsl(urlsplit(location).query, keep_blank_values=True))

    async def sign_in(
        self, client: ProviderClient, person: str, transaction: Transaction, now: float
    ) -> Identity | Refused:
        params = await self.pick(await client.authorization_url(transaction), person)
        return await identify(client, transaction, params, now)


@pytest.fixture(scope="session")
def signing_keys() -> tuple[RSAKey, RSAKey]:
    """Made at run time, once a test process: a key costs a tenth of a second."""
    return new_key(), new_key()


@pytest.fixture
async def stage(signing_keys: tuple[RSAKey, RSAKey]) -> AsyncIterator[Stage]:
    listening = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    paths = ("callback/google", "callback/microsoft", "logout")
    redirects = tuple(f"{PUBLIC_URL}/sso/{path}" for path in paths)
    registered = Client("the client", SECRET, redirects)
    stand_in = make_stand_in(base_url, registered, registered, signing_keys)
    runner = web.AppRunner(make_app(stand_in), shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    async with open_http() as http, aiohttp.ClientSession() as browser:
        yield Stage(base_url, stand_in, http, browser)
    await runner.cleanup()
