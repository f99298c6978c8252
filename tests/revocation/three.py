"""Three gateway processes that share a Valkey, and a person who has much open at each of them.

    three = …                       the `three` fixture
    person = await three.sign_in()  one session, known to all three
    opened = await three.open(person)
    … whatever ends it …
    took = await opened.ended(began)

At each gateway a person has a WebSocket, server-sent events, a download of a known length and a
request that waits for its reply. They are gone when the browser sees it; and a gateway refuses the
session from its first 401 on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.config import Config, load_config
from tests.attacks.liar import Liar, Lie, Realm, honest_keys
from tests.attacks.lied_to import SESSION, LiedTo, a_gateway_lied_to
from tests.journeys.browser import Browser
from tests.journeys.world import PATIENCE, World
from tests.servers.valkey import Valkey

# How much sooner than a second nobody has to be; what a bound is for is to be kept.
BOUND = 1.0
_EXPORT = 10_000_000
_DRIP = b"data: now\n\n"


async def _events(request: web.Request) -> web.StreamResponse:
    return await _drips(request, web.StreamResponse(headers={"Content-Type": "text/event-stream"}))


async def _export(request: web.Request) -> web.StreamResponse:
    return await _drips(request, web.StreamResponse(headers={"Content-Length": str(_EXPORT)}))


async def _drips(request: web.Request, reply: web.StreamResponse) -> web.StreamResponse:
    await reply.prepare(request)
    with suppress(ConnectionError):
        while True:
            await reply.write(_DRIP)
            await asyncio.sleep(0.05)
    return reply


async def _news(_request: web.Request) -> web.StreamResponse:
    """Long polling for what never comes."""
    await asyncio.Event().wait()
    raise AssertionError("it came")


PAGES = (web.get("/events", _events), web.get("/export", _export), web.get("/news", _news))


@dataclass
class Person:
    """Somebody signed in, in a browser of their own. `sid`: what the provider calls its session."""

    browser: Browser
    claims: Mapping[str, object]
    sid: str

    @property
    def cookie(self) -> str:
        return self.browser.cookies()[SESSION]

    @property
    def email(self) -> str:
        return str(self.claims["email"])


@dataclass
class Opened:
    """What is open: until when each lasts, by gateway and kind."""

    lasting: dict[tuple[int, str], asyncio.Task[float]] = field(default_factory=dict)

    async def ended(self, began: float) -> dict[tuple[int, str], float]:
        """How long after `began` (`time.monotonic()`) each was gone, and each gateway refused."""
        async with asyncio.timeout(PATIENCE):
            gone = await asyncio.gather(*self.lasting.values())
        return {what: at - began for what, at in zip(self.lasting, gone, strict=True)}

    def all_last(self) -> bool:
        return not any(task.done() for task in self.lasting.values())


@dataclass
class Three:
    """`worlds` are the gateways; the first is where browsers go. `config` is the first's."""

    lied: LiedTo
    worlds: tuple[World, ...]
    closing: AsyncExitStack
    number: int = 0

    @property
    def origin(self) -> str:
        return self.worlds[0].origin

    @property
    def folder(self) -> Path:
        return self.worlds[0].folder

    @property
    def realm(self) -> Realm:
        return self.lied.liar["google"]

    def config(self) -> Config:
        return load_config(self.folder / "config.yaml")

    async def warm_up(self) -> None:
        """A gateway is ready before it has all that sign-ins need; loading it takes the machine."""
        host = {"Host": self.origin.partition("//")[2]}
        async with aiohttp.ClientSession(headers=host) as http:
            for world in self.worlds:
                async with http.get(f"http://127.0.0.1:{world.port}/sso/login") as reply:
                    assert reply.status == 200

    async def sign_in(self, email: str = "jo@acme.example", subject: str | None = None) -> Person:
        """Somebody whose address opens one account, by Google."""
        self.number += 1
        sid, domain = f"google-session-{self.number}", email.partition("@")[2]
        claims = {
            "sub": subject or f"subject-of-{email}",
            "email": email,
            "hd": None if domain == "gmail.com" else domain,
            "sid": sid,
            # The settings ask for a fresh proof.
            "auth_time": int(time.time()),
        }
        browser = await self.closing.enter_async_context(self.worlds[0].browser())
        self.realm.lie = Lie(claims=claims)
        page = await self.lied.arrive(self.realm, browser, "/")
        self.realm.lie = Lie()
        assert (page.status, page.path) == (200, "/"), page.text
        return Person(browser, claims, sid)

    @asynccontextmanager
    async def open(self, person: Person) -> AsyncIterator[Opened]:
        """Everything, at every gateway."""
        headers = {
            "Cookie": f"{SESSION}={person.cookie}",
            "Host": self.origin.partition("//")[2],
        }
        opened = Opened()
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=headers,
            ) as http,
            AsyncExitStack() as closing,
        ):
            for number, world in enumerate(self.worlds, 1):
                at = f"http://127.0.0.1:{world.port}"
                socket = await closing.enter_async_context(http.ws_connect(f"{at}/calls/live"))
                events = await closing.enter_async_context(http.get(f"{at}/events"))
                export = await closing.enter_async_context(http.get(f"{at}/export"))
                lasting = {
                    "websocket": _closed(socket),
                    "events": _cut(events),
                    "download": _cut(export),
                    "waiting": _waited(http.get(f"{at}/news")),
                    "refused": _refused(http, f"{at}/api/v1/me"),
                }
                for kind, closed in lasting.items():
                    opened.lasting[number, kind] = asyncio.create_task(_moment(closed))
            async with asyncio.timeout(PATIENCE):
                await self._reached(len(self.worlds))
            yield opened
            for task in opened.lasting.values():
                task.cancel()
            await asyncio.gather(*opened.lasting.values(), return_exceptions=True)

    async def _reached(self, number: int) -> None:
        """Until so many requests that wait are at Sonar, and have been looked at as alive."""
        asked = self.worlds[0].asked
        while sum(request.path == "/news" for request in asked) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        asked.clear()


async def _moment(closed: Awaitable[None]) -> float:
    await closed
    return time.monotonic()


async def _closed(socket: aiohttp.ClientWebSocketResponse) -> None:
    while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        pass


async def _cut(reply: aiohttp.ClientResponse) -> None:
    assert reply.status == 200
    try:
        while await reply.content.readany():
            pass
    except aiohttp.ClientError:
        return
    raise AssertionError("it ended as if it were whole")


async def _waited(asking: Awaitable[aiohttp.ClientResponse]) -> None:
    async with await asking as reply:
        assert reply.status == 401


async def _refused(http: aiohttp.ClientSession, url: str) -> None:
    while True:
        async with http.get(url) as reply:
            if reply.status == 401:
                return
            assert reply.status == 200
        await asyncio.sleep(0.01)


@asynccontextmanager
async def three_gateways(folder: Path, valkey: Valkey) -> AsyncIterator[Three]:
    """Start them, a liar for a provider and a Sonar."""
    liar = Liar(
        Realm("google", "google", honest_keys("google")),
        Realm("microsoft", "microsoft", honest_keys("microsoft")),
    )
    async with (
        a_gateway_lied_to(
            folder, liar, sessions={"store": valkey.url.reveal(), "recheck": "1s"}, pages=PAGES
        ) as lied,
        AsyncExitStack() as closing,
    ):
        twins = [lied.world.twin(f"config-{number}.yaml") for number in (2, 3)]
        for twin in twins:
            closing.push_async_callback(twin.stop)
        await asyncio.gather(*(twin.start() for twin in twins))
        three = Three(lied, (lied.world, *twins), closing)
        await three.warm_up()
        yield three
