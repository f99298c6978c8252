"""Sessions whose provider is asked by refresh token: npm's oidc-provider, which rotates them and
ends all when one is used twice. As a program, another gateway process that asks:

    python -m tests.session.refreshing STORE KEYS DISCOVERY_URL CLIENT_ID CLIENT_SECRET HOW KEY...

`HOW` is `race`: wait for a line, ask about every session again and again until a second has passed,
print how often the provider said yes, and every reason for which a session had to end; or `die`: be
killed after the provider's answer has come and before anything is done with it.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from multidict import MultiDict
from yarl import URL

from gateway.config import Provider as Settings
from gateway.identity.fetch import open_http
from gateway.identity.model import Refused
from gateway.identity.provider import Arrival, ProviderClient, Renewal
from gateway.identity.transaction import Transaction
from gateway.secret import Secret
from gateway.session.grant import Origin
from gateway.session.live import Sessions
from gateway.session.model import Session
from gateway.session.renewal import Renewals
from gateway.session.store import Store
from gateway.session.store.embedded import EmbeddedStore
from gateway.session.store.redis import RedisStore
from tests.servers.node import OidcClient, OidcProvider
from tests.session.samples import an_account, ring_in, sessions_on

PUBLIC_URL = "http://localhost:8080"
ROOT = Path(__file__).parent.parent.parent
GRACE = 300.0


class Asked(ProviderClient):
    """The provider's client, which counts the answers, and can be stopped right after one."""

    answers: int = 0
    dies: bool = False

    async def refresh(self, refresh_token: Secret, now: float) -> Renewal | Refused:
        # The provider's clock is nobody's to move: by ours, its token would be of long ago.
        outcome = await super().refresh(refresh_token, time.time())
        self.answers += isinstance(outcome, Renewal)
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome


@dataclass
class Process:
    """What one gateway process has. `ahead`: how far its clock is ahead of everybody's, seconds."""

    sessions: Sessions
    store: Store
    provider: Asked
    ahead: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    @property
    def renewals(self) -> Renewals:
        changes, grants = self.sessions.changes, self.sessions.grants
        return Renewals(changes, grants, lambda name: self.provider, GRACE, self.now)

    async def sign_in(self, person: str) -> tuple[str, Session]:
        """As the portal does: to the provider and back, then a session with what it gave."""
        transaction = Transaction(
            "id", "oidc", f"id.{secrets.token_hex(8)}", "nonce", "v" * 64, "/", time.time()
        )
        url = await self.provider.authorization_url(transaction, login_hint=person)
        arrival = await self.provider.arrive(transaction, await _followed(url), time.time())
        assert isinstance(arrival, Arrival), arrival
        assert arrival.refresh_token is not None
        return await self.sessions.create(
            arrival.identity,
            an_account(),
            None,
            self.now(),
            Origin(refresh_token=arrival.refresh_token),
        )

    async def stored(self, key: str) -> Session | None:
        return await self.store.load(key)


def registered(provider: OidcProvider) -> OidcClient:
    grants = ["authorization_code", "refresh_token"]
    return provider.register(f"{PUBLIC_URL}/sso/callback/oidc", grant_types=grants)


@asynccontextmanager
async def a_process(
    place: str, keys: Path, discovery_url: str, client: OidcClient, *, every: float = 1800.0
) -> AsyncIterator[Process]:
    settings = Settings.model_validate(
        {
            "kind": "oidc",
            "client_id": client.client_id,
            "client_secret": Secret(client.client_secret),
            "label": "Corp",
            "discovery_url": discovery_url,
            "refresh": "30m",
        }
    )
    store: Store = EmbeddedStore(Path(place))
    if "://" in place:
        store = RedisStore(Secret(place))
    async with open_http() as http:
        provider = Asked("oidc", settings, PUBLIC_URL, http)
        provider.refresh_every = every
        sessions = sessions_on(store, ring_in(keys))
        await sessions.start()
        yield Process(sessions, store, provider)
        await sessions.stop()


async def _followed(url: str) -> MultiDict[str]:
    """The browser's way from `url` to our callback."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        while not url.startswith(PUBLIC_URL):
            async with browser.get(url, allow_redirects=False) as reply:
                assert "Location" in reply.headers, re.sub(r"\s+", " ", await reply.text())
                url = str(reply.url.join(URL(reply.headers["Location"])))
    return MultiDict(parse_qsl(urlsplit(url).query))


async def race(process: Process, keys: list[str]) -> dict[str, object]:
    ended: Counter[str] = Counter()

    async def ask(key: str) -> None:
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            session = await process.stored(key)
            assert session is not None
            reason = await process.renewals.ask(session)
            if reason is not None:
                ended[reason] += 1

    await asyncio.gather(*(ask(key) for key in keys))
    return {"answers": process.provider.answers, "ended": dict(ended)}


async def main(
    place: str, keys: str, discovery_url: str, client_id: str, secret: str, how: str, *of: str
) -> None:
    client = OidcClient(client_id, secret)
    async with a_process(place, Path(keys), discovery_url, client, every=0.0) as process:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        process.provider.dies = how == "die"
        print(json.dumps(await race(process, list(of))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
