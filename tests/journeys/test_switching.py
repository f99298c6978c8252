"""Another account, another provider, nobody: nothing stays of who was signed in before."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from tests.journeys.browser import Browser
from tests.journeys.world import World, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Leave = Callable[[World, Browser], Awaitable[object]]


async def switches(_world: World, browser: Browser) -> None:
    await browser.press(await browser.open("/sso/accounts"), "Sam Rivera")


async def comes_by_another_provider(world: World, browser: Browser) -> None:
    await world.microsoft(browser, "mara")


async def signs_out(_world: World, browser: Browser) -> None:
    await browser.press(await browser.open("/sso/logout"), "Sign out")


async def signs_out_of_sonar(_world: World, browser: Browser) -> None:
    await browser.request("GET", "/logout")


def claims_of(world: World) -> dict[str, Any]:
    """What Sonar was told with the last request."""
    body = world.asked[-1].headers["X-Sonar-Assertion"].split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


@pytest.mark.parametrize(
    ("leaves", "then"),
    [
        (switches, ("srivera", "sam@acme.example", "google")),
        (comes_by_another_provider, ("mjensen", "mara@acme.example", "microsoft")),
        (signs_out, None),
        (signs_out_of_sonar, None),
    ],
)
async def test_nothing_stays(
    leaves: Leave, then: tuple[str, str, str] | None, world: World
) -> None:
    twin = world.twin("twin.yaml")
    await twin.start()
    try:
        async with world.browser() as browser, aiohttp.ClientSession() as anybody:
            page = await world.google(browser, "sam")
            await browser.press(page, "Acme Support Desk")
            await browser.open("/calls")
            # Google, as the journey has it, is of the same host and has cookies of its own.
            was = claims_of(world)
            before = {name: browser.cookies()[name] for name in ("sonar_sso", "SONARSESSID")}
            old = {"Cookie": "; ".join(f"{name}={value}" for name, value in before.items())}
            at = [f"http://localhost:{port}" for port in (world.port, twin.port)]
            sockets = [await anybody.ws_connect(f"{where}/calls/live", headers=old) for where in at]
            for socket in sockets:
                assert (await socket.receive(timeout=10)).data

            await leaves(world, browser)

            async with asyncio.timeout(5):
                for socket in sockets:
                    while not socket.closed:
                        await socket.receive()

            async def refused() -> bool:
                replies = [await anybody.get(f"{where}/api/v1/me", headers=old) for where in at]
                return [reply.status for reply in replies] == [401, 401]

            await until(refused, world.said, 5)
            sealed = {"SONARSESSID": before["SONARSESSID"]}
            status, _, text = await browser.request("GET", "/sso/me")
            if then is None:
                assert status == 401
                assert not set(before) & set(browser.cookies())
                return
            me = json.loads(text)
            assert (me["account"]["username"], me["email"], me["provider"]) == then
            assert browser.cookies()["sonar_sso"] != before["sonar_sso"]
            status, _, text = await browser.request("GET", "/api/v1/me", cookies=sealed)
            assert (status, json.loads(text)["username"]) == (200, then[0])
            assert "SONARSESSID" not in world.asked[-1].headers.get("Cookie", "")
            now, headers = claims_of(world), world.asked[-1].headers
            assert (now["username"], now["email"], now["provider"]) == then
            assert now["sid"] != was["sid"]
            assert now["sub"] == headers["X-Sonar-Account-Id"] != was["sub"]
            assert headers["X-Sonar-Username"] == then[0]
            assert headers["X-Sonar-Provider"] == then[2]
    finally:
        await twin.stop()
