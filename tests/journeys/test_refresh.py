"""Two gateways on one Valkey, and a provider that is asked every second, by refresh token, whether
who signed in may go on.

npm's oidc-provider gives another token each time, and takes back everything when one is used twice:
a gateway that asked with a token that the other one had used already would end the session.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
import redis

from tests.journeys.browser import Browser
from tests.journeys.world import World, a_world, until
from tests.servers.node import Granted, OidcProvider
from tests.servers.valkey import Valkey

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Each question brings a token, so many of them for each session.
_ROTATIONS = 4


@dataclass
class Two:
    """Two gateways, `worlds`, and the provider, which knows them as one application."""

    worlds: tuple[World, World]
    provider: OidcProvider
    valkey: Valkey
    closing: AsyncExitStack

    async def sign_in(self, person: str) -> Browser:
        """By the first; both have the session in use then."""
        browser = await self.closing.enter_async_context(self.worlds[0].browser())
        hint = f"{person}@acme.example"
        page = await browser.open(f"/sso/login/google?next=/calls&login_hint={hint}")
        assert (page.status, page.path) == (200, "/calls"), page.text
        assert [await self.status(browser, world) for world in self.worlds] == [200, 200]
        return browser

    async def status(self, browser: Browser, world: World) -> int:
        """Of a page of Sonar's that needs somebody, at one of the gateways."""
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as anybody,
            anybody.get(f"http://localhost:{world.port}/api/v1/me", headers=cookie(browser)) as got,
        ):
            return got.status

    def granted(self, person: str) -> list[Granted]:
        """What the provider was asked about somebody, and what it gave."""
        client = self.worlds[0].client
        assert client is not None
        return [each for each in self.provider.granted(client) if each.account == person]

    def revoke(self, person: str) -> int:
        client = self.worlds[0].client
        assert client is not None
        return self.provider.revoke(client, person)

    async def asked(self, person: str, times: int) -> None:
        async def often_enough() -> bool:
            return sum(each.used is not None for each in self.granted(person)) >= times

        await until(often_enough, self.worlds[0].said)


def cookie(browser: Browser) -> dict[str, str]:
    return {"Cookie": f"sonar_sso={browser.cookies()['sonar_sso']}"}


@pytest_asyncio.fixture(loop_scope="module")
async def two(
    tmp_path_factory: pytest.TempPathFactory, oidc_provider: OidcProvider, valkey: Valkey
) -> AsyncIterator[Two]:
    async with (
        a_world(
            tmp_path_factory.mktemp("world"),
            oidc_provider,
            refresh="1s",
            sessions={"store": valkey.url.reveal(), "recheck": "1s"},
            log={"format": "json", "level": "debug", "access": "-"},
        ) as world,
        AsyncExitStack() as closing,
    ):
        twin = world.twin("twin.yaml")
        closing.push_async_callback(twin.stop)
        await twin.start()
        yield Two((world, twin), oidc_provider, valkey, closing)


async def test_tokens_that_change_with_each_question_lose_no_session(two: Two) -> None:
    """Three sessions of one person, at both gateways, in use all the time."""
    browsers = [await two.sign_in("jo") for _ in range(3)]

    async def uses(browser: Browser, world: World) -> None:
        while True:
            assert await two.status(browser, world) == 200

    using = [asyncio.create_task(uses(b, world)) for b in browsers for world in two.worlds]
    await two.asked("jo", _ROTATIONS * len(browsers))
    for task in using:
        assert not task.done() or task.result()
        task.cancel()
    await asyncio.gather(*using, return_exceptions=True)

    granted = two.granted("jo")
    assert [each.error for each in granted if each.error] == []
    used = [each.used for each in granted if each.used is not None]
    given = [each.given for each in granted]
    assert None not in given
    assert len(set(used)) == len(used), "each token once"
    assert set(used) <= set(given)
    assert len({each.port for each in granted if each.used}) > 1, "both of them asked"
    for browser in browsers:
        assert [await two.status(browser, world) for world in two.worlds] == [200, 200]


async def test_what_the_provider_takes_back_ends_the_session_at_both(two: Two) -> None:
    """With all that is open there; and nobody else's."""
    leaver, other = await two.sign_in("jo"), await two.sign_in("riley")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        sockets = [
            await http.ws_connect(
                f"http://localhost:{world.port}/calls/live", headers=cookie(leaver)
            )
            for world in two.worlds
        ]
        for socket in sockets:
            assert (await socket.receive(timeout=10)).data

        assert two.revoke("jo") == 1

        async with asyncio.timeout(10):
            for socket in sockets:
                while not socket.closed:
                    await socket.receive()
    assert [await two.status(leaver, world) for world in two.worlds] == [401, 401]
    assert [await two.status(other, world) for world in two.worlds] == [200, 200]
    lines = [json.loads(x) for x in two.worlds[0].said().splitlines() if x.startswith("{")]
    (ended,) = [line for line in lines if line.get("event") == "session_ended"]
    assert (ended["reason"], ended["email"]) == ("refresh_refused", "jo@acme.example")


async def test_a_refresh_token_is_nowhere_to_be_read(two: Two) -> None:
    """Not in the store, the database, a log, a browser, or in what Sonar gets."""
    browser = await two.sign_in("jo")
    await two.asked("jo", 2)
    assert await two.status(browser, two.worlds[0]) == 200
    tokens = [each.given.encode() for each in two.granted("jo") if each.given is not None]
    assert len(tokens) >= 3
    assert all(len(token) >= 40 for token in tokens)

    where = {
        "store": b"\n".join(_everything_in(two.valkey)),
        "database": b"\n".join(_everything_kept(two.worlds[0])),
        "log": two.worlds[0].said().encode(),
        "browser": repr([*browser.jar]).encode(),
        "Sonar": repr(
            [(asked.method, asked.raw_path, asked.raw_headers) for asked in two.worlds[0].asked]
        ).encode(),
    }

    # Each was looked at in the right place: what belongs there is found.
    for place, known in (
        ("store", b'"grant":{"sealed":'),
        ("database", b"jo@acme.example"),
        ("log", b'"event": "sign_in"'),
        ("browser", b"sonar_sso"),
        ("Sonar", b"X-Sonar-Assertion"),
    ):
        assert known in where[place].replace(b'":"sign_in"', b'": "sign_in"'), place
    found = [place for place, content in where.items() for token in tokens if token in content]
    assert found == []


def _everything_in(valkey: Valkey) -> Iterator[bytes]:
    with redis.Redis.from_url(valkey.url.reveal()) as store:
        for name in store.scan_iter():
            yield name
            kind = store.type(name)
            if kind == b"hash":
                for field, value in store.hgetall(name).items():
                    yield from (field, value)
            elif kind == b"zset":
                yield from store.zrange(name, 0, -1)
            else:
                assert kind == b"string", kind
                yield store.get(name) or b""


def _everything_kept(world: World) -> Iterator[bytes]:
    with closing(sqlite3.connect(world.folder / "var" / "gateway.db")) as database:
        yield from (line.encode() for line in database.iterdump())
