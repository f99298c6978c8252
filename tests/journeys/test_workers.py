"""Sign-ins whose steps are served by different processes: nothing is kept in one."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.explanations import EXPLANATIONS
from gateway.reasons import Reason
from tests.journeys.browser import Browser
from tests.journeys.world import World, a_world
from tests.servers.node import OidcProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path, oidc_provider: OidcProvider) -> AsyncIterator[World]:
    """Three workers, and browsers that open a connection for each request."""
    async with a_world(tmp_path, oidc_provider, server={"workers": 3}) as world:
        yield world


def processes(world: World) -> set[str]:
    """Which have served a page of the portal."""
    lines = (world.folder / "access.log").read_text()
    return set(re.findall(r'"request_id":"([0-9a-f]+)-[^}]*"kind":"portal"', lines))


async def test_people_sign_in_through_whichever_worker_is_there(world: World) -> None:
    for number in range(4):
        async with Browser(world.origin, keeps_connections=False) as browser:
            page = await world.google(browser, "jo", f"/calls?n={number}")
            assert page.path == "/calls"
            assert (await browser.request("GET", "/sso/me"))[0] == 200
    async with Browser(world.origin, keeps_connections=False) as browser:
        page = await world.google(browser, "vera")
        page = await browser.press(page, "Link", username="vnovak", password="nova-scotia")
        assert (await browser.request("GET", "/sso/me"))[0] == 200
    assert await world.stop() == 0
    assert len(processes(world)) == 3


async def test_wrong_passwords_are_counted_together(world: World) -> None:
    async with Browser(world.origin, keeps_connections=False) as browser:
        page = await world.google(browser, "vera")
        for _ in range(5):
            page = await browser.press(page, "Link", username="vnovak", password="wrong")
            assert page.status == 403
        page = await browser.press(page, "Link", username="vnovak", password="nova-scotia")
        assert page.status == 429
        assert EXPLANATIONS[Reason.PASSWORD_THROTTLED].title in page.text
