"""A running stand-in Sonar, a gateway's key set on a real socket, and real assertions."""

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from demo.sonar.accounts import make_database
from demo.sonar.app import SonarConfig, make_sonar
from demo.sonar.assertion import GatewayTrust

ISSUER = "http://localhost:8080"
AUDIENCE = "sonar"


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"})


def genuine_claims(account_id: int) -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(account_id),
        "provider": "google",
        "iat": now,
        "exp": now + 300,
    }


@dataclass
class GatewayKeys:
    """What a gateway publishes at `/sso/jwks.json`: `keys`, which a test may change."""

    url: str = ""
    keys: list[ECKey] = field(default_factory=lambda: [new_key("first")])
    asked: int = 0
    broken: bool = False

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.broken:
            return web.Response(status=503)
        return web.json_response(KeySet(list(self.keys)).as_dict())

    def trust(self) -> GatewayTrust:
        return GatewayTrust(ISSUER, AUDIENCE, self.url)

    def assertion(
        self,
        account_id: int = 1001,
        key: ECKey | None = None,
        changes: Mapping[str, object] | None = None,
    ) -> str:
        """A genuine assertion, but for `changes`; a claim changed to `None` is left out."""
        claims = genuine_claims(account_id) | dict(changes or {})
        kept = {name: value for name, value in claims.items() if value is not None}
        return sign(kept, key or self.keys[0])


def sign(claims: Mapping[str, object], key: ECKey) -> str:
    return jwt.encode({"alg": "ES256", "kid": key.kid}, dict(claims), key)


@pytest.fixture
async def gateway_keys() -> AsyncIterator[GatewayKeys]:
    keys = GatewayKeys()
    app = web.Application()
    app.router.add_get("/sso/jwks.json", keys.answer)
    async with TestServer(app) as server:
        keys.url = str(server.make_url("/sso/jwks.json"))
        yield keys


@pytest.fixture
async def sonar(gateway_keys: GatewayKeys, tmp_path: Path) -> AsyncIterator[TestServer]:
    config = SonarConfig(
        database=tmp_path / "sonar.db",
        recordings=tmp_path / "recordings",
        trust=gateway_keys.trust(),
        calls_every=0.02,
    )
    async with TestServer(make_sonar(config)) as server:
        yield server  # type: ignore[misc]  # aiohttp says its base class


@pytest.fixture
def sonar_url(sonar: TestServer) -> str:
    return str(sonar.make_url("/"))


@pytest.fixture
def sonar_database(tmp_path: Path) -> Path:
    """A database just made, as at the first start."""
    path = tmp_path / "var" / "sonar.db"
    make_database(path)
    return path


@pytest.fixture
async def browser(sonar: TestServer) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser with its own cookies, at Sonar's address."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(sonar.make_url("/"), cookie_jar=jar) as session:
        yield session
